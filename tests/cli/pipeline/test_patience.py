"""Waiting for a server that starts again: as long as it takes within bounds, with a word about it."""

import io
import itertools

import pytest
from rich.console import Console

from cli.output import Output
from cli.pipeline import patience
from cli.pipeline.patience import Patience
from cli.progress import Board
from shared.errors import ConfigurationError, TransientError


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def shown(said: io.StringIO) -> Board:
    return Board(Output(console=Console(file=said)), None)


def away() -> int:
    raise TransientError("Kafka does not answer.")


def test_answer_that_comes_late_is_returned_and_the_wait_is_told(
    shown: Board, said: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "SILENT_SECONDS", 0.0)
    tries = itertools.count()
    assert Patience(shown)(lambda: 7 if next(tries) else away()) == 7
    waiting, again = said.getvalue().splitlines()
    assert waiting == "waiting: Kafka does not answer."
    assert again.startswith("it answers again; waited ")


def test_short_wait_is_not_worth_a_line(shown: Board, said: io.StringIO) -> None:
    tries = itertools.count()
    assert Patience(shown)(lambda: 7 if next(tries) else away()) == 7
    assert said.getvalue() == ""


def test_server_that_stays_away_is_an_error_after_a_while(shown: Board) -> None:
    with pytest.raises(TransientError, match="does not answer"):
        Patience(shown, seconds=0.2)(away)


def test_stack_that_cannot_go_on_ends_the_wait_at_once(shown: Board) -> None:
    def health() -> None:
        raise TransientError("kafka failed")

    with pytest.raises(TransientError, match="kafka failed"):
        Patience(shown, health)(away)


def test_what_a_person_must_mend_is_not_waited_for(shown: Board) -> None:
    def look() -> int:
        raise ConfigurationError("no such home")

    with pytest.raises(ConfigurationError):
        Patience(shown)(look)
