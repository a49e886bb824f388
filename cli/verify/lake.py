"""The lake against the topics and the source files: bars by ticker and week, then slow facts."""

import time

from cli.progress import Board
from cli.verify.bars import Sides, compare_bars
from cli.verify.facts import BUCKETS, compare_facts
from cli.verify.lake_objects import LakeFiles
from cli.verify.results import Verification
from cli.verify.source_files import Source, read_source
from shared.settings import KafkaSettings, LakeSettings


def verify(
    lake: LakeSettings,
    kafka: KafkaSettings | None,
    shown: Board,
    source: Source | None = None,
    tickers: frozenset[str] | None = None,
) -> Verification:
    """Return what holds of the lake and what does not.

    Args:
        lake: The lake.
        kafka: The topics to compare with; None = none.
        shown: Where progress is shown.
        source: The files to compare with; None = none.
        tickers: Only these; None = everything, the other buckets included.
    """
    begun = time.monotonic()
    files = None
    if source:
        line = shown.line("read files", "files")
        files = read_source(source, line)
        line.finish()
    objects = LakeFiles(lake)
    line = shown.line("verify lake", "objects")
    found = compare_bars(Sides(objects, kafka, files, tickers), line)
    if tickers is None:
        found.facts = [compare_facts(objects, kafka, bucket) for bucket in BUCKETS]
    line.finish()
    found.files = files.files if files else []
    found.seconds = time.monotonic() - begun
    return found
