"""The root of the command: what every subcommand shares, and errors as one line with exit codes 0, 1 and 2."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.output import print_error
from shared.errors import ConfigurationError, ContractError, TickerstreamError

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of the stack; without it TICKERSTREAM_HOME, else .tickerstream.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write one JSON document for programs.")]

FAILED = 1
UNUSABLE = 2


class OneLineErrors(TyperGroup):
    """A group whose commands end on an error with one line: 2 when a person must act, else 1."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read what stands before the command's name."""
        try:
            return super().make_context(*args, **options)
        except typer.TyperException as error:
            raise _misused(error) from error

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except TickerstreamError as error:
            print_error(str(error))
            raise typer.Exit(UNUSABLE if isinstance(error, ConfigurationError | ContractError) else FAILED) from error
        except typer.TyperException as error:
            raise _misused(error) from error
        except KeyboardInterrupt as error:
            print_error("interrupted; what is stored stays, and the same command may be given again")
            raise typer.Exit(FAILED) from error
        except typer.Abort as error:
            print_error("nothing was changed; with --yes nothing is asked")
            raise typer.Exit(FAILED) from error
        except BrokenPipeError as error:  # `tickerstream ... | head`
            raise typer.Exit(0) from error
        except OSError as error:
            if error.filename is None:  # no file or folder that was named by somebody: a fault of ours
                raise
            print_error(f"{error.filename}: {error.strerror}. Name one that can be used, or mend it and its rights.")
            raise typer.Exit(UNUSABLE) from error


def _misused(error: typer.TyperException) -> Exception:
    """Return how to end on arguments that mean nothing, one line being said; on none at all, with the help."""
    message = error.format_message().replace("Value error, ", "")
    if not message:  # it was asked for nothing, and the help was shown
        return error
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tickerstream"
    print_error(f"{message.rstrip('.')}. See `{path} --help`.")
    return typer.Exit(UNUSABLE)


def new_group(help_text: str) -> typer.Typer:
    """Return a group of subcommands."""
    return typer.Typer(
        help=help_text, no_args_is_help=True, rich_markup_mode="markdown", pretty_exceptions_enable=False
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tickerstream {version('tickerstream')}")
        raise typer.Exit


def new_app() -> typer.Typer:
    """Return the command without subcommands."""
    app = typer.Typer(
        name="tickerstream",
        cls=OneLineErrors,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Begin with `tickerstream demo --once`: a simulated exchange, about a minute.",
    )

    @app.callback()
    def root(
        show_version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
        ] = False,
    ) -> None:
        """Market data through real Kafka into a Parquet lake, every row accounted for."""

    return app
