"""The command line to sources: what is offered, and one line for what is missing."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from producers.arguments import Arguments, parse
from producers.offer import given
from producers.runs import plan_run
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


WRONG_SPEEDS = ("-1", "0", "0.0001", "2e6", "nan", "inf", "fast")


@pytest.mark.parametrize(
    "line",
    [
        *("", "weather", "stock --source moon", "stock --start soon", "stock --sessions x"),
        *(f"stock --source files --bars . --live --speed {speed}" for speed in WRONG_SPEEDS),
    ],
)
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
        (Arguments("stock", "simulated", end=date(2024, 12, 31)), "--end: there is no session from 2025-01-02"),
        (Arguments("macro", "simulated", end=date(2025, 2, 3), sessions=20), "--end, --sessions"),
        (
            Arguments("stock", bars=Path(), source="simulated"),
            "--bars: of no use to stock from simulated; .* for stock from files",
        ),
        (Arguments("macro", "files", macro=Path(), start=date(2025, 1, 2)), "--start: .* macro from fred"),
        (
            Arguments("stock", "alpaca", live=True, start=date(2025, 1, 2)),
            "--start: of no use to stock from alpaca --live",
        ),
        (Arguments("stock", "files", bars=Path(), speed=60.0), "--speed: .* stock from simulated --live"),
        (Arguments("stock", "simulated", live=True, run_id="x"), "--run-id"),
        (Arguments("macro", "simulated", live=True, speed=60.0), "--live: simulated has no live data"),
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


OPTIONS: Mapping[str, Any] = {
    "run_id": "chosen",
    "tickers": ("3",),
    "series": ("DGS10",),
    "start": date(2025, 1, 6),
    "end": date(2025, 2, 3),
    "bars": Path("other"),
    "macro": Path("other"),
    "fundamentals": Path("other"),
    "timezone": "America/New_York",
    "adjusted": True,
    "ticker": "ZZZ",
    "seed": 11,
    "sessions": 20,
}
CHOICES = [
    (producer, source, live)
    for producer, sources in OFFERS.items()
    for source, offer in sources.items()
    for live in ((False, True) if offer.live else (False,))
]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where every source has what it needs to begin: keys, and two folders of files."""
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "FRED_API_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("TICKERSTREAM_HOME", str(tmp_path / "home"))
    for folder in ("folder", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.csv").write_text("timestamp,open,high,low,close,volume\n")
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        yield


def stands_for(arguments: Arguments) -> object:
    """What makes the run one of its own: its id, or what tells one live stream from another."""
    offer = offer_of(arguments)
    if arguments.live and offer.live:
        return offer.live(arguments, CLOCK).identity
    source = offer.history(arguments, CLOCK)
    return plan_run({arguments.producer: source}, offer.topics, arguments.run_id).run_id


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(("producer", "source", "live"), CHOICES)
def test_every_option_makes_another_run_or_is_refused(producer: Any, source: str, live: bool) -> None:
    needed: dict[str, Any] = {}
    if source == "files":
        needed = {{"stock": "bars", "macro": "macro", "company": "fundamentals"}[producer]: Path("folder")}
    if source == "alpaca":
        needed = {"tickers": ("A", "B"), **({} if live else {"start": date(2025, 1, 2)})}
    plain = Arguments(producer, source, live=live, **needed)
    before = stands_for(plain)
    for option, value in OPTIONS.items():
        try:
            after = stands_for(replace(plain, **{option: value}))
        except ConfigurationError as refused:
            assert str(refused).startswith(f"--{option.replace('_', '-')}: of no use to {producer} from {source}"), str(
                refused
            )
        else:
            assert after != before, option


def test_every_option_of_a_source_is_held_to_that() -> None:
    everything = Arguments("stock", "files", speed=1.0, **OPTIONS)
    assert set(given(everything)) == {*OPTIONS, "speed"}
    assert set(given(everything)) | {"producer", "source", "json", "live", "again"} == {
        f.name for f in fields(Arguments)
    }


@pytest.mark.usefixtures("ready")
def test_end_of_the_simulated_history_is_its_last_session() -> None:
    runs = {
        stands_for(Arguments("stock", "simulated", start=date(2025, 1, 6), **more))
        for more in ({"sessions": 20}, {"end": date(2025, 2, 4)}, {"end": date(2025, 2, 4)})
    }
    assert len(runs) == 1, "20 sessions: the ninth of January was none"


@pytest.mark.usefixtures("ready")
def test_series_of_the_settings_are_tidied_as_those_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stands_for(Arguments("macro", "fred", series=("UNRATE", "DGS10")))
    monkeypatch.setenv("MACRO_SERIES", " UNRATE,,DGS10, UNRATE,")
    assert stands_for(Arguments("macro", "fred")) == asked
    monkeypatch.setenv("MACRO_SERIES", " , ")
    with pytest.raises(ConfigurationError, match="no series"):
        stands_for(Arguments("macro", "fred"))


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("stock --source alpaca --tickers A --start 2025-01-02", "alpaca"),
        ("stock --source alpaca --tickers A --live", "alpaca"),
        ("macro --source fred", "fredapi"),
    ],
)
def test_missing_library_is_one_line_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, line: str, package: str
) -> None:
    for name in list(sys.modules):
        if name.startswith((f"{package}.", "producers.alpaca", "producers.fred")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    arguments = parse(line.split())
    offer = offer_of(arguments)
    make = offer.live if arguments.live else offer.history
    assert make
    with pytest.raises(ConfigurationError, match=rf"the package {package}\b.*tickerstream\[producers\]"):
        make(arguments, CLOCK)


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
