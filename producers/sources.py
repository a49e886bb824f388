"""Which source serves which producer, and how it is made. Libraries of a source load only when it is used."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from producers.arguments import Arguments, names_in
from producers.offer import MACRO, Live, Offer, Offers, library_of, refuse_unused
from producers.settings import ProducerSettings
from producers.source import Source
from shared.clock import Clock
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS
from shared.errors import ConfigurationError
from shared.settings import PostgresSettings

if TYPE_CHECKING:
    from producers.files.options import FileOptions

FIRST_OBSERVATION: Final = date(2000, 1, 1)
REPLAY_SPEED: Final = 60.0


def offer_of(arguments: Arguments) -> Offer:
    """Return what the chosen source offers the chosen producer.

    Raises:
        ConfigurationError: it offers nothing of that kind, or has no use for an option that was given.
    """
    offers = OFFERS[arguments.producer]
    if arguments.source not in offers:
        raise ConfigurationError(
            f"--source: {arguments.source} has nothing for the {arguments.producer} producer. "
            f"Choose from {', '.join(offers)}."
        )
    offer = offers[arguments.source]
    if arguments.live and offer.live is None:
        raise ConfigurationError(
            f"--live: {arguments.source} has no live data of its own for the {arguments.producer} producer. "
            "Live facts come with: python -m producers stock --live."
        )
    refuse_unused([arguments], OFFERS)
    return offer


def _stock_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.stock import StockFiles

    return StockFiles(_path(arguments.bars, "--bars"), _file_options(arguments))


def _live_files(arguments: Arguments, clock: Clock) -> Live:
    from producers.files.replay import FilesReplay
    from producers.files.stock import StockFiles

    root, options = _path(arguments.bars, "--bars"), _file_options(arguments)
    speed = REPLAY_SPEED if arguments.speed is None else arguments.speed
    identity = StockFiles(root, options).identity
    return Live(identity, lambda since: FilesReplay(root, options, clock, speed, since))


def _macro_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.macro import MacroFiles

    return MacroFiles(_path(arguments.macro, "--macro"), frozenset(arguments.series), _reject_share_max())


def _company_files(arguments: Arguments, _: Clock) -> Source:
    from producers.files.company import CompanyFiles

    root = _path(arguments.fundamentals, "--fundamentals")
    return CompanyFiles(root, frozenset(arguments.tickers), _reject_share_max())


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
        reject_share_max=_reject_share_max(),
    )


def _reject_share_max() -> float:
    return ProducerSettings.load().producer_reject_share_max


def _path(path: Path | None, option: str) -> Path:
    if path is None:
        raise ConfigurationError(f"the files source needs {option} PATH: a folder or file to read.")
    return path


def _stock_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.asked import recorded_world_of
    from producers.simulated.source import SimulatedHistory

    return SimulatedHistory(recorded_world_of(arguments))


def _macro_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.asked import world_of
    from producers.simulated.source import SimulatedMacro

    return SimulatedMacro(world_of(arguments))


def _company_simulated(arguments: Arguments, _: Clock) -> Source:
    from producers.simulated.asked import world_of
    from producers.simulated.source import SimulatedFilings

    return SimulatedFilings(world_of(arguments))


def _live_simulated(arguments: Arguments, clock: Clock) -> Live:
    from producers.simulated.asked import recorded_world_of
    from producers.simulated.live import SimulatedLive

    world = recorded_world_of(arguments)
    return Live(world.world, lambda since: SimulatedLive(world, clock, since))


@library_of("alpaca")
def _stock_alpaca(arguments: Arguments, clock: Clock) -> Source:
    from producers.alpaca.settings import AlpacaSettings
    from producers.alpaca.source import AlpacaHistory

    settings = AlpacaSettings.load()
    if arguments.start is None:
        raise ConfigurationError("--start: say from which date on to read from Alpaca, such as 2025-01-02.")
    end = arguments.end or clock.now().date()
    return AlpacaHistory(settings, _tickers(arguments), arguments.start, end, clock)


@library_of("alpaca")
def _live_alpaca(arguments: Arguments, clock: Clock) -> Live:
    from producers.alpaca.live import AlpacaLive
    from producers.alpaca.settings import AlpacaSettings

    settings = AlpacaSettings.load()
    tickers = _tickers(arguments)
    identity = {"tickers": list(tickers), "feed": settings.market_feed}
    return Live(identity, lambda since: AlpacaLive(settings, tickers, clock, since), told=True)


@library_of("fred")
def _macro_fred(arguments: Arguments, clock: Clock) -> Source:
    from producers.fred.settings import FredSettings
    from producers.fred.source import FredVintages

    settings = FredSettings.load()
    series = arguments.series or names_in(ProducerSettings.load().macro_series)
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


_BARS_OF_FILES: Final = frozenset({"bars", "timezone", "adjusted", "ticker", "tickers", "start", "end"})
_WORLD: Final = frozenset({"tickers", "seed", "sessions", "start", "end"})
OFFERS: Final[Offers] = {
    "stock": {
        "files": Offer(
            _stock_files,
            (BARS_HISTORY.name,),
            _BARS_OF_FILES,
            _live_files,
            (BARS_LIVE.name,),
            _BARS_OF_FILES | {"speed"},
        ),
        "simulated": Offer(
            _stock_simulated,
            (BARS_HISTORY.name, CORPORATE_ACTIONS.name),
            _WORLD,
            _live_simulated,
            (BARS_LIVE.name, CORPORATE_ACTIONS.name, MACRO, FILINGS.name),
            _WORLD | {"speed"},
        ),
        "alpaca": Offer(
            _stock_alpaca,
            (BARS_HISTORY.name, CORPORATE_ACTIONS.name),
            frozenset({"tickers", "start", "end"}),
            _live_alpaca,
            (BARS_LIVE.name,),
            frozenset({"tickers"}),
        ),
    },
    "macro": {
        "files": Offer(_macro_files, (MACRO,), frozenset({"macro", "series"})),
        "simulated": Offer(_macro_simulated, (MACRO,), _WORLD),
        "fred": Offer(_macro_fred, (MACRO,), frozenset({"series", "start", "end"})),
    },
    "company": {
        "files": Offer(_company_files, (FILINGS.name,), frozenset({"fundamentals", "tickers"})),
        "simulated": Offer(_company_simulated, (FILINGS.name,), _WORLD),
    },
}
"""Producer -> source -> what it offers, and the options that it takes. A new source gets its line here."""
