"""Features made slowly, one row at a time, by plain pandas from what was known: written apart from the code."""

from datetime import datetime
from functools import cache

import exchange_calendars
import numpy as np
import pandas as pd
import polars as pl

NAN = float("nan")
ZONE = "America/New_York"


@cache
def schedule() -> pd.DataFrame:
    calendar = exchange_calendars.get_calendar("XNYS", start="2023-01-01", end="2026-12-31")
    return calendar.schedule[["open", "close"]]


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """By Python's own values, so that no conversion of either library takes part."""
    made = pd.DataFrame(frame.to_dicts(), columns=frame.columns)
    for name, kind in frame.schema.items():
        if kind == pl.Datetime("us", "UTC"):
            made[name] = pd.to_datetime(made[name], utc=True)
        if kind == pl.Date:
            made[name] = pd.to_datetime(made[name])
    return made


class Oracle:
    """The features of single rows."""

    def __init__(self, bars: pl.DataFrame, macro: pl.DataFrame, filings: pl.DataFrame, actions: pl.DataFrame) -> None:
        self._bars, self._macro, self._filings, self._actions = map(to_pandas, (bars, macro, filings, actions))

    def row(self, start: datetime, as_of: datetime) -> dict[str, float]:
        """Every feature of the bar at `start`, from what was known at `as_of`."""
        now, known = pd.Timestamp(start), pd.Timestamp(as_of)
        bars = self._seen(now, known)
        monday = now.normalize() - pd.Timedelta(days=now.weekday())
        minutes = pd.concat([bars[bars.index < monday].tail(500), bars[bars.index >= monday]])
        values = {**_regime(minutes), **_session(bars, now)}
        for name, length in (("5m", 5), ("15m", 15), ("60m", 60)):
            values |= _longer(name, _closed(bars, length, now, monday), minutes.close.iloc[-1])
        values |= _sessions(_session_bars(bars, now))
        values |= self._economy(now, known) | self._company(now, known) | self._announced(now, known)
        return values

    def _seen(self, now: pd.Timestamp, known: pd.Timestamp) -> pd.DataFrame:
        """The bars up to now as known, on today's share basis."""
        monday = now.normalize() - pd.Timedelta(days=now.weekday())
        bars = self._bars[(self._bars.known_at <= known) & (self._bars.timestamp <= now)]
        bars = bars[bars.timestamp >= monday - pd.Timedelta(days=42)]
        bars = (
            bars.sort_values("known_at").drop_duplicates("timestamp", keep="last").set_index("timestamp").sort_index()
        )
        bars = bars[["open", "high", "low", "close", "volume"]].copy()
        for split in self._known_actions(known)[lambda a: a.action == "split"].itertuples():
            effect = split.ex_date.tz_localize(ZONE).tz_convert("UTC")
            if effect <= now:
                bars.loc[bars.index < effect, ["open", "high", "low", "close"]] /= split.ratio
                bars.loc[bars.index < effect, "volume"] *= split.ratio
        return bars

    def _known_actions(self, known: pd.Timestamp) -> pd.DataFrame:
        actions = self._actions[self._actions.known_at <= known].sort_values("known_at")
        return actions.drop_duplicates(["action", "label", "ex_date"], keep="last")

    def _economy(self, now: pd.Timestamp, known: pd.Timestamp) -> dict[str, float]:
        today = now.tz_localize(None).normalize()
        limits = {"GDPC1": 300, "CPIAUCSL": 120, "FEDFUNDS": 120, "UNRATE": 120}
        held: dict[str, pd.Series] = {}
        for name in ("GDPC1", "CPIAUCSL", "FEDFUNDS", "UNRATE", "DGS10", "DGS2", "T10Y2Y", "VIXCLS"):
            of = self._macro[(self._macro.series == name) & (self._macro.known_at <= known)].sort_values("known_at")
            values = of.drop_duplicates("date", keep="last").set_index("date").value.astype(float).dropna().sort_index()
            stale = values.empty or (today - values.index[-1]).days > limits.get(name, 14)
            held[name] = values.iloc[:0] if stale else values

        def newest(name: str) -> float:
            return held[name].iloc[-1] if len(held[name]) else NAN

        def before(name: str, months: int) -> float:
            if not len(held[name]):
                return NAN
            return held[name].get(held[name].index[-1] - pd.DateOffset(months=months), NAN)

        def previous(name: str) -> float:
            near = len(held[name]) > 1 and (held[name].index[-1] - held[name].index[-2]).days <= 14
            return held[name].iloc[-2] if near else NAN

        return {
            "gdp_growth_year": newest("GDPC1") / before("GDPC1", 12) - 1,
            "gdp_growth_quarter": newest("GDPC1") / before("GDPC1", 3) - 1,
            "inflation_year": newest("CPIAUCSL") / before("CPIAUCSL", 12) - 1,
            "inflation_month": newest("CPIAUCSL") / before("CPIAUCSL", 1) - 1,
            "policy_rate": newest("FEDFUNDS"),
            "policy_rate_change_year": newest("FEDFUNDS") - before("FEDFUNDS", 12),
            "unemployment": newest("UNRATE"),
            "unemployment_change_year": newest("UNRATE") - before("UNRATE", 12),
            "ten_year_yield": newest("DGS10"),
            "ten_year_yield_change": newest("DGS10") - previous("DGS10"),
            "two_year_yield": newest("DGS2"),
            "yield_slope": newest("T10Y2Y"),
            "vix": newest("VIXCLS"),
            "vix_change": newest("VIXCLS") / previous("VIXCLS") - 1,
        }

    def _company(self, now: pd.Timestamp, known: pd.Timestamp) -> dict[str, float]:
        names = ("eps", "free_cash_flow", "gross_margin", "operating_margin", "net_margin", "free_cash_flow_margin",
                 "debt_to_equity", "revenue_growth_year", "net_margin_change_year", "filing_age_days")  # fmt: skip
        nothing = dict.fromkeys(names, NAN)
        filings = self._filings[self._filings.known_at <= known].sort_values("known_at")
        filings = filings.drop_duplicates(["period", "period_end"], keep="last")
        if filings.empty or (now.tz_localize(None).normalize() - filings.period_end.max()).days > 500:
            return nothing
        last = filings[filings.period_end == filings.period_end.max()]
        newest = last.sort_values("period", key=lambda p: p == "FY").iloc[0]
        age = (newest.period_end - filings.period_end).dt.days
        earlier = filings[(filings.period == newest.period) & age.between(350, 380)]
        values = {
            "eps": newest.eps,
            "free_cash_flow": newest.cashflow_freeCashFlow,
            "gross_margin": newest.grossProfit / newest.revenue,
            "operating_margin": newest.operatingIncome / newest.revenue,
            "net_margin": newest.netIncome / newest.revenue,
            "free_cash_flow_margin": newest.cashflow_freeCashFlow / newest.revenue,
            "filing_age_days": (known - newest.known_at) / pd.Timedelta(days=1),
        }
        if newest.balance_totalStockholdersEquity > 0:
            values["debt_to_equity"] = newest.balance_totalDebt / newest.balance_totalStockholdersEquity
        if len(earlier):
            year_ago = earlier.iloc[0]
            values["revenue_growth_year"] = newest.revenue / year_ago.revenue - 1
            values["net_margin_change_year"] = values["net_margin"] - year_ago.netIncome / year_ago.revenue
        return nothing | values

    def _announced(self, now: pd.Timestamp, known: pd.Timestamp) -> dict[str, float]:
        end, day, reach = now + pd.Timedelta(minutes=1), pd.Timedelta(days=1), pd.Timedelta(days=400)
        actions = self._known_actions(known).copy()
        actions["effect"] = [schedule().open[schedule().index >= ex].iloc[0] for ex in actions.ex_date]
        values = {}
        for kind in ("dividend", "split"):
            ours = actions[actions.action == kind]
            ahead = [(effect - end) / day for effect in ours.effect if now < effect <= end + reach]
            passed = [(end - effect) / day for effect in ours.effect if end - reach <= effect <= now]
            values |= {f"days_to_{kind}": min(ahead, default=NAN), f"days_since_{kind}": min(passed, default=NAN)}
        gone = actions[(actions.effect <= now) & (actions.effect >= now - reach)].sort_values("effect")
        ordinary = gone[(gone.action == "dividend") & (gone.label == "")]
        values["dividend_growth"] = NAN
        if len(ordinary) > 1:
            old, new = ordinary.iloc[-2], ordinary.iloc[-1]
            splits = gone[(gone.action == "split") & (gone.effect > old.effect) & (gone.effect <= new.effect)]
            values["dividend_growth"] = new.amount / (old.amount / splits.ratio.prod()) - 1
        return values


