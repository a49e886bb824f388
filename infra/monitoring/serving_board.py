"""The predictor: requests, predictions, and how fresh they are."""

from typing import Final

from infra.monitoring.panels import Dashboard, graph, number, quantile, rate

BOARD: Final = Dashboard(
    "tickerstream-serving",
    "Tickerstream: serving",
    (
        (
            "Now",
            (
                number("Requests a second", "reqps", "", "sum(rate(tickerstream_http_requests_total[5m]))"),
                number(
                    "Failed requests",
                    "percentunit",
                    "Answered 5xx",
                    'sum(rate(tickerstream_http_requests_total{status=~"5.."}[5m]))'
                    " / sum(rate(tickerstream_http_requests_total[5m]))",
                    0.01,
                ),
                number(
                    "Response, 99 %",
                    "s",
                    "",
                    "histogram_quantile(0.99, sum by (le) (rate(tickerstream_http_request_seconds_bucket[5m])))",
                    1,
                ),
                number("Newest feature row", "s", "Its age", "min(tickerstream_feature_age_seconds)"),
                number("Tickers without answer", "short", "", "max(tickerstream_tickers_without_answer)"),
                number("Event streams", "short", "Open", "sum(tickerstream_event_streams)"),
            ),
        ),
        (
            "Requests",
            (
                graph("By route", "reqps", "", (rate("http_requests_total", "route"), "{{route}}")),
                graph("By status", "reqps", "", (rate("http_requests_total", "status"), "{{status}}")),
                graph(
                    "Response, 99 %", "s", "By route", (quantile(0.99, "http_request_seconds", "route"), "{{route}}")
                ),
            ),
        ),
        (
            "Predictions",
            (
                graph("Made", "short", "A second", (rate("predictions_total", "instance"), "{{instance}}")),
                graph(
                    "Computing one, 95 %",
                    "s",
                    "All its models together",
                    (quantile(0.95, "prediction_compute_seconds", "instance"), "{{instance}}"),
                ),
                graph(
                    "Until Kafka has them, 95 %",
                    "s",
                    "Only then they are served",
                    (quantile(0.95, "prediction_publish_seconds", "instance"), "{{instance}}"),
                ),
            ),
        ),
        (
            "Freshness",
            (
                graph(
                    "Oldest feature rows",
                    "s",
                    "The ten tickers with the oldest newest row",
                    ("topk(10, max by (ticker) (tickerstream_feature_age_seconds))", "{{ticker}}"),
                ),
                graph(
                    "Oldest answers",
                    "s",
                    "The ten tickers with the oldest newest answer",
                    ("topk(10, max by (ticker) (tickerstream_prediction_age_seconds))", "{{ticker}}"),
                ),
                graph(
                    "Refused input",
                    "short",
                    "Dead letters of the predictor, a second",
                    (
                        "sum by (reason) "
                        '(rate(tickerstream_dead_letters_total{service="predictor"}[$__rate_interval]))',
                        "{{reason}}",
                    ),
                ),
            ),
        ),
    ),
)
