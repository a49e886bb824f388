"""`python -m consumers stock|actions|macro|company`: Kafka -> lake."""

import argparse
import sys

from consumers.kinds import NAMES
from consumers.service import consume
from shared.runtime.service import run


def main() -> int:
    """Run one consumer; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers",
        description="Land the facts of one kind from Kafka in the lake. It runs until SIGTERM or SIGINT.",
        epilog="Settings come from the environment: see consumers/README.md.",
    )
    parser.add_argument("consumer", choices=NAMES, help="what to land")
    name: str = parser.parse_args().consumer
    return run(f"consumers.{name}", lambda runtime: consume(runtime, name))


if __name__ == "__main__":
    sys.exit(main())
