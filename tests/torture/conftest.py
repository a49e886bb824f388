"""One broker and one lake for the kills of this folder: what a kill leaves behind is what the next round meets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import running_kafka, temporary_home
from tests.torture.harness import Torture, torture


@pytest.fixture(scope="module")
def ours(jar_cache: Path) -> Iterator[Torture]:
    """A broker that may be killed, its topics, a lake folder."""
    with temporary_home(jar_cache) as home, running_kafka(home) as kafka, torture(kafka, home.root / "torture") as ours:
        yield ours
