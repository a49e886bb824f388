"""`tickerstream lake`: what lies in the lake, as any Parquet reader sees it."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from cli.app import HomeOption, JsonOption, new_group
from cli.output import Output, size_of
from cli.settings import connect
from cli.tables import Cell, Column, number
from cli.verify.lake_objects import LakeFiles, Listed, UnreadableError
from shared.contracts.lake import STOCK
from shared.errors import ConfigurationError

READERS = 8
EXAMPLES = """
**Examples**

- `tickerstream lake ls` lists the buckets, `tickerstream lake ls stock-data` the tickers.
- `tickerstream lake ls stock-data/NVDA/2026` lists objects.
- `tickerstream lake head NVDA` shows the newest bars of a ticker.
"""


def register(app: typer.Typer) -> None:
    """Add the group `lake` to `app`."""
    group = new_group("Look into the lake.")
    group.command("ls", epilog=EXAMPLES)(ls)
    group.command("head")(head)
    app.add_typer(group, name="lake")


def ls(
    prefix: Annotated[str | None, typer.Argument(help="A bucket, or a bucket and a beginning of names.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List buckets; of a bucket its tickers, series or symbols; below that, objects. With rows and sizes."""
    output, lake = Output.of(as_json), open_lake(home)
    bucket, _, rest = (prefix or "").strip("/").partition("/")
    if bucket and bucket not in lake.buckets():
        raise ConfigurationError(f"There is no bucket {bucket}; there are: {', '.join(lake.buckets()) or 'none'}.")
    buckets = [bucket] if bucket else lake.buckets()
    listed = [one for name in buckets for one in lake.objects(name, rest)]
    entries = list(_grouped(_counted(lake, listed), bucket, rest))
    if as_json:
        output.document(entries)
        return
    if not entries:
        output.line("nothing there", style="yellow")
        return
    columns = [Column("name", style="bold"), number("objects"), number("rows"), number("size")]
    rows: list[list[Cell]] = [[e["name"], e["objects"], e["rows"], _size(output, e["bytes"])] for e in entries]
    output.table(columns, rows)


def head(
    what: Annotated[str, typer.Argument(help="An object (bucket/name), or a ticker.", metavar="OBJECT|TICKER")],
    home: HomeOption = None,
    count: Annotated[int, typer.Option("-n", "--rows", help="How many rows.", min=1)] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show rows: the first of an object, or the newest bars of a ticker."""
    output, lake = Output.of(as_json), open_lake(home)
    found, newest = find_object(lake, what)
    try:
        table = lake.table(found)
    except UnreadableError as error:
        raise ConfigurationError(f"{found.bucket}/{found.name} cannot be read: {error}.") from error
    rows = table.slice(max(0, table.num_rows - count)) if newest else table.slice(0, count)
    if as_json:
        output.document(rows.to_pylist())
        return
    output.line(f"{found.bucket}/{found.name}: {table.num_rows:,} rows, {size_of(found.size)}", style="dim")
    shown = _worth_showing(rows, wide=not output.terminal)
    output.table(
        [Column(field.name, right=pa.types.is_floating(field.type)) for field in shown.schema],
        ([_cell(value) for value in row.values()] for row in shown.to_pylist()),
    )
    if shown.num_columns < rows.num_columns:
        output.line(f"{rows.num_columns - shown.num_columns} more columns (--json shows all)", style="dim")


def open_lake(home: Path | None) -> LakeFiles:
    """Return the lake of the stack in `home`, or of LAKE_URL."""
    return LakeFiles(connect(home, must_be_up=False).lake)


def find_object(lake: LakeFiles, what: str) -> tuple[Listed, bool]:
    """Return the object that `what` names, and whether its newest rows are meant.

    Raises:
        ConfigurationError: there is none.
    """
    bucket, _, name = what.strip("/").partition("/")
    if name and bucket in lake.buckets():
        for listed in lake.objects(bucket, name):
            if listed.name == name:
                return listed, False
        raise ConfigurationError(f"There is no object {what}; see `tickerstream lake ls {bucket}`.")
    objects = lake.objects(STOCK.bucket, f"{what}/")
    if not objects:
        raise ConfigurationError(f"There is no object and no ticker {what}; see `tickerstream lake ls {STOCK.bucket}`.")
    return objects[-1], True


def _counted(lake: LakeFiles, listed: list[Listed]) -> list[tuple[Listed, int | None]]:
    """Return each object with its rows; None where it cannot be read."""

    def rows(one: Listed) -> int | None:
        try:
            return lake.row_count(one)
        except UnreadableError:
            return None

    with ThreadPoolExecutor(READERS) as pool:
        return list(zip(listed, pool.map(rows, listed), strict=True))


def _grouped(counted: Iterable[tuple[Listed, int | None]], bucket: str, rest: str) -> Iterable[dict[str, Any]]:
    """Yield what is listed: buckets, the first parts of names, or objects."""
    groups: dict[str, list[tuple[Listed, int | None]]] = defaultdict(list)
    for one, rows in counted:
        first, slash, _ = one.name.partition("/")
        whole = f"{one.bucket}/{one.name}"
        groups[one.bucket if not bucket else f"{bucket}/{first}{slash}" if not rest else whole].append((one, rows))
    for name, members in sorted(groups.items()):
        yield {
            "name": name,
            "objects": len(members),
            "rows": sum(rows or 0 for _, rows in members),
            "bytes": sum(one.size for one, _ in members),
            "unreadable": sum(rows is None for _, rows in members),
        }


def _size(output: Output, count: int) -> Cell:
    return size_of(count) if output.terminal else count


def _worth_showing(table: pa.Table, *, wide: bool) -> pa.Table:
    """Return the columns that have a value; on a terminal at most a dozen of them."""
    names = [name for name in table.column_names if table[name].null_count < table.num_rows]
    return table.select(names if wide else names[:12])


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool | int):
        return value
    return f"{value:g}" if isinstance(value, float) else str(value).removesuffix("+00:00")
