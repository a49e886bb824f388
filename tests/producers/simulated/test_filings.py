from datetime import date, timedelta

import pytest

from producers.simulated.filings import filings
from producers.simulated.settings import SimulatedSettings
from producers.simulated.world import World
from shared.contracts.calendar import NEW_YORK, is_session
from shared.contracts.facts import Filing

FLOWS = ("revenue", "netIncome", "cashflow_operatingCashFlow", "cashflow_freeCashFlow", "incomeTaxExpense")


@pytest.fixture(scope="module")
def filed() -> dict[str, list[Filing]]:
    world = World(SimulatedSettings(simulated_tickers=20, simulated_sessions=250, simulated_start=date(2025, 1, 2)))
    end = world.timeline.history_end
    return {c.ticker: filings(c, world.timeline, None, end) for c in world.companies}


def figure(filing: Filing, name: str) -> float:
    value = filing.statement[name]
    assert isinstance(value, float)
    return value


def test_filings_come_20_to_45_days_after_the_period_on_a_session(filed: dict[str, list[Filing]]) -> None:
    for found in filed.values():
        first = {(f.period, f.period_end): f for f in reversed(found)}
        for filing in first.values():
            local = filing.filed_at.astimezone(NEW_YORK)
            assert timedelta(days=20) <= local.date() - filing.period_end <= timedelta(days=45)
            assert is_session(local.date())
            assert local.hour < 9 or local.hour >= 16
        assert {f.filed_basis for f in found} == {"accepted"}


def test_two_years_of_quarters_and_full_years_are_known_at_the_start(filed: dict[str, list[Filing]]) -> None:
    for found in filed.values():
        known = [f for f in found if f.filed_at.date() < date(2025, 1, 2)]
        assert len({f.period_end for f in known if f.period.startswith("Q")}) >= 8
        assert len([f for f in known if f.period == "FY"]) >= 2


def test_full_year_is_the_sum_of_its_quarters(filed: dict[str, list[Filing]]) -> None:
    for found in filed.values():
        latest = {(f.calendarYear, f.period): f for f in found}
        for (year, period), annual in latest.items():
            if period == "FY":
                quarters = [latest[year, f"Q{n}"] for n in (1, 2, 3, 4)]
                for name in FLOWS:
                    assert figure(annual, name) == pytest.approx(sum(figure(q, name) for q in quarters))
                assert annual.period_end == quarters[3].period_end
                assert figure(annual, "balance_totalDebt") == figure(quarters[3], "balance_totalDebt")


def test_statements_balance(filed: dict[str, list[Filing]]) -> None:
    for filing in (f for found in filed.values() for f in found):
        get = {name: figure(filing, name) for name, v in filing.statement.items() if isinstance(v, float)}
        assert get["grossProfit"] == pytest.approx(get["revenue"] - get["costOfRevenue"])
        assert get["netIncome"] == pytest.approx(get["incomeBeforeTax"] - get["incomeTaxExpense"])
        assert get["netIncomeRatio"] == pytest.approx(get["netIncome"] / get["revenue"])
        assert get["eps"] == pytest.approx(get["netIncome"] / get["weightedAverageShsOut"], abs=0.005001)
        free = get["cashflow_operatingCashFlow"] + get["cashflow_capitalExpenditure"]
        assert get["cashflow_freeCashFlow"] == pytest.approx(free)
        assert get["balance_totalAssets"] == pytest.approx(get["balance_totalLiabilities"] + get["balance_totalEquity"])
        assert min(get["revenue"], get["balance_totalEquity"], get["balance_totalDebt"]) > 0


def test_what_a_company_does_not_report_is_null(filed: dict[str, list[Filing]]) -> None:
    assert filed["SIM.ALFA"][0].statement["researchAndDevelopmentExpenses"] is not None
    assert filed["SIM.GOLF"][0].statement["researchAndDevelopmentExpenses"] is None


def test_one_company_restates_a_quarter_later_and_others_do_not(filed: dict[str, list[Filing]]) -> None:
    for ticker, found in filed.items():
        seen: dict[tuple[str, date], list[Filing]] = {}
        for filing in found:
            seen.setdefault((filing.period, filing.period_end), []).append(filing)
        twice = [versions for versions in seen.values() if len(versions) > 1]
        assert len(twice) == (1 if ticker in ("SIM.BRAVO", "SIM.LIMA") else 0)
        for first, later in twice:
            assert later.filed_at - first.filed_at >= timedelta(days=99)
            assert figure(later, "revenue") < figure(first, "revenue")
            assert figure(later, "netIncome") < figure(first, "netIncome")


def test_fiscal_years_end_in_other_months_for_some(filed: dict[str, list[Filing]]) -> None:
    ends = {t: {f.period_end.month for f in found if f.period == "FY"} for t, found in filed.items()}
    assert (ends["SIM.ALFA"], ends["SIM.INDIA"], ends["SIM.JULIET"]) == ({12}, {9}, {1})
    annual = next(f for f in filed["SIM.JULIET"] if f.period == "FY")
    assert annual.period_end.year == annual.calendarYear + 1


def test_shares_follow_a_split(filed: dict[str, list[Filing]]) -> None:
    shares = [figure(f, "weightedAverageShsOut") for f in filed["SIM.DELTA"]]
    assert set(shares) == {shares[0], shares[0] * 10}
    assert shares == sorted(shares)


def test_filings_between_two_instants_are_those_of_the_whole() -> None:
    world = World(SimulatedSettings(simulated_tickers=10, simulated_sessions=80))
    middle, end = world.timeline.session(30).at(12, 0), world.timeline.history_end
    for company in world.companies:
        parts = [*filings(company, world.timeline, None, middle), *filings(company, world.timeline, middle, end)]
        assert parts == filings(company, world.timeline, None, end)
