"""`tickerstream predict`: what the predictor says of tickers now."""

from typing import Annotated

import typer

from cli.app import FAILED, UNUSABLE, HomeOption, JsonOption
from cli.output import Output, print_error
from cli.prediction_view import show_predictions
from cli.predictor_client import PredictorClient, Refused, Served
from cli.settings import predictor_of

EXAMPLES = """
**Examples**

- `tickerstream predict SIM.ALFA SIM.BRAVO`
- `tickerstream predict AAPL --json` for programs: the documents as the predictor gives them.
"""
MISSING = 409


def register(app: typer.Typer) -> None:
    """Add the command `predict` to `app`."""
    app.command(epilog=EXAMPLES)(predict)


def predict(
    tickers: Annotated[list[str], typer.Argument(help="Tickers, such as AAPL MSFT.", metavar="TICKER...")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for the newest prediction of tickers: return, price level, chance of a rise, verdicts beside the baseline.

    Exit code 1 if one has no model or no features yet, 2 if one is not known.
    """
    output = Output.of(as_json)
    with PredictorClient(predictor_of(home)) as client:
        found = [client.prediction(ticker) for ticker in dict.fromkeys(tickers)]
    served = [one for one in found if isinstance(one, Served)]
    refused = [one for one in found if isinstance(one, Refused)]
    if as_json:
        output.document([dict(one.document) for one in found])
    elif served:
        show_predictions(output, [one.prediction for one in served])
    for one in refused:
        print_error(one.text)
    if refused:
        raise typer.Exit(FAILED if all(one.status == MISSING for one in refused) else UNUSABLE)
