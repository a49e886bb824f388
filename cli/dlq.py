"""`tickerstream dlq`: what could not be handled, why, and another try for what can be sent again."""

from typing import Annotated, Any

import typer

from cli.app import FAILED, HomeOption, JsonOption, new_group
from cli.dead_letters import Group, Numbered, grouped, letter_of, read_letters, replay_refusal, send_back
from cli.decoding import bars_line, decode_value, hex_dump, origin_of, texts
from cli.output import Output
from cli.settings import connect
from cli.tables import Column, number
from shared.contracts.bars import decode_bars
from shared.contracts.dead_letters import DeadLetter
from shared.errors import ConfigurationError, PoisonMessageError

ID_HELP = "Number of a dead letter, as `tickerstream dlq list` shows it."
EXAMPLES = """
**Examples**

- `tickerstream dlq list` groups them by what was wrong.
- `tickerstream dlq list --class bad_row --each` lists each one of a kind.
- `tickerstream dlq replay --class bad_arrow` sends those back to the topics that they came from.
"""
ClassOption = Annotated[str | None, typer.Option("--class", help="Only those of this error class.", metavar="CLASS")]


def register(app: typer.Typer) -> None:
    """Add the group `dlq` to `app`."""
    group = new_group("Dead letters: what could not be handled, and why.")
    group.command("list", epilog=EXAMPLES)(list_letters)
    group.command("show")(show)
    group.command("replay")(replay)
    app.add_typer(group, name="dlq")


def list_letters(
    home: HomeOption = None,
    error_class: ClassOption = None,
    each: Annotated[bool, typer.Option("--each", help="List each one, not groups.")] = False,
    count: Annotated[int, typer.Option("-n", "--letters", help="With --each: only the last so many.", min=1)] = 100,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, grouped by error class, service and origin."""
    output = Output.of(as_json)
    found = read_letters(connect(home).kafka, error_class)
    if each:
        _list_each(output, list(found)[-count:])
        return
    groups = grouped(found)
    if as_json:
        output.document([vars(group) for group in groups])
    elif not groups:
        output.line("no dead letters", style="green")
    else:
        titles = (
            number("letters"),
            number("rows"),
            Column("service", spare=1),
            Column("origin", wraps=True),
            Column("ids"),
        )
        output.table(
            [Column("error class", style="bold"), *titles, Column("first reason", wraps=True)],
            [[g.error_class, g.letters, g.rows, g.service, g.origin, _ids(g), g.reason] for g in groups],
        )


def show(
    number_: Annotated[int, typer.Argument(help=ID_HELP, metavar="ID", min=0)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: why, from where, its headers and its content, decoded where that is possible."""
    output = Output.of(as_json)
    found = letter_of(connect(home).kafka, number_)
    if as_json:
        output.document(_document(found))
        return
    letter = found.letter
    kept = f"{letter.length:,} bytes" + ("" if letter.whole else f", of which the first {len(letter.value):,} are kept")
    facts = {
        "reason": letter.reason,
        "error class": letter.error_class,
        "origin": origin_of(letter),
        "refused by": f"{letter.service} at {letter.first_seen:%Y-%m-%d %H:%M:%S} UTC",
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "rows": str(letter.rows) if letter.rows else "the message as a whole",
        "content": kept,
        "replay": replay_refusal(letter, None) or f"possible: tickerstream dlq replay {found.id}",
    }
    output.table([Column("", style="bold"), Column("", wraps=True)], list(facts.items()))
    for name, text in texts(letter.headers or {}).items():
        output.line(f"header {name}: {text}", style="dim")
    for line in _content(letter):
        output.line(line)


def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help=ID_HELP, metavar="[ID]...")] = None,
    home: HomeOption = None,
    error_class: ClassOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send dead letters back to the topics that they came from, with their key and headers.

    Mend what refused them first: a letter that is refused again comes back as a new one. Rows that arrive twice have
    their effect once. What came from a file, or is not kept whole, cannot be sent again; it says why. Exit code 1 if
    one of those that were asked for by number could not be sent.
    """
    output, kafka = Output.of(as_json), connect(home).kafka
    wanted = set(numbers or ())
    if bool(wanted) + (error_class is not None) + everything != 1:
        raise ConfigurationError("Say which: numbers, or --class CLASS, or --all.")
    chosen = [n for n in read_letters(kafka, error_class) if not wanted or n.id in wanted]
    if missing := wanted - {n.id for n in chosen}:
        raise ConfigurationError(f"There is no dead letter {min(missing)}; see `tickerstream dlq list --each`.")
    sent, kept = send_back(kafka, chosen)
    for item, reason in kept:
        output.line(f"{item.id}: not sent: {reason}", style="yellow")
    output.line(f"{len(sent):,} sent again, {len(kept):,} not", style="green" if not kept else "")
    output.document({"sent": [n.id for n in sent], "not_sent": [{"id": n.id, "reason": reason} for n, reason in kept]})
    if wanted and kept:
        raise typer.Exit(FAILED)


def _ids(group: Group) -> str:
    return str(group.first_id) if group.letters == 1 else f"{group.first_id}..{group.last_id}"


def _list_each(output: Output, letters: list[Numbered]) -> None:
    if output.json:
        output.document([_document(item) for item in letters])
        return
    titles = (
        Column("error class"),
        Column("origin", wraps=True),
        number("bytes", spare=1),
        Column("reason", wraps=True),
    )
    output.table(
        [number("id", style="bold"), *titles],
        [[n.id, n.letter.error_class, origin_of(n.letter), n.letter.length, n.letter.reason] for n in letters],
    )


def _document(item: Numbered) -> dict[str, Any]:
    letter = item.letter
    return {
        "id": item.id,
        "error_class": letter.error_class,
        "reason": letter.reason,
        "service": letter.service,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "first_seen": letter.first_seen.isoformat(),
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "headers": texts(letter.headers or {}),
        "length": letter.length,
        "kept": len(letter.value),
        "rows": letter.rows,
        "cannot_be_replayed": replay_refusal(letter, None),
        "value": decode_value(letter.topic, letter.value),
    }


def _content(letter: DeadLetter) -> list[str]:
    """Return the content for people: rows of bars, else text, else hex."""
    try:
        bars = decode_bars(letter.value)
        rows = [", ".join(f"{name} {value}" for name, value in row.items()) for row in bars.head(5).to_dicts()]
        return [bars_line(bars), *rows]
    except PoisonMessageError:
        pass
    try:
        text = letter.value.decode()
    except UnicodeDecodeError:
        return hex_dump(letter.value)
    if text.isprintable() or all(c.isprintable() or c.isspace() for c in text):
        return text.splitlines()[:40]
    return hex_dump(letter.value)
