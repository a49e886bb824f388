"""Two snapshots side by side."""

from dataclasses import dataclass

from benchmarks.kills.snapshot import Snapshot

TITLES = {
    "lake": "lake: content of tickers, series, companies",
    "rows": "newest feature rows of tickers",
    "models": "models by digest",
    "answers": "answers of the predictor",
    "profiles": "profiles in the document store",
}


@dataclass(frozen=True)
class Compared:
    """One line: what is compared, how it is in each run, whether it is the same, and examples of what is not."""

    what: str
    undisturbed: str
    killed: str
    same: bool
    examples: tuple[str, ...] = ()


def compare(undisturbed: Snapshot, killed: Snapshot) -> list[Compared]:
    """Return what is the same and what is not."""
    counts = [
        Compared(name, _text(value), _text(killed["counts"].get(name)), value == killed["counts"].get(name))
        for name, value in undisturbed["counts"].items()
    ]
    return [*counts, *(_compare_part(undisturbed, killed, part) for part in TITLES), _inputs(undisturbed, killed)]


def _compare_part(undisturbed: Snapshot, killed: Snapshot, part: str) -> Compared:
    one, other = undisturbed[part], killed[part]
    names = sorted(one.keys() | other.keys())
    different = tuple(name for name in names if one.get(name) != other.get(name))
    alike = f"{len(names) - len(different)} of {len(names)} alike"
    return Compared(TITLES[part], str(len(one)), f"{len(other)}, {alike}", not different, different)


def _inputs(undisturbed: Snapshot, killed: Snapshot) -> Compared:
    """Compare models where the rows that they were trained on are the same."""
    one, other = undisturbed["models"], killed["models"]
    same_rows = [name for name in one if name in other and one[name]["rows"] == other[name]["rows"]]
    different = tuple(name for name in same_rows if one[name] != other[name])
    alike = f"{len(same_rows) - len(different)} of {len(same_rows)} alike"
    return Compared("models trained on the same rows", str(len(same_rows)), alike, not different, different)


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
