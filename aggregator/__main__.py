"""`python -m aggregator`: bars from Kafka become feature rows in PostgreSQL."""

import argparse
import sys

from aggregator.service import NAME, aggregate
from shared.runtime.service import run


def main() -> int:
    """Run the aggregator; return the exit code."""
    argparse.ArgumentParser(
        prog="python -m aggregator",
        description="Make feature rows of bars, history and live. It runs until SIGTERM or SIGINT.",
        epilog="Settings come from the environment: see aggregator/README.md.",
    ).parse_args()
    return run(NAME, aggregate)


if __name__ == "__main__":
    sys.exit(main())