def _wilder(values: pd.Series, bars: int) -> pd.Series:
    return values.ewm(alpha=1 / bars, adjust=False).mean()


def _last(values: pd.Series, needed: int, there: int) -> float:
    return float(values.iloc[-1]) if there >= needed and len(values) else NAN


def _regime(bars: pd.DataFrame) -> dict[str, float]:
    count, close = len(bars), bars.close
    up, down = bars.high.diff(), -bars.low.diff()
    true_range = pd.concat([bars.high, close.shift()], axis=1).max(axis=1) - pd.concat(
        [bars.low, close.shift()], axis=1
    ).min(axis=1)
    spread = _wilder(true_range.iloc[1:], 14)
    plus = 100 * _wilder(up.where((up > down) & (up > 0), 0.0).iloc[1:], 14) / spread
    minus = 100 * _wilder(down.where((down > up) & (down > 0), 0.0).iloc[1:], 14) / spread
    strength = _wilder(100 * (plus - minus).abs() / (plus + minus), 14)
    returns = close.pct_change()
    way = close.diff().abs().tail(60).sum()
    return {
        "adx_14": _last(strength, 270, count),
        "direction_14": _last(plus - minus, 270, count),
        "efficiency_60": abs(close.iloc[-1] - close.iloc[-61]) / way if count > 60 and way > 0 else NAN,
        "volatility_30_to_240": returns.tail(30).std(ddof=0) / returns.tail(240).std(ddof=0) if count > 240 else NAN,
    }


