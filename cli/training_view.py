"""Training as the command shows it: the newest runs, and how far each ticker is."""

from dataclasses import asdict
from typing import Any

from cli.output import Output
from cli.tables import Cell, Column, number
from shared.storage.job_progress import RunProgress, TickerProgress

COLUMNS = (
    Column("ticker", style="bold"),
    Column("state"),
    Column("stage"),
    number("done"),
    number("models"),
    number("tries", spare=1),
    Column("error", wraps=True),
)


def show_training(output: Output, run: RunProgress, tickers: list[TickerProgress], *, all_tickers: bool) -> None:
    """Write how far a run of training is; without `all_tickers` only those that are at work or failed."""
    total = run.queued + run.running + run.done + run.failed
    share = sum(ticker.progress for ticker in tickers) / len(tickers) if tickers else 0.0
    counts = f"{run.done:,} of {total:,} models made, {run.running:,} at work, {run.failed:,} failed"
    settled = ", verdicts are final" if run.settled_at else ""
    output.line(f"training {run.run_id}: {share:.0%}, {counts}{settled}", style="red" if run.failed else "green")
    shown = [ticker for ticker in tickers if all_tickers or ticker.state in {"running", "failed"}]
    if shown:
        output.table(COLUMNS, [_row(ticker) for ticker in shown])


def training_document(run: RunProgress, tickers: list[TickerProgress]) -> dict[str, Any]:
    """Return a run of training for programs."""
    return {**asdict(run), "tickers": [asdict(ticker) for ticker in tickers]}


def _row(ticker: TickerProgress) -> list[Cell]:
    made = sum(job.state == "done" for job in ticker.jobs)
    return [
        ticker.ticker,
        ticker.state,
        ticker.stage,
        f"{ticker.progress:.0%}",
        f"{made}/{len(ticker.jobs)}",
        max((job.attempt for job in ticker.jobs), default=0),
        next((job.error for job in ticker.jobs if job.error), None),
    ]
