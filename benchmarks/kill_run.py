"""`python -m benchmarks.kill_run`: a demo undisturbed, and once more while each of its processes is killed.

The second run has the same input and another home. Each producer, service and server is killed (SIGKILL) at random
moments with work in flight; the supervisor starts them again. At the end both have to hold the same counts, lake,
feature rows, models and answers. Exit code 1 if anything differs, or a process was never killed.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.kills.compare import Compared, compare
from benchmarks.kills.demo import running_demo
from benchmarks.kills.killer import Killed, Killer
from benchmarks.kills.plan import Kill, plan
from benchmarks.kills.progress import StageProgress
from benchmarks.kills.snapshot import Snapshot, take

EXAMPLES = 5


def main() -> None:
    given = _arguments()
    if given.compare:
        one, other = (json.loads(Path(file).read_text(encoding="utf-8")) for file in given.compare)
        sys.exit(_judge(compare(one, other), [], []))
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        sys.exit(_run(given, given.keep))
    with tempfile.TemporaryDirectory(prefix="tickerstream-kills-") as folder:
        sys.exit(_run(given, Path(folder)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_run", description=__doc__)
    real = os.environ.get("TICKERSTREAM_REAL_DATA")
    parser.add_argument("--bars", default=real, help="folder of bars (or TICKERSTREAM_REAL_DATA); else simulated ones")
    parser.add_argument("--timezone", default=os.environ.get("TICKERSTREAM_REAL_TIMEZONE", "America/New_York"))
    parser.add_argument("--macro", help="folder of macro series")
    parser.add_argument("--fundamentals", help="folder of filings")
    parser.add_argument("--tickers", default="3", help="of the simulated exchange")
    parser.add_argument("--sessions", default="20", help="of the simulated exchange")
    parser.add_argument("--seed", type=int, default=1, help="what the moments of the kills follow from")
    parser.add_argument("--keep", type=Path, help="folder that keeps homes, logs, snapshots, for further seeds")
    parser.add_argument("--compare", nargs=2, metavar="FILE", help="only compare two snapshots of earlier runs")
    return parser.parse_args()


def _of_demo(given: argparse.Namespace) -> list[str]:
    if not given.bars:
        return ["--tickers", given.tickers, "--sessions", given.sessions]
    options = {"bars": given.bars, "timezone": given.timezone, "macro": given.macro, "fundamentals": given.fundamentals}
    return [part for name, value in options.items() if value for part in (f"--{name}", value)]


def _run(given: argparse.Namespace, folder: Path) -> int:
    arguments = _of_demo(given)
    undisturbed, report = _undisturbed(folder, arguments)
    print(f"undisturbed: {report['seconds']['total']:.1f} s", flush=True)
    producers = frozenset(name for name in report["peak_rss_mib"] if name.startswith("producers-"))
    with running_demo(folder, f"killed-{given.seed}", arguments) as demo:
        progress = StageProgress(demo.home, report, folder / "undisturbed")
        killer = Killer(demo, progress, plan(producers, given.seed))
        killer.run()
        again = demo.report()
        demo.await_stack()
        killed = _kept(folder / f"killed-{given.seed}.snapshot.json", take(demo.home, again))
    print(f"killed {len(killer.done)} times: {again['seconds']['total']:.1f} s", flush=True)
    _kept(folder / f"kills-{given.seed}.json", {"done": [asdict(one) for one in killer.done]})
    return _judge(compare(undisturbed, killed), killer.done, killer.missed)


def _undisturbed(folder: Path, arguments: Sequence[str]) -> tuple[Snapshot, dict[str, Any]]:
    """Return snapshot and report of the undisturbed run: of one that the folder keeps, or of one that is made now."""
    kept = [folder / "undisturbed.snapshot.json", folder / "undisturbed.json"]
    if not all(file.exists() for file in kept):
        with running_demo(folder, "undisturbed", arguments) as demo:
            _kept(kept[0], take(demo.home, demo.report()))
    snapshot, report = (json.loads(file.read_text(encoding="utf-8")) for file in kept)
    return snapshot, report


def _kept(file: Path, value: dict[str, Any]) -> dict[str, Any]:
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return value


def _judge(found: Sequence[Compared], done: Sequence[Killed], missed: Sequence[Kill]) -> int:
    """Print it; return the exit code."""
    if done:
        print("\n| killed | stage | at, s | back after, s |\n| --- | --- | --- | --- |")
    for kill in done:
        back = "-" if kill.back is None else f"{kill.back - kill.at:.1f}"
        print(f"| {kill.process} | {kill.stage} | {kill.at:.1f} | {back} |")
    print("\n| | undisturbed | killed | |\n| --- | --- | --- | --- |")
    for one in found:
        print(f"| {one.what} | {one.undisturbed} | {one.killed} | {'same' if one.same else 'DIFFERENT'} |")
    for one in found:
        for example in one.examples[:EXAMPLES]:
            print(f"different: {one.what}: {example}")
    for lacking in missed:
        print(f"not killed: {lacking.process} in {lacking.stage}: it ended before")
    return 1 if missed or not all(one.same for one in found) else 0


if __name__ == "__main__":
    main()
