"""benchmarks/RESULTS.md: one section a part, each with its machine and date, so that parts may be measured alone."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "# Results"
INTRODUCTION = "`make bench` writes this page; `python -m benchmarks --only PART ...` replaces sections of it."


def machine() -> str:
    """Return where and when, as one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores {platform.machine()}, {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}."
    )


def sections(text: str) -> dict[str, str]:
    """Return the sections of a page by title."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {title: body.strip("\n") for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def write(path: Path, measured: dict[str, list[str]], order: Sequence[str]) -> None:
    """Put what was measured into the page; sections that were not measured stay.

    Args:
        path: The page.
        measured: Lines by title.
        order: Titles in the page's order.
    """
    there = sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    there |= {title: "\n".join([machine(), "", *lines]) for title, lines in measured.items()}
    titles = [*(title for title in order if title in there), *(title for title in there if title not in order)]
    body = "\n\n".join(f"## {title}\n\n{there[title]}" for title in titles)
    path.write_text(f"{TITLE}\n\n{INTRODUCTION}\n\n{body}\n", encoding="utf-8")
