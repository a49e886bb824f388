"""Entry point of `tickerstream`."""

from cli import stack
from cli.app import new_app
from cli.verify import command as verify

app = new_app()
for part in (stack, verify):
    part.register(app)


def main() -> None:
    """Run the command."""
    app()


if __name__ == "__main__":
    main()
