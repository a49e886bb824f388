"""`python -m consumers stock|actions|macro|company|predictions`: Kafka -> lake, and the ledger of predictions."""

import argparse
import sys

from consumers.kinds import NAMES
from consumers.service import consume
from shared.runtime.service import run

LEDGER = "predictions"


def main() -> int:
    """Run one consumer; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m consumers",
        description="Land the facts of one kind from Kafka in the lake, or predictions in the ledger. "
        "It runs until SIGTERM or SIGINT.",
        epilog="Settings come from the environment: see consumers/README.md.",
    )
    parser.add_argument("consumer", choices=(*NAMES, LEDGER), help="what to land")
    name: str = parser.parse_args().consumer
    if name == LEDGER:
        from consumers.ledger import keep_ledger  # the others need no database client in memory

        return run(f"consumers.{name}", keep_ledger)
    return run(f"consumers.{name}", lambda runtime: consume(runtime, name))


if __name__ == "__main__":
    sys.exit(main())
