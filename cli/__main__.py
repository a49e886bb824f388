"""Entry point of `tickerstream`."""

import logging
import signal

from cli import backfill, dlq, features, lake, live, models, predict, runs, stack, tickers, topics, train
from cli.app import new_app
from cli.demo import command as demo
from cli.verify import command as verify
from shared.kafka.config import LIBRDKAFKA

app = new_app()
for part in (demo, stack, backfill, live, tickers, train, models, predict, runs, features, topics, dlq, lake, verify):
    part.register(app)


def main() -> None:
    """Run the command. Being told to end is the same as Ctrl-C: child processes are ended, too."""
    LIBRDKAFKA.addHandler(logging.NullHandler())  # that a broker is away the command says itself
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    app()


if __name__ == "__main__":
    main()