def _closed(bars: pd.DataFrame, length: int, now: pd.Timestamp, monday: pd.Timestamp) -> pd.DataFrame:
    """The clock bars that have closed by the end of the bar at `now`."""
    made = _joined(bars.groupby(bars.index.floor(f"{length}min")))
    made = made[made.index + pd.Timedelta(minutes=length) <= now + pd.Timedelta(minutes=1)]
    return pd.concat([made[made.index < monday].tail(400), made[made.index >= monday]])


def _joined(groups: "pd.api.typing.DataFrameGroupBy") -> pd.DataFrame:
    return groups.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})


def _longer(name: str, made: pd.DataFrame, close: float) -> dict[str, float]:
    bars, count = (7 if name == "60m" else 14), len(made)
    change = made.close.diff().iloc[1:]
    gain, loss = _wilder(change.clip(lower=0), bars), _wilder(-change.clip(upper=0), bars)
    fast, slow = (made.close.ewm(span=span, adjust=False).mean() for span in (4, 12))
    values = {
        f"rsi_{bars}_{name}": _last(100 * gain / (gain + loss), 10 * (2 * bars - 1), count),
        f"ema_4_to_12_{name}": _last(fast / slow - 1, 120, count),
    }
    if name != "5m":
        low, high = made.low.tail(14).min(), made.high.tail(14).max()
        values[f"range_position_14_{name}"] = (close - low) / (high - low) if count >= 14 and high > low else NAN
    return values


def _day(now: pd.Timestamp) -> pd.Timestamp:
    return now.tz_convert(ZONE).tz_localize(None).normalize()


def _session_bars(bars: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """The regular sessions that have closed by the end of the bar at `now`."""
    days = bars.index.tz_convert(ZONE).tz_localize(None).normalize()
    times = schedule().reindex(days)
    regular = (bars.index >= pd.DatetimeIndex(times.open)) & (bars.index < pd.DatetimeIndex(times.close))
    made = _joined(bars[regular].groupby(days[regular]))
    return made[schedule().close.reindex(made.index) <= now + pd.Timedelta(minutes=1)]


def _sessions(made: pd.DataFrame) -> dict[str, float]:
    close, count = made.close, len(made)
    ranges = (made.high / made.low).tail(20)
    return {
        "return_1_session": close.iloc[-1] / close.iloc[-2] - 1 if count >= 2 else NAN,
        "return_5_sessions": close.iloc[-1] / close.iloc[-6] - 1 if count >= 6 else NAN,
        "range_rank_20_sessions": float((ranges <= ranges.iloc[-1]).mean()) if count >= 20 else NAN,
    }


def _session(bars: pd.DataFrame, now: pd.Timestamp) -> dict[str, float]:
    day = _day(now)
    place = schedule().index.get_loc(day)
    before = schedule().index[place - 1]
    opens, closes = schedule().open.iloc[place], schedule().close.iloc[place]
    end, minute = now + pd.Timedelta(minutes=1), pd.Timedelta(minutes=1)
    values = {
        "session_elapsed": (end - opens) / (closes - opens),
        "minutes_to_close": (closes - end) / minute,
        "half_day": float((closes - opens) < pd.Timedelta(minutes=390)),
        "weekday": float(day.weekday()),
        "days_since_session": float((day - before).days),
        **dict.fromkeys(("overnight_gap", "return_since_open", "session_range_position", "session_vwap_distance"), NAN),
    }
    if not opens <= now < closes:
        return values
    today = bars[bars.index >= opens]
    yesterday = bars[(bars.index >= schedule().open[before]) & (bars.index < schedule().close[before])]
    close, low, high = today.close.iloc[-1], today.low.min(), today.high.max()
    typical = (today.high + today.low + today.close) / 3
    values["return_since_open"] = close / today.open.iloc[0] - 1
    if len(yesterday):
        values["overnight_gap"] = today.open.iloc[0] / yesterday.close.iloc[-1] - 1
    if high > low:
        values["session_range_position"] = (close - low) / (high - low)
    if today.volume.sum() > 0:
        values["session_vwap_distance"] = close / np.average(typical, weights=today.volume) - 1
    return values
