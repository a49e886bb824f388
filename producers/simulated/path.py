"""A ticker's price in whole cents, session after session: exact cents inside the walk, so that rounding plants nothing.

Within a session every step is round(opening price * return), and returns are symmetric around their drift. So the price
itself is the martingale (or drifts only as planted); there is no hidden price that a rounded one would return to.
Nights, which no label spans, pull weakly to a long-run price, so that a cent stays small against a minute's move.
"""

from dataclasses import dataclass

import numpy as np

from producers.simulated.actions import effects
from producers.simulated.market import OWN_LOADING, Market, level_at
from producers.simulated.planting import drift_weight, with_drift
from producers.simulated.seeds import Floats, Stream, generator
from producers.simulated.shape import Shape, shape
from producers.simulated.tickers import Company
from producers.simulated.timeline import Session, Timeline

NIGHT = 0.5
"""Standard deviation of the move over night relative to a regular session's."""
_SPREAD, _PERSISTENCE = 0.25, 0.95  # of the logarithm of the ticker's own volatility
_LARGEST = 0.06  # standard deviation of a session's return
_GUST = 0.35  # standard deviation of the logarithm of a minute's volatility
_JUMP = 0.03  # share of a minute's variance that happens before its first trade
_PULL = 0.004  # share of the distance to the ticker's long-run price that a night makes good
_LEAST_CENTS = 100.0


@dataclass(frozen=True, slots=True)
class SessionPath:
    """One ticker's prices over one session, one value a minute, extended hours included where they are made.

    Attributes:
        session: Which session.
        shape: Its minutes.
        opens: Price at the start of each minute's trading, whole US cents.
        closes: Price at its end, whole US cents.
        scale: Standard deviation of the move within each minute, US cents.
        gusts: How unusually busy each minute is, standard normal.
        busy: Volume of the session relative to a typical one.
        shares_for_one: Shares that one share of the beginning has become.
    """

    session: Session
    shape: Shape
    opens: Floats
    closes: Floats
    scale: Floats
    gusts: Floats
    busy: float
    shares_for_one: int


class TickerPath:
    """The price path of one ticker; any session can be asked for, the ones before it are made as needed.

    Args:
        company: Whose path.
        timeline: The world's sessions.
        market: The world's common factors.
        extended: Whether there is trading outside regular hours.
    """

    def __init__(self, company: Company, timeline: Timeline, market: Market, extended: bool) -> None:
        self._company = company
        self._timeline = timeline
        self._market = market
        self._extended = extended
        self._last_cents = [float(company.cents)]  # [i]: before session i
        self._newest: SessionPath | None = None

    def session(self, ordinal: int) -> SessionPath:
        """Return the path of that session, not negative; in constant memory but for one number a session."""
        while len(self._last_cents) <= ordinal:
            self._advance(len(self._last_cents) - 1)
        return self._advance(ordinal)

    def _advance(self, ordinal: int) -> SessionPath:
        if self._newest is None or self._newest.session.ordinal != ordinal:
            self._newest = self._make(ordinal, self._last_cents[ordinal])
            if len(self._last_cents) == ordinal + 1:
                self._last_cents.append(float(self._newest.closes[-1]))
        return self._newest

    def _make(self, ordinal: int, cents: float) -> SessionPath:
        company, session = self._company, self._timeline.session(ordinal)
        day = shape(session.minutes, self._extended)
        minutes = len(day.offsets)
        own = level_at(company.seed, Stream.TICKER_VOLATILITY, (company.index,), ordinal, _PERSISTENCE)
        turbulence = self._market.turbulence(ordinal) * float(np.exp(_SPREAD * own))
        volatility = min(_LARGEST, company.volatility * turbulence)

        draws = generator(company.seed, Stream.TICKER_SESSION, company.index, ordinal).standard_normal((3, minutes + 1))
        moves = self._market.factor(ordinal, minutes, company.sector) + OWN_LOADING * draws[0]
        gusts = draws[1, 1:]
        scale = volatility * day.volatility * np.exp(_GUST * gusts - _GUST**2)

        first = self._first_cents(ordinal, cents, NIGHT * volatility * float(moves[0]))
        jumps = _JUMP**0.5 * scale * draws[2, 1:]
        jumps[0] = 0.0
        inside = (1.0 - _JUMP) ** 0.5 * scale
        returns = self._with_plant(jumps + inside * moves[1:], day)
        jump_steps = np.rint(first * jumps)
        steps = np.rint(first * (returns - jumps))
        closes = first + np.cumsum(jump_steps + steps)
        busy = turbulence**0.7
        return SessionPath(
            session, day, closes - steps, closes, first * inside, gusts, busy, company.shares_for_one(ordinal)
        )

    def _first_cents(self, ordinal: int, cents: float, night: float) -> float:
        """Return the first price of the session: after split, dividend, and the move over night."""
        effect = effects(self._company, ordinal)
        fair = max(_LEAST_CENTS, cents / effect.ratio - effect.dividend)
        pull = _PULL * float(np.log(self._company.cents / self._company.shares_for_one(ordinal) / fair))
        return max(_LEAST_CENTS, float(np.rint(fair * (1.0 + max(-0.5, night + pull)))))

    def _with_plant(self, innovations: Floats, day: Shape) -> Floats:
        plant = self._company.role.plant
        if plant is not None:
            regular = innovations[day.regular]
            innovations[day.regular] = with_drift(regular, plant.window, drift_weight(plant))
        return innovations
