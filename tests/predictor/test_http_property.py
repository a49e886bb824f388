"""Whatever is sent to a real predictor: never a defect, and every error a problem document."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.predictor.making import NOW
from tests.predictor.serving import Serving

pytestmark = pytest.mark.kafka
AWAY = ("urn:tickerstream:problem:no-ledger", "urn:tickerstream:problem:no-registry")  # there is no database here
ROUTES = ("/v1/predictions/{}", "/v1/predictions/{}/history", "/v1/models/{}", "/v2/models/{}", "/v1/{}", "/static/{}")
POSTS = ("/v1/predictions", "/v1/training", "/v2/models/SHARED.regression_gb/infer", "/v2/repository/index")
FIELDS = ("ticker", "tickers", "bars", "timestamp", "kinds", "reason", "inputs", "shape", "data", "name", "datatype")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("SHARED"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=15,
)
TIMES = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.just("0001-01-01T00:00:00+23:59")
QUERIES = st.dictionaries(
    st.sampled_from(["as_of", "at", "limit", "tickers", "x"]),
    st.text(max_size=30) | TIMES | st.integers().map(str),
    max_size=3,
)
PRICES = st.sampled_from([99.0, 100.0, 101.0]) | st.floats(allow_nan=False, allow_infinity=False)
PRICED = ("open", "high", "low", "close", "volume")
BAR = st.fixed_dictionaries(
    {
        "timestamp": st.just(NOW.isoformat()) | TIMES,
        **dict.fromkeys(("open", "high", "low", "close", "volume"), PRICES),
    },
    optional={"trade_count": st.integers(), "vwap": st.none() | PRICES, "known_at": TIMES},
)
FUZZ = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
AS_JSON = {"Content-Type": "application/json"}


def is_no_defect(answer: httpx.Response) -> None:
    if answer.status_code < 400:
        return
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    found = answer.json()
    assert found["status"] == answer.status_code
    assert answer.status_code < 500 or found["type"] in AWAY, answer.text


@FUZZ
@given(route=st.sampled_from(ROUTES), name=st.text(max_size=40) | st.just("SHARED"), query=QUERIES)
def test_no_path_or_query_makes_a_500(shared_predictor: Serving, route: str, name: str, query: dict[str, str]) -> None:
    path = route.format(quote(name.encode(errors="replace"), safe=""))
    asked = urlencode({key: value.encode(errors="replace") for key, value in query.items()})
    if path.rstrip("/") != "/v1/stream":  # which would not end
        is_no_defect(shared_predictor.client.get(f"{path}?{asked}"))


@FUZZ
@given(route=st.sampled_from(POSTS), body=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_no_body_makes_a_500(shared_predictor: Serving, route: str, body: bytes) -> None:
    is_no_defect(shared_predictor.client.post(route, content=body, headers=AS_JSON))


@FUZZ
@given(bars=st.lists(BAR, max_size=4))
def test_no_bars_make_a_500(shared_predictor: Serving, bars: list[dict[str, Any]]) -> None:
    content = json.dumps({"ticker": "SHARED", "bars": bars}).encode()
    is_no_defect(shared_predictor.client.post("/v1/predictions", content=content, headers=AS_JSON))
