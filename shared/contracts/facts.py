"""The slow facts: macro vintages, company filings, corporate actions, and when and on what ground each was known."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.bars import NAME_PATTERN, SIMULATED_PREFIX
from shared.contracts.lake import FUNDAMENTALS
from shared.contracts.messages import Instant, Message

ReleasedBasis = Literal["observed", "calendar", "latest_plausible"]
FiledBasis = Literal["accepted", "filing_date", "untrusted"]
KnownBasis = Literal["observed", "nominal"]

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
"""A ticker, symbol or series: it becomes a part of object names, so nothing else may stand in it."""


# Readers such as DuckDB do not tell upper from lower case in names of columns.
_RESERVED = frozenset(name.casefold() for name in FUNDAMENTALS.lake_columns)


def _agree(name: str, simulated: bool) -> None:
    if name.startswith(SIMULATED_PREFIX) != simulated:
        raise ValueError("the SIM. prefix and the simulated flag disagree")


class MacroVintage(Message):
    """One value of a macro series as it stood from `released_at` on.

    `date` is the observation's (the period's first day). `value` is null where the source has none. `released_basis`:
    observed = the source tells the vintage's date; calendar = from the release calendar; latest_plausible = the
    calendar does not know it. `latest_vintage` marks a value that may have been revised after its release.
    """

    series: Name
    date: dt.date
    value: float | None
    released_at: Instant
    released_basis: ReleasedBasis
    vintage: dt.date | None = None
    latest_vintage: bool = False
    source: str = Field(min_length=1)
    simulated: bool = False

    @model_validator(mode="after")
    def _check(self) -> "MacroVintage":
        _agree(self.series, self.simulated)
        if self.released_at.date() <= self.date and self.released_basis != "observed":
            raise ValueError("released_at is not after the observation's date")
        return self


class Filing(Message):
    """One company filing. Statement fields are kept as the source names them, as further fields of the message.

    `filed_basis`: accepted = time of acceptance; filing_date = only a date; untrusted = the source's date was missing
    or not after the period's end, so period end + 90 days stands in its place.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float | str | bool | None]

    symbol: Name
    period: str = Field(min_length=1, description="FY, Q1 .. Q4, as the source says")
    period_end: dt.date
    calendarYear: int = Field(ge=1900, le=2200)  # noqa: N815  the source's name, kept in the public contract
    filed_at: Instant
    filed_basis: FiledBasis
    source: str = Field(min_length=1)
    simulated: bool = False

    @model_validator(mode="after")
    def _check(self) -> "Filing":
        _agree(self.symbol, self.simulated)
        if self.filed_at.date() <= self.period_end:
            raise ValueError("filed_at is not after the period's end")
        for name in self.statement:
            if not name or name.startswith(".") or name.casefold() in _RESERVED:
                raise ValueError(f"a statement field may not be called {name!r}: the lake uses that name")
        return self

    @property
    def statement(self) -> dict[str, Any]:
        """Return the statement fields as the source names them."""
        return dict(self.__pydantic_extra__ or {})


class CorporateAction(Message):
    """A split (ratio: new shares for one old) or a cash dividend (amount, US dollars a share), by its ex-date.

    `label` tells several actions of one kind on one ex-date apart, so that none hides another: empty for the ordinary
    one, `special` for a special dividend beside it, `#2` for a second that the source lists without a name of its own.
    """

    ticker: Name
    action: Literal["split", "dividend"]
    label: str = Field("", pattern=r"^[a-z0-9_#]{0,32}$")
    ratio: float | None = Field(None, gt=0)
    amount: float | None = Field(None, gt=0)
    ex_date: dt.date
    known_at: Instant
    known_basis: KnownBasis
    source: str = Field(min_length=1)
    simulated: bool = False

    @model_validator(mode="after")
    def _check(self) -> "CorporateAction":
        _agree(self.ticker, self.simulated)
        if (self.action == "split") != (self.ratio is not None) or (self.action == "dividend") != (
            self.amount is not None
        ):
            raise ValueError("a split has a ratio and no amount, a dividend an amount and no ratio")
        return self
