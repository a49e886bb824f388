"""The command line to sources: what is offered, and one line for what is missing."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from producers.arguments import Arguments, parse
from producers.sources import OFFERS, offer_of
from shared.clock import ManualClock
from shared.errors import ConfigurationError

CLOCK = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))


def test_parse_takes_what_the_docs_promise() -> None:
    arguments = parse(
        [
            "stock",
            "--source",
            "files",
            "--bars",
            "x",
            "--timezone",
            "America/New_York",
            "--tickers",
            "A,B,",
            "--start",
            "2025-01-02",
            "--json",
        ]
    )
    assert arguments == Arguments(
        "stock",
        "files",
        json=True,
        tickers=("A", "B"),
        start=date(2025, 1, 2),
        bars=Path("x"),
        timezone="America/New_York",
    )


@pytest.mark.parametrize("line", ["", "weather", "stock --source moon", "stock --start soon", "stock --sessions x"])
def test_parse_wrong_line_exits_with_two(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split())
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (Arguments("stock", "fred"), "--source"),
        (Arguments("company", "alpaca"), "--source"),
        (Arguments("stock", "files"), "--bars"),
        (Arguments("macro", "files"), "--macro"),
        (Arguments("company", "files"), "--fundamentals"),
        (Arguments("stock", "files", bars=Path(), timezone="New York"), "--timezone"),
        (Arguments("stock", "simulated", tickers=("AAPL",)), "--tickers"),
        (Arguments("stock", "alpaca"), "ALPACA_API_KEY"),
        (Arguments("macro", "fred"), "FRED_API_KEY"),
    ],
)
def test_missing_option_or_setting_is_named_in_one_line(
    arguments: Arguments, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "FRED_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match=says) as error:
        offer_of(arguments).history(arguments, CLOCK)
    assert "\n" not in str(error.value)


def test_missing_path_is_a_configuration_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        arguments = Arguments("stock", "files", bars=path)
        with pytest.raises(ConfigurationError, match=str(path)):
            offer_of(arguments).history(arguments, CLOCK).units()


def test_range_of_files_is_in_new_york_dates(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text("timestamp,open,high,low,close,volume\n")
    arguments = Arguments("stock", "files", bars=tmp_path, start=date(2025, 1, 2), end=date(2025, 1, 3))
    identity = offer_of(arguments).history(arguments, CLOCK).identity
    assert (identity["start"], identity["end"]) == ("2025-01-02T05:00:00+00:00", "2025-01-04T05:00:00+00:00")


def test_every_offer_names_topics_and_a_source_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text("timestamp,open,high,low,close,volume\n")
    for producer, offers in OFFERS.items():
        for name in ("files", "simulated"):
            assert offers[name].topics
            arguments = Arguments(producer, name, bars=tmp_path, macro=tmp_path, fundamentals=tmp_path)  # type: ignore[arg-type]
            source = offers[name].history(arguments, CLOCK)
            assert source.name == name
            assert source.simulated == (name == "simulated")
            assert len({unit.id for unit in source.units()}) == len(source.units()) > 0
