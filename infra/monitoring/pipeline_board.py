"""Data on its way: into Kafka, through the consumers and the aggregator, into the lake and the feature table."""

from typing import Final

from infra.monitoring.panels import Dashboard, graph, number, quantile, rate

BOARD: Final = Dashboard(
    "tickerstream-pipeline",
    "Tickerstream: pipeline",
    (
        (
            "Now",
            (
                number("Services up", "short", "Containers that answer", 'sum(up{job="tickerstream"})'),
                number(
                    "Paused",
                    "short",
                    "`cli status` says for what they wait",
                    'sum(tickerstream_service_state{state="paused"})',
                    1,
                ),
                number("Records behind", "short", "All consumers together", "sum(tickerstream_consumer_lag_records)"),
                number(
                    "Dead letters, last hour",
                    "short",
                    "`cli dlq list` tells what and why",
                    "sum(increase(tickerstream_dead_letters_total[1h]))",
                    1,
                ),
                number(
                    "Behind the newest bar",
                    "s",
                    "How late the aggregator stores rows",
                    "max(tickerstream_feature_behind_seconds)",
                    60,
                ),
                number(
                    "Free disk",
                    "percentunit",
                    "Of the fullest volume",
                    "min(tickerstream_disk_free_bytes / tickerstream_disk_size_bytes)",
                ),
            ),
        ),
        (
            "Into Kafka",
            (
                graph(
                    "Rows sent",
                    "short",
                    "Rows a second that Kafka acknowledged",
                    (rate("sent_rows_total", "topic"), "{{topic}}"),
                ),
                graph(
                    "Records sent",
                    "short",
                    "Records a second",
                    (rate("sent_records_total", "service", "topic"), "{{service}} {{topic}}"),
                ),
                graph(
                    "Refused by Kafka",
                    "short",
                    "Has to be empty",
                    (rate("send_failures_total", "topic", "error"), "{{topic}} {{error}}"),
                ),
            ),
        ),
        (
            "Consumers",
            (
                graph(
                    "Lag",
                    "short",
                    "Records not yet read",
                    ("sum by (service, topic) (tickerstream_consumer_lag_records)", "{{service}} {{topic}}"),
                ),
                graph(
                    "Rows taken",
                    "short",
                    "Rows a second",
                    (rate("consumed_rows_total", "service", "topic"), "{{service}} {{topic}}"),
                ),
                graph(
                    "Oldest uncommitted record",
                    "s",
                    "Bounded by LAKE_FLUSH_SECONDS",
                    ("max by (service) (tickerstream_consume_uncommitted_seconds)", "{{service}}"),
                ),
            ),
        ),
        (
            "Work of consumers",
            (
                graph(
                    "Handling what a poll returned, 95 %",
                    "s",
                    "",
                    (quantile(0.95, "consume_handle_seconds", "service"), "{{service}}"),
                ),
                graph(
                    "Commit, 95 %",
                    "s",
                    "Time of each step",
                    (quantile(0.95, "consume_commit_seconds", "service", "step"), "{{service}} {{step}}"),
                ),
                graph(
                    "Records between commits, median",
                    "short",
                    "",
                    (quantile(0.5, "consume_batch_records", "service"), "{{service}}"),
                ),
                graph(
                    "Paused",
                    "percentunit",
                    "Share of the time",
                    (rate("consume_paused_seconds_total", "service"), "{{service}}"),
                ),
            ),
        ),
        (
            "Lake",
            (
                graph(
                    "Rows written",
                    "short",
                    "New rows a second",
                    (rate("lake_written_rows_total", "bucket"), "{{bucket}}"),
                ),
                graph(
                    "Bytes written and read",
                    "Bps",
                    "",
                    (rate("lake_written_bytes_total", "bucket"), "{{bucket}} written"),
                    (rate("lake_read_bytes_total", "bucket"), "{{bucket}} read"),
                ),
                graph("Call, 95 %", "s", "", (quantile(0.95, "lake_request_seconds", "operation"), "{{operation}}")),
                graph(
                    "Trouble",
                    "short",
                    "A second",
                    (rate("lake_retries_total", "service"), "{{service}} retries"),
                    (rate("lake_failures_total", "service"), "{{service}} failures"),
                    (rate("lake_conflicts_total", "bucket"), "{{bucket}} conflicts"),
                ),
            ),
        ),
        (
            "Features",
            (
                graph("Rows stored", "short", "A second", (rate("feature_rows_total", "kind"), "{{kind}}")),
                graph(
                    "Transaction, 95 %", "s", "", (quantile(0.95, "feature_transaction_seconds", "kind"), "{{kind}}")
                ),
                graph(
                    "Behind",
                    "s",
                    "Since Kafka received the oldest bar of a transaction",
                    ("max by (instance) (tickerstream_feature_behind_seconds)", "{{instance}}"),
                ),
                graph(
                    "To be made again", "short", "Requests", ("sum(tickerstream_remake_requests_pending)", "requests")
                ),
            ),
        ),
        (
            "Faults and resources",
            (
                graph(
                    "Dead letters",
                    "short",
                    "A second",
                    (rate("dead_letters_total", "service", "reason"), "{{service}} {{reason}}"),
                ),
                graph(
                    "Errors",
                    "short",
                    "Waited out or set aside, a second",
                    (rate("errors_total", "service", "kind"), "{{service}} {{kind}}"),
                ),
                graph(
                    "Memory",
                    "bytes",
                    "",
                    (
                        "sum by (service, instance) (tickerstream_process_tree_resident_bytes)",
                        "{{service}} {{instance}}",
                    ),
                ),
                graph(
                    "Processor",
                    "short",
                    "Cores; throttled: waited for its limit",
                    (
                        'sum by (service) (rate(process_cpu_seconds_total{job="tickerstream"}[$__rate_interval]))',
                        "{{service}}",
                    ),
                    (rate("cgroup_cpu_throttled_seconds_total", "service"), "{{service}} throttled"),
                ),
            ),
        ),
    ),
)
