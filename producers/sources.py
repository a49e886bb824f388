"""Which source serves which producer, and how it is made. Libraries of a source load only when it is used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from producers.arguments import Arguments
from producers.settings import ProducerSettings
from producers.source import LiveSource, Source
from shared.clock import Clock
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS
from shared.errors import ConfigurationError
from shared.settings import KafkaSettings, PostgresSettings, RuntimeSettings

if TYPE_CHECKING:
    from producers.files.options import FileOptions
    from producers.simulated.settings import SimulatedSettings

FIRST_OBSERVATION: Final = date(2000, 1, 1)
REPLAY_SPEED: Final = 60.0
MACRO: Final = "macro"  # stands for the configured name of the macro topic


@dataclass(frozen=True, slots=True)
class Live:
    """A live source that may go on where it was.

    Attributes:
        identity: What tells one stream from another.
        make: Makes the source, given how far it was delivered before.
        told: Whether the source tells itself how far it is; else it is the greatest known time.
    """

    identity: Mapping[str, Any]
    make: Callable[[datetime | None], LiveSource]
    told: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What one source offers one producer: history, the topics that take part in it, and live data."""

    history: Callable[[Arguments, Clock], Source]
    topics: tuple[str, ...]
    live: Callable[[Arguments, Clock], Live] | None = None
    live_topics: tuple[str, ...] = ()

    def named_topics(self, kafka: KafkaSettings) -> tuple[str, ...]:
        """Return the topics of history by their configured names."""
        return tuple(kafka.topic_macro if name == MACRO else name for name in self.topics)


def offer_of(arguments: Arguments) -> Offer:
    """Return what the chosen source offers the chosen producer.

    Raises:
        ConfigurationError: it offers nothing of that kind.
    """
    offers = OFFERS[arguments.producer]
    if arguments.source not in offers:
        raise ConfigurationError(
            f"--source: {arguments.source} has nothing for the {arguments.producer} producer. "
            f"Choose from {', '.join(offers)}."
        )
    return offers[arguments.source]


def _stock_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.stock import StockFiles

    return StockFiles(_path(arguments.bars, "--bars"), _file_options(arguments))


def _live_files(arguments: Arguments, clock: Clock) -> Live:
    from producers.files.replay import FilesReplay
    from producers.files.stock import StockFiles

    root, options = _path(arguments.bars, "--bars"), _file_options(arguments)
    speed = arguments.speed or REPLAY_SPEED
    identity = StockFiles(root, options).identity
    return Live(identity, lambda since: FilesReplay(root, options, clock, speed, since))


def _macro_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.macro import MacroFiles

    return MacroFiles(_path(arguments.macro, "--macro"), frozenset(arguments.series))


def _company_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.company import CompanyFiles

    return CompanyFiles(_path(arguments.fundamentals, "--fundamentals"), frozenset(arguments.tickers))


def _file_options(arguments: Arguments) -> "FileOptions":
    from producers.files.options import FileOptions

    def midnight(day: date) -> datetime:
        # In UTC: polars compares instants of one zone only.
        return datetime.combine(day, datetime.min.time(), ZoneInfo("America/New_York")).astimezone(UTC)

    end = arguments.end
    return FileOptions(
        timezone=arguments.timezone,
        adjusted=arguments.adjusted,
        ticker=arguments.ticker,
        tickers=frozenset(arguments.tickers),
        start=None if arguments.start is None else midnight(arguments.start),
        end=None if end is None else midnight(end + timedelta(days=1)),
        reject_share_max=ProducerSettings.load().producer_reject_share_max,
    )


def _path(path: Path | None, option: str) -> Path:
    if path is None:
        raise ConfigurationError(f"the files source needs {option} PATH: a folder or file to read.")
    return path


def _stock_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.source import SimulatedHistory

    return SimulatedHistory(_recorded_world(arguments))


def _macro_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.source import SimulatedMacro

    return SimulatedMacro(_world(arguments))


def _company_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.source import SimulatedFilings

    return SimulatedFilings(_world(arguments))


