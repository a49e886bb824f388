"""`python -m train`: start_model -> jobs -> models -> deployments."""

import argparse
import sys


def main() -> int:
    """Run the service; return the exit code."""
    argparse.ArgumentParser(
        prog="python -m train",
        description="Train what start_model asks for, and deploy it. It runs until SIGTERM or SIGINT.",
        epilog="Settings come from the environment: see train/README.md.",
    ).parse_args()
    # Each worker imports this module, too, and needs nothing of what follows.
    from shared.runtime.service import run
    from train.service import train

    return run("train", train)


if __name__ == "__main__":
    sys.exit(main())
