"""`python -m tests.train.serving TOPIC GROUP`: the service as a process, on a topic and group of its own."""

import sys
from dataclasses import replace


def main() -> int:
    from shared.runtime.service import Runtime, run
    from train.service import Environment, TrainService

    topic, group = sys.argv[1:]

    def serve(runtime: Runtime) -> None:
        TrainService(runtime, replace(Environment.load(), topic=topic, group=group)).run()

    return run("train", serve)


if __name__ == "__main__":
    sys.exit(main())
