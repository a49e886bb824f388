"""`python -m train`: start_model -> jobs -> models -> deployments."""

import argparse
import sys

from shared.runtime.service import run
from train.service import train


def main() -> int:
    """Run the service; return the exit code."""
    argparse.ArgumentParser(
        prog="python -m train",
        description="Train what start_model asks for, and deploy it. It runs until SIGTERM or SIGINT.",
        epilog="Settings come from the environment: see train/README.md.",
    ).parse_args()
    return run("train", train)


if __name__ == "__main__":
    sys.exit(main())
