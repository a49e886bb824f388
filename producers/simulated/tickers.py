"""The listed companies: their names, sectors and traits, each a function of its index and the seed."""

from dataclasses import dataclass
from functools import lru_cache

from producers.simulated.planting import Plant
from producers.simulated.seeds import Stream, generator
from shared.contracts.bars import SIMULATED_PREFIX

SECTORS = ("technology", "health", "energy", "finance", "consumer", "industry", "utilities", "materials")
_FIRST = (
    *("ALFA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "FOXTROT", "GOLF", "HOTEL", "INDIA", "JULIET", "KILO", "LIMA"),
    *("MIKE", "NOVEMBER", "OSCAR", "PAPA", "QUEBEC", "ROMEO", "SIERRA", "TANGO", "UNIFORM", "VICTOR", "WHISKEY"),
    *("XRAY", "YANKEE", "ZULU"),
)
_CONSONANTS, _VOWELS = "BCDFGKLMNPRSTVZ", "AEIOU"
_SYLLABLES = [c + v for c in _CONSONANTS for v in _VOWELS]


@dataclass(frozen=True, slots=True)
class Role:
    """What is particular about every tenth ticker; the roles repeat.

    Attributes:
        plant: The planted truth; None: the price is a martingale.
        trades: Trades to expect in an average minute; a minute without one has no bar, or a filler.
        filler: Whether a minute without a trade has a zero-volume bar at the last price.
        split: (new shares for one old, earliest session ordinal) of its split.
        year_end: Month in which the fiscal year ends.
        restates: Whether it restates a filing.
    """

    plant: Plant | None = None
    trades: float = 400.0
    filler: bool = False
    split: tuple[int, int] | None = None
    year_end: int = 12
    restates: bool = False


ROLES = (
    Role(Plant("reversal", 10, 0.10)),
    Role(restates=True),
    Role(Plant("momentum", 15, 0.05)),
    Role(split=(10, 20)),
    Role(Plant("momentum", 10, 0.20)),
    Role(trades=1.2),
    Role(Plant("reversal", 15, 0.05), split=(4, 62)),
    Role(trades=3.0, filler=True),
    Role(Plant("momentum", 15, 0.10), year_end=9),
    Role(year_end=1),
)


@dataclass(frozen=True, slots=True)
class Company:
    """One listed company.

    Attributes:
        seed: Of its world.
        index: Its place in the list.
        ticker: With the prefix SIM.
        sector: Index into SECTORS.
        role: What is particular about it.
        cents: Price before the first session, US cents.
        volatility: Typical standard deviation of a regular session's return.
        shares: Shares that trade in an average minute, before any split.
        split_session: Ordinal of the session whose open is split, or None.
        dividend: (first ordinal, US cents a share before any split) of its quarterly dividend, or None.
    """

    seed: int
    index: int
    ticker: str
    sector: int
    role: Role
    cents: int
    volatility: float
    shares: float
    split_session: int | None
    dividend: tuple[int, int] | None

    def shares_for_one(self, ordinal: int) -> int:
        """Return how many shares one share of the beginning has become by that session's open."""
        if self.role.split is None or self.split_session is None or ordinal < self.split_session:
            return 1
        return self.role.split[0]


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    """Return all names: the spoken alphabet, then four-letter names that can be said, well mixed."""
    pairs = len(_SYLLABLES) ** 2
    # 1,789 has no factor in common with the number of pairs, so every pair comes once.
    mixed = (divmod(number * 1789 % pairs, len(_SYLLABLES)) for number in range(pairs))
    made = (_SYLLABLES[first] + _SYLLABLES[second] for first, second in mixed)
    return (*_FIRST, *(name for name in made if name not in _FIRST))


def ticker_name(index: int) -> str:
    """Return the ticker of that index: SIM.ALFA .. SIM.ZULU first."""
    return SIMULATED_PREFIX + _names()[index]


@lru_cache(maxsize=4096)
def company(seed: int, index: int) -> Company:
    """Return the company of that index in the world of `seed`."""
    rng = generator(seed, Stream.TICKER_TRAITS, index)
    role = ROLES[index % len(ROLES)]
    price, volatility, size, split_delay, phase, payout, pays = rng.random(7).tolist()
    ratio, earliest = role.split or (1, 0)
    cents = round(10_000 * 3.5**price) * ratio
    thin = role.trades < 10
    return Company(
        seed=seed,
        index=index,
        ticker=ticker_name(index),
        sector=index // 2 % len(SECTORS),
        role=role,
        cents=cents,
        volatility=0.010 + 0.012 * volatility,
        shares=(60.0 if thin else 20_000.0 * 4.0**size) * role.trades / (1.0 if thin else 400.0) / ratio,
        split_session=earliest + int(split_delay * 15) if role.split else None,
        dividend=(int(phase * 55) + 1, max(1, round(cents * (0.001 + 0.005 * payout)))) if pays < 0.6 else None,
    )
