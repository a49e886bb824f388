"""Entry point of `tickerstream`."""

from cli import backfill, dlq, lake, live, runs, stack, tickers, topics
from cli.app import new_app
from cli.demo import command as demo
from cli.verify import command as verify

app = new_app()
for part in (demo, stack, backfill, live, tickers, runs, topics, dlq, lake, verify):
    part.register(app)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
