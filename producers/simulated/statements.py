"""The figures of a simulated company's statements, and the fields that a filing tells of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from producers.simulated.seeds import Stream, generator
from producers.simulated.tickers import SECTORS, Company

_PRICE_TO_EARNINGS = 22.0
_RESEARCHERS = frozenset({SECTORS.index("technology"), SECTORS.index("health")})
_OVERSTATED = 1.08  # revenue as first told over revenue as restated


@dataclass(frozen=True, slots=True)
class Quarter:
    """One fiscal quarter, US dollars; flows are of the quarter, stocks as of its end.

    `research` is None where the company does not report it. `shares` is a number, before any split.
    """

    revenue: float
    cost: float
    research: float | None
    overhead: float
    interest: float
    tax: float
    depreciation: float
    investment: float
    assets: float
    debt: float
    equity: float
    cash: float
    shares: float

    @property
    def operating_income(self) -> float:
        """Return revenue less all costs of operation."""
        return self.revenue - self.cost - (self.research or 0.0) - self.overhead

    @property
    def net_income(self) -> float:
        """Return what is left for the shareholders."""
        return self.operating_income - self.interest - self.tax


def quarters(company: Company) -> Iterator[Quarter]:
    """Yield the company's fiscal quarters, without end; each follows from those before it."""
    rng = generator(company.seed, Stream.FILINGS, company.index)
    scale, margin, leverage = rng.random(3).tolist()
    shares = np.rint(5e7 * 40.0**scale / 1e5) * 1e5
    net_margin = 0.08 + 0.17 * margin
    revenue = company.cents / 100.0 / _PRICE_TO_EARNINGS * shares / net_margin / 4.0
    equity = revenue * (3.0 + 3.0 * leverage)
    season = rng.normal(0.0, 0.06, 4)
    while True:
        growth, squeeze, spending, payout, lending = rng.standard_normal(5).tolist()
        for place in range(4):
            noise = rng.standard_normal(3).tolist()
            revenue *= float(np.exp(0.02 + 0.01 * growth + 0.015 * noise[0]))
            told = revenue * (1.0 + float(season[place] - season.mean()))
            quarter = _quarter(company, told, net_margin + 0.01 * squeeze + 0.008 * noise[1], equity, shares)
            quarter = replace(
                quarter,
                investment=round(quarter.depreciation * float(np.exp(0.1 + 0.2 * spending + 0.1 * noise[2]))),
                debt=round(equity * (0.3 + 0.5 * leverage) * float(np.exp(0.05 * lending))),
            )
            equity += quarter.net_income * float(np.clip(0.5 + 0.1 * payout, 0.2, 0.8))
            yield replace(quarter, equity=round(equity), assets=round(equity * 1.35 + quarter.debt))


def _quarter(company: Company, revenue: float, margin: float, equity: float, shares: float) -> Quarter:
    """Return a quarter of that revenue and net margin; debt, investment, equity and assets are still to be set."""
    before_tax = revenue * margin / 0.79
    interest = equity * 0.004
    research = round(revenue * 0.11) if company.sector in _RESEARCHERS else None
    overhead = revenue * 0.14
    return Quarter(
        revenue=round(revenue),
        cost=round(revenue - before_tax - interest - (research or 0) - overhead),
        research=research,
        overhead=round(overhead),
        interest=round(interest),
        tax=round(before_tax * 0.21),
        depreciation=round(revenue * 0.045),
        investment=0.0,
        assets=0.0,
        debt=0.0,
        equity=0.0,
        cash=round(revenue * 0.6),
        shares=shares,
    )


def overstated(quarter: Quarter) -> Quarter:
    """Return the quarter as it was told before the restatement: revenue too high, costs as they were."""
    return replace(quarter, revenue=float(round(quarter.revenue * _OVERSTATED)))


def statement(parts: Sequence[Quarter], shares_for_one: int) -> dict[str, float | str | None]:
    """Return the fields of a filing over consecutive quarters: flows are summed, stocks are of the last.

    Args:
        parts: One quarter, or the four of a year.
        shares_for_one: Shares that one share of the beginning has become by the time of filing.
    """
    whole = _summed(parts)
    shares = whole.shares * shares_for_one
    return {"reportedCurrency": "USD", **_income(whole, shares), **_balance(whole), **_cash_flow(whole)}


def _summed(parts: Sequence[Quarter]) -> Quarter:
    """Return consecutive quarters as one: flows are summed, stocks are of the last."""
    last = parts[-1]
    return replace(
        last,
        revenue=sum(p.revenue for p in parts),
        cost=sum(p.cost for p in parts),
        research=None if last.research is None else sum(p.research or 0.0 for p in parts),
        overhead=sum(p.overhead for p in parts),
        interest=sum(p.interest for p in parts),
        tax=sum(p.tax for p in parts),
        depreciation=sum(p.depreciation for p in parts),
        investment=sum(p.investment for p in parts),
    )


def _income(whole: Quarter, shares: float) -> dict[str, float | str | None]:
    revenue, operating, net = whole.revenue, whole.operating_income, whole.net_income
    return {
        "revenue": revenue,
        "costOfRevenue": whole.cost,
        "grossProfit": revenue - whole.cost,
        "grossProfitRatio": (revenue - whole.cost) / revenue,
        "researchAndDevelopmentExpenses": whole.research,
        "sellingGeneralAndAdministrativeExpenses": whole.overhead,
        "operatingIncome": operating,
        "operatingIncomeRatio": operating / revenue,
        "interestExpense": whole.interest,
        "incomeBeforeTax": operating - whole.interest,
        "incomeTaxExpense": whole.tax,
        "ebitda": operating + whole.depreciation,
        "ebitdaratio": (operating + whole.depreciation) / revenue,
        "netIncome": net,
        "netIncomeRatio": net / revenue,
        "weightedAverageShsOut": shares,
        "weightedAverageShsOutDil": round(shares * 1.01),
        "eps": round(net / shares, 2),
        "epsdiluted": round(net / (shares * 1.01), 2),
    }


def _balance(last: Quarter) -> dict[str, float | str | None]:
    return {
        "balance_cashAndCashEquivalents": last.cash,
        "balance_totalAssets": last.assets,
        "balance_totalLiabilities": last.assets - last.equity,
        "balance_totalEquity": last.equity,
        "balance_totalStockholdersEquity": last.equity,
        "balance_totalDebt": last.debt,
        "balance_netDebt": last.debt - last.cash,
    }


def _cash_flow(whole: Quarter) -> dict[str, float | str | None]:
    cash_flow = whole.net_income + whole.depreciation
    return {
        "cashflow_netIncome": whole.net_income,
        "cashflow_depreciationAndAmortization": whole.depreciation,
        "cashflow_operatingCashFlow": cash_flow,
        "cashflow_capitalExpenditure": -whole.investment,
        "cashflow_freeCashFlow": cash_flow - whole.investment,
    }
