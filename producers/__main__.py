"""`python -m producers stock|macro|company`: a source -> Kafka."""

import sys

from producers.arguments import parse
from producers.service import publish
from shared.runtime.service import run


def main() -> int:
    """Run one producer; return the exit code."""
    arguments = parse()
    return run(f"producers.{arguments.producer}", lambda runtime: publish(runtime, arguments))


if __name__ == "__main__":
    sys.exit(main())
