"""Times in text or numbers to instants: the form is learned from the file, a zone is never guessed."""

import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from shared.contracts.bars import INSTANT
from shared.errors import PoisonMessageError

_DATES: Final = {r"0000-00-00": "%Y-%m-%d", r"0000/00/00": "%Y/%m/%d", r"00000000": "%Y%m%d"}
_CLOCKS: Final = {r"00:00:00": "%H:%M:%S", r"0:00:00": "%H:%M:%S", r"00:00:00\.0+": "%H:%M:%S%.f", r"00?:00": "%H:%M"}
_ZONES: Final = {"": "", r"Z": "", r" ?UTC": "", r" ?[+-]00:?00": "%z", r"[+-]00": "%#z"}
# Epoch counts by their number of digits (the years 1973 to 2286): units in a second.
_EPOCHS: Final = {9: 1, 10: 1, 12: 10**3, 13: 10**3, 15: 10**6, 16: 10**6, 18: 10**9, 19: 10**9}
_MICROSECONDS: Final = 10**6
_LEARN_ROWS: Final = 2000
_MOST_FORMS: Final = 16


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write an instant.

    Attributes:
        pattern: Polars' strptime pattern; empty for an epoch count.
        aware: Whether the text says its zone.
        suffix: Text that means UTC and is cut off before parsing.
        units: Of an epoch count: how many make a second; 0 for text.
    """

    pattern: str
    aware: bool
    suffix: str = ""
    units: int = 0


def form_of(mask: str) -> Form | None:
    """Return the form of a text whose digits are all replaced by 0; None when it is none that we know."""
    if re.fullmatch(r"0+(\.0+)?", mask):
        units = _EPOCHS.get(len(mask.split(".")[0]))
        return None if units is None else Form("", aware=True, units=units)
    for date, day in _DATES.items():
        for clock, time in _CLOCKS.items():
            for zone, offset in _ZONES.items():
                found = re.fullmatch(rf"{date}(T| +){clock}({zone})", mask)
                if found:
                    separator, tail = found.groups()
                    utc = tail if tail and not offset else ""
                    blank = " " if tail.startswith(" ") and offset else ""
                    return Form(day + separator + time + blank + offset, aware=bool(tail), suffix=utc)
    return None


@dataclass(frozen=True, slots=True)
class _Read:
    """Instants, null where there is none, and whether a local time was read but is no single instant."""

    instants: pl.Series
    unplaced: pl.Series

    def or_where(self, mask: pl.Series, other: "_Read") -> "_Read":
        """Return `other` where `mask` holds, else this."""
        return _Read(other.instants.zip_with(mask, self.instants), other.unplaced.zip_with(mask, self.unplaced))


class TimeReader:
    """Turns a file's time column into instants (UTC, microseconds).

    Args:
        timezone: IANA zone of times that have none; None: such a file is refused.
    """

    def __init__(self, timezone: str | None) -> None:
        self._timezone = timezone
        self._form: Form | None = None

    def read(self, times: pl.Series) -> tuple[pl.Series, pl.Series]:
        """Return (instants, reasons); where an instant is null its reason is not.

        Args:
            times: Text, integers (epoch counts), or naive or aware datetimes.

        Raises:
            PoisonMessageError: the file as a whole cannot be read: times without a zone, dates only, or no known form.
        """
        times = times.alias("time")
        if times.dtype == pl.Date:
            raise _daily()
        if isinstance(times.dtype, pl.Datetime):
            return self._judged(times.cast(pl.String), self._from_datetimes(times))
        if times.dtype.is_numeric():
            times = times.cast(pl.Int64, strict=False)
        text = times.cast(pl.String)
        if self._form is None:
            self._form = self._learned(text)
        read = self._parsed(text, self._form)
        left = read.instants.is_null() & text.is_not_null()
        return self._judged(text, self._with_other_forms(text, read, left) if left.any() else read)

    def _from_datetimes(self, times: pl.Series) -> _Read:
        naive = isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is None
        if naive and self._timezone is None:
            raise _zoneless(str(next(iter(times.drop_nulls()), "")))
        return self._placed(times) if naive else _whole(times.dt.convert_time_zone("UTC").cast(INSTANT))

    def _learned(self, text: pl.Series) -> Form:
        """Return the most frequent known form among the first rows."""
        first = text.drop_nulls().head(_LEARN_ROWS).str.strip_chars(' "')
        masks = _masked(first).value_counts(sort=True)["time"].to_list()
        shown = next(iter(first), "")[:60]
        known = next((form for form in map(form_of, masks) if form is not None), None)
        if known is None and masks and any(re.fullmatch(date, masks[0]) for date in _DATES):
            raise _daily()
        if known is None:
            reason = (
                f"the time '{shown}' has no form that is known, such as 2025-01-02 09:30:00 or 2025-01-02T14:30:00Z"
            )
            raise PoisonMessageError(reason, "bad_time")
        if not known.aware and self._timezone is None:
            raise _zoneless(shown)
        return known

    def _parsed(self, text: pl.Series, form: Form) -> _Read:
        if form.units:
            return _whole(_from_epoch(text, form.units))
        if form.suffix:
            text = text.str.strip_suffix(form.suffix)
        times = text.str.to_datetime(form.pattern, time_unit="us", strict=False)
        if not form.aware:
            return self._placed(times)
        return _whole(times.dt.replace_time_zone("UTC") if form.suffix else times.cast(INSTANT))

    def _placed(self, naive: pl.Series) -> _Read:
        """Return naive times as instants: null where no zone is told, or the clock showed that time twice or never."""
        if self._timezone is None:
            return _Read(pl.Series("time", [None], INSTANT).new_from_index(0, len(naive)), naive.is_not_null())
        local = naive.dt.cast_time_unit("us").dt.replace_time_zone(
            self._timezone, ambiguous="null", non_existent="null"
        )
        return _Read(local.dt.convert_time_zone("UTC"), local.is_null() & naive.is_not_null())

    def _with_other_forms(self, text: pl.Series, read: _Read, left: pl.Series) -> _Read:
        """Read the few rows that are written in another way than the rest."""
        masks = _masked(text).zip_with(left, pl.Series("time", [None], pl.String).new_from_index(0, len(text)))
        for mask in masks.drop_nulls().value_counts(sort=True)["time"].head(_MOST_FORMS):
            form = form_of(mask)
            if form is not None and form != self._form:
                these = (masks == mask).fill_null(value=False)
                nothing = pl.Series("time", [None], pl.String).new_from_index(0, len(text))
                read = read.or_where(these, self._parsed(text.zip_with(these, nothing), form))
        return read

    def _judged(self, text: pl.Series, read: _Read) -> tuple[pl.Series, pl.Series]:
        """Return the instants and, for those that are null, the reasons."""
        unplaced = (
            pl.format("the time '{}' has no zone", "time")
            if self._timezone is None
            else pl.format(f"the clocks of {self._timezone} show '{{}}' twice or never", "time")
        )
        frame = pl.DataFrame([text.alias("time"), read.instants.alias("instant"), read.unplaced.alias("unplaced")])
        reasons = frame.select(
            pl.when(pl.col("instant").is_not_null())
            .then(pl.lit(None, pl.String))
            .when(pl.col("time").is_null())
            .then(pl.lit("timestamp is missing"))
            .when(pl.col("unplaced"))
            .then(unplaced)
            .otherwise(pl.format("the time '{}' cannot be read", pl.col("time").str.slice(0, 60)))
        ).to_series()
        return frame["instant"], reasons


def _whole(instants: pl.Series) -> _Read:
    return _Read(instants, pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(instants)))


def _masked(text: pl.Series) -> pl.Series:
    """Return the text with every digit replaced by 0."""
    return text.str.replace_all(r"[0-9]", "0")


def _from_epoch(text: pl.Series, units: int) -> pl.Series:
    counts = text.str.strip_suffix(".0").cast(pl.Int64, strict=False)
    if units > _MICROSECONDS:
        odd = counts % (units // _MICROSECONDS) != 0
        counts = (counts // (units // _MICROSECONDS)) + odd.cast(pl.Int64)  # a broken minute stays broken
    else:
        counts = counts * (_MICROSECONDS // units)
    return counts.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _zoneless(shown: str) -> PoisonMessageError:
    reason = f"its times, such as '{shown}', have no zone; give it with --timezone, such as --timezone America/New_York"
    return PoisonMessageError(reason, "no_timezone")


def _daily() -> PoisonMessageError:
    return PoisonMessageError("its times are dates only: daily bars; only 1-minute trade bars are taken", "bad_spacing")
