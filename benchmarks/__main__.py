"""`python -m benchmarks [--only PART ...]`: measure side by side, and write benchmarks/RESULTS.md."""

import argparse
import importlib
import importlib.util
import os
from dataclasses import dataclass

from benchmarks import results


@dataclass(frozen=True)
class Part:
    """One benchmark: a module with `measure() -> list[str]`, Markdown lines.

    Attributes:
        name: What `--only` calls it: `module`, or `module:function` for another function of it.
        title: Its section.
        about: What is compared with what.
        usual: Whether it runs without being asked for.
    """

    name: str
    title: str
    about: str
    usual: bool = True

    @property
    def module(self) -> str:
        return f"benchmarks.{self.name.partition(':')[0]}"

    def measure(self) -> list[str]:
        function = self.name.partition(":")[2] or "measure"
        lines: list[str] = getattr(importlib.import_module(self.module), function)()
        return [self.about, "", *lines]


PARTS = (
    Part(
        "to_lake",
        "To the lake",
        "The bare loop is pyarrow and confluent-kafka over the same bytes with the same fsync, without validation, "
        "versions, offsets or recovery.",
    ),
    Part("features", "Features", "A core's features a second, beside a bare TA-Lib and polars loop."),
    Part("loading", "Loading rows", "Feature rows into PostgreSQL, beside a binary COPY of the same rows."),
    Part("training", "Training", "Fits of the three models, beside bare fits; evaluation apart."),
    Part("api", "One prediction", "A prediction through the API, beside a bare FastAPI route."),
    Part("whole", "The whole way", "From files to served predictions, a million bars, by stage."),
    Part(
        "whole:large",
        "Twelve million bars",
        "Thirty tickers from CSV files, evaluation included, by stage.",
        usual=False,
    ),
    Part("whole:long", "One ticker of 1.85 million bars", "From a CSV file, by stage.", usual=False),
    Part(
        "whole:corrected",
        "One ticker of 1.85 million bars with corrections",
        "From the simulated exchange, which reports three bars of a thousand again some minutes later, by stage: each"
        " such report changes rows of its minutes and of those after it.",
        usual=False,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--bars", help="folder of sorted CSV files (or TICKERSTREAM_REAL_DATA); else simulated bars")
    parser.add_argument("--timezone", default="America/New_York", help="zone of their naive times")
    given = parser.parse_args()
    if given.bars:
        os.environ |= {"TICKERSTREAM_REAL_DATA": given.bars, "TICKERSTREAM_REAL_TIMEZONE": given.timezone}
    measured: dict[str, list[str]] = {}
    for part in PARTS:
        if part.name not in given.only if given.only else not part.usual:
            continue
        if importlib.util.find_spec(part.module) is None:
            print(f"{part.name}: there is no {part.module}")
            continue
        print(f"measuring {part.name}", flush=True)
        measured[part.title] = part.measure()
        results.write(results.RESULTS, measured, [one.title for one in PARTS])
        print("\n".join([f"## {part.title}", "", *measured[part.title], ""]), flush=True)


if __name__ == "__main__":
    main()
