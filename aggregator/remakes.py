"""Rows that have to be made again because a fact became known late: who asks for it, and how it is done."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time

from aggregator.decoding import name_of
from aggregator.making import BAR_REASON, Made, RowMaker, weeks_between
from shared.contracts.bars import SIMULATED_PREFIX
from shared.contracts.facts import CorporateAction, MacroVintage
from shared.contracts.weeks import IsoWeek
from shared.features.catalogue import START_UP_WEEKS
from shared.features.revisions import News
from shared.ports import TopicPartition
from shared.storage.context_store import NewFact
from shared.storage.remakes import REBUILD, Remake, RemakeRequest

PartitionOf = Callable[[str], int]
"""Tells the partition of a ticker in the topics of bars."""


def requests_of(
    facts: Iterable[NewFact], newest: Mapping[str, datetime], partition_of: PartitionOf
) -> Iterator[Remake]:
    """Yield what has to be made again because of facts that were not stored before, one request a ticker.

    Args:
        facts: The facts.
        newest: Newest bar of each ticker that has rows.
        partition_of: Where a ticker's rows are made.
    """
    first: dict[str, tuple[datetime, datetime]] = {}
    for fact in facts:
        since, known_at = _reach(fact)
        for ticker in _touched(fact, newest):
            if newest[ticker] >= since:
                before = first.get(ticker, (since, known_at))
                first[ticker] = (min(since, before[0]), min(known_at, before[1]))
    for ticker, (since, known_at) in sorted(first.items()):
        unique = f"facts/{ticker}/{since.isoformat()}/{known_at.isoformat()}/{newest[ticker].isoformat()}"
        yield Remake(partition_of(ticker), ticker, since, known_at, "a slow fact came after the rows", unique)


def _reach(new: NewFact) -> tuple[datetime, datetime]:
    """Return the first bar that the fact may touch, and since when it is known."""
    if isinstance(new.fact, CorporateAction):
        ex = datetime.combine(new.fact.ex_date, time(), UTC)
        return min(ex, new.known_at), new.known_at
    # A row's instant is a minute or more after its bar's start.
    return IsoWeek.of(new.known_at).start, new.known_at


def _touched(new: NewFact, tickers: Iterable[str]) -> Iterable[str]:
    if isinstance(new.fact, MacroVintage):
        return [ticker for ticker in tickers if ticker.startswith(SIMULATED_PREFIX) == new.fact.simulated]
    return [ticker for ticker in tickers if ticker == name_of(new.fact)]


@dataclass(slots=True)
class _Task:
    """One ticker-week that is to be made again, and the requests that want it."""

    news: News
    requests: list[int]


_Place = tuple[TopicPartition, str, IsoWeek]


@dataclass(frozen=True, slots=True)
class Remade:
    """Rows made again, whose epochs cover them, and the requests that are done with them."""

    made: Made
    slots: frozenset[TopicPartition]
    requests: tuple[int, ...]


class Remaker:
    """Does requests, some ticker-weeks at a time; one that is cut short is done from its start again.

    Args:
        maker: Makes rows.
        topic: The topic of bars whose epoch covers the work.
        most: Ticker-weeks at a time.
        partition_of: Tells where a ticker's rows are made.
    """

    def __init__(self, maker: RowMaker, topic: str, most: int, partition_of: PartitionOf) -> None:
        self._maker = maker
        self._partition_of = partition_of
        self._topic = topic
        self._most = most
        self._tasks: OrderedDict[_Place, _Task] = OrderedDict()
        self._left: Counter[int] = Counter()
        self._empty: list[int] = []

    @property
    def idle(self) -> bool:
        """Return whether it has nothing to do."""
        return not self._tasks and not self._empty

    def take(self, requests: Iterable[RemakeRequest], newest: Mapping[str, datetime]) -> None:
        """Take requests; `newest` has the newest bar of each ticker with rows."""
        for request in requests:
            places = list(self._places_of(request.remake, newest))
            for place in places:
                self._add(place, News(request.remake.since, request.remake.as_of), request.request_id)
            if places:
                self._left[request.request_id] = len(places)
            else:
                self._empty.append(request.request_id)

    def step(self) -> Remade:
        """Make some of the rows.

        Raises:
            TransientError: the lake or Kafka does not answer; take the requests again.
        """
        made, slots = Made(), set()
        done, self._empty = self._empty, []
        for _ in range(min(self._most, len(self._tasks))):
            (slot, ticker, week), task = self._tasks.popitem(last=False)
            self._maker.week_again(ticker, slot, week, task.news, made)
            slots.add(slot)
            self._left.subtract(task.requests)
            done += [request for request in task.requests if not self._left[request]]
        return Remade(made, frozenset(slots), tuple(done))

    def forget(self) -> None:
        """Forget everything that was taken."""
        self._tasks.clear()
        self._left.clear()
        self._empty.clear()

    def _add(self, place: _Place, news: News, request_id: int) -> None:
        """Want a week; one that several requests want is made once, for all that they tell of."""
        task = self._tasks.setdefault(place, _Task(news, []))
        task.news = News(min(task.news.since, news.since), min(task.news.known_at, news.known_at))
        task.requests.append(request_id)

    def _places_of(self, wish: Remake, newest: Mapping[str, datetime]) -> Iterator[_Place]:
        if wish.reason == REBUILD and wish.ticker is not None:  # whether it has rows or not
            yield (self._topic, wish.partition), wish.ticker, IsoWeek.of(wish.since)
            return
        most = START_UP_WEEKS if wish.reason == BAR_REASON else None
        for ticker, latest in newest.items():
            if self._partition_of(ticker) == wish.partition and wish.ticker in (None, ticker):
                for week in weeks_between(wish.since, latest, most):
                    yield (self._topic, wish.partition), ticker, week