def _live_simulated(arguments: Arguments, clock: Clock) -> Live:
    from producers.simulated.live import SimulatedLive

    world = _recorded_world(arguments)
    return Live(world.world, lambda since: SimulatedLive(world, clock, since))


def _recorded_world(arguments: Arguments) -> "SimulatedSettings":
    """Return the world, what is planted in it being recorded: estimates are shown beside it."""
    from producers.simulated.truth import write_truth

    world = _world(arguments)
    write_truth(world, RuntimeSettings.load().tickerstream_home)
    return world


def _world(arguments: Arguments) -> "SimulatedSettings":
    from producers.simulated.settings import SimulatedSettings

    if len(arguments.tickers) > 1 or not all(name.isdecimal() for name in arguments.tickers):
        raise ConfigurationError("--tickers: the simulated exchange makes its own names; say how many, such as 10.")
    given = {
        "simulated_seed": arguments.seed,
        "simulated_sessions": arguments.sessions,
        "simulated_tickers": int(arguments.tickers[0]) if arguments.tickers else None,
        "simulated_start": arguments.start,
        "simulated_speed": arguments.speed,
    }
    return SimulatedSettings.load(**{name: value for name, value in given.items() if value is not None})


def _stock_alpaca(arguments: Arguments, clock: Clock) -> Source:
    from producers.alpaca.settings import AlpacaSettings
    from producers.alpaca.source import AlpacaHistory

    settings = AlpacaSettings.load()
    if arguments.start is None:
        raise ConfigurationError("--start: say from which date on to read from Alpaca, such as 2025-01-02.")
    end = arguments.end or clock.now().date()
    return AlpacaHistory(settings, _tickers(arguments), arguments.start, end, clock)


def _live_alpaca(arguments: Arguments, clock: Clock) -> Live:
    from producers.alpaca.live import AlpacaLive
    from producers.alpaca.settings import AlpacaSettings

    settings = AlpacaSettings.load()
    tickers = _tickers(arguments)
    identity = {"tickers": list(tickers), "feed": settings.market_feed}
    return Live(identity, lambda since: AlpacaLive(settings, tickers, clock, since), told=True)


def _macro_fred(arguments: Arguments, clock: Clock) -> Source:
    from producers.fred.settings import FredSettings
    from producers.fred.source import FredVintages

    settings = FredSettings.load()
    series = arguments.series or tuple(s.strip() for s in ProducerSettings.load().macro_series.split(","))
    end = arguments.end or clock.now().date()
    return FredVintages(settings, series, arguments.start or FIRST_OBSERVATION, end, clock)


def _tickers(arguments: Arguments) -> tuple[str, ...]:
    """Return the tickers of the command line, else the active ones of the registry."""
    if arguments.tickers:
        return arguments.tickers
    from shared.storage.postgres import make_engine
    from shared.storage.tickers import TickerRegistry

    engine = make_engine(PostgresSettings.load())
    try:
        return tuple(TickerRegistry(engine).active())
    finally:
        engine.dispose()


OFFERS: Final[Mapping[str, Mapping[str, Offer]]] = {
    "stock": {
        "files": Offer(_stock_files, (BARS_HISTORY.name,), _live_files, (BARS_LIVE.name,)),
        "simulated": Offer(
            _stock_simulated,
            (BARS_HISTORY.name, CORPORATE_ACTIONS.name),
            _live_simulated,
            (BARS_LIVE.name, CORPORATE_ACTIONS.name, MACRO, FILINGS.name),
        ),
        "alpaca": Offer(_stock_alpaca, (BARS_HISTORY.name, CORPORATE_ACTIONS.name), _live_alpaca, (BARS_LIVE.name,)),
    },
    "macro": {
        "files": Offer(_macro_files, (MACRO,)),
        "simulated": Offer(_macro_simulated, (MACRO,)),
        "fred": Offer(_macro_fred, (MACRO,)),
    },
    "company": {
        "files": Offer(_company_files, (FILINGS.name,)),
        "simulated": Offer(_company_simulated, (FILINGS.name,)),
    },
}
"""Producer -> source -> what it offers. A new source gets its line here."""
