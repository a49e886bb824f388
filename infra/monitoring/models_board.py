"""Training: its queue, what became of it, how long it takes, and the models in force."""

from typing import Final

from infra.monitoring.panels import Dashboard, graph, number, quantile, rate

BOARD: Final = Dashboard(
    "tickerstream-models",
    "Tickerstream: models",
    (
        (
            "Now",
            (
                number("Jobs queued", "short", "", 'max(tickerstream_training_jobs{state="queued"})'),
                number("Jobs running", "short", "", 'max(tickerstream_training_jobs{state="running"})'),
                number(
                    "Jobs given up",
                    "short",
                    "`cli status` says why",
                    'max(tickerstream_training_jobs{state="failed"})',
                    1,
                ),
                number(
                    "Since the last model",
                    "s",
                    "",
                    "time() - max(tickerstream_training_last_success_timestamp_seconds)",
                ),
                number("Models serving", "short", "", "sum(tickerstream_models_serving)"),
                number(
                    "Deployments that fail",
                    "short",
                    "What served before serves on",
                    "sum(tickerstream_model_alerts)",
                    1,
                ),
            ),
        ),
        (
            "Queue",
            (
                graph(
                    "Jobs",
                    "short",
                    "By state, in PostgreSQL",
                    ("max by (state) (tickerstream_training_jobs)", "{{state}}"),
                ),
                graph(
                    "Workers at work",
                    "short",
                    "",
                    ("sum by (instance) (tickerstream_training_workers_busy)", "{{instance}}"),
                ),
                graph(
                    "Oldest open job",
                    "s",
                    "Its age",
                    ("time() - max(tickerstream_training_oldest_job_timestamp_seconds)", "age"),
                ),
            ),
        ),
        (
            "Results",
            (
                graph(
                    "Models trained",
                    "short",
                    "An hour",
                    (
                        "sum by (kind, verdict) (increase(tickerstream_models_trained_total[1h]))",
                        "{{kind}}: {{verdict}}",
                    ),
                ),
                graph(
                    "All models by verdict",
                    "short",
                    "In PostgreSQL",
                    ("max by (kind, verdict) (tickerstream_models_stored)", "{{kind}}: {{verdict}}"),
                ),
                graph(
                    "Failed attempts",
                    "short",
                    "An hour",
                    ("sum by (kind) (increase(tickerstream_training_failures_total[1h]))", "{{kind}}"),
                    ("sum(increase(tickerstream_training_worker_deaths_total[1h]))", "workers that died"),
                ),
            ),
        ),
        (
            "Time",
            (
                graph("Stage, median", "s", "", (quantile(0.5, "training_stage_seconds", "stage"), "{{stage}}")),
                graph("Stage, 95 %", "s", "", (quantile(0.95, "training_stage_seconds", "stage"), "{{stage}}")),
                graph(
                    "Memory of train",
                    "bytes",
                    "Of its limit",
                    (
                        'sum by (instance) (tickerstream_cgroup_memory_working_set_bytes{service="train"})',
                        "{{instance}}",
                    ),
                    (
                        'sum by (instance) (tickerstream_cgroup_memory_limit_bytes{service="train"})',
                        "{{instance}} limit",
                    ),
                ),
            ),
        ),
        (
            "Models in force",
            (
                graph(
                    "Serving, by verdict",
                    "short",
                    "",
                    ("sum by (kind, verdict) (tickerstream_models_serving)", "{{kind}}: {{verdict}}"),
                ),
                graph(
                    "Age of the oldest",
                    "s",
                    "Since its deployment",
                    ("topk(10, max by (ticker) (tickerstream_model_age_seconds))", "{{ticker}}"),
                ),
                graph(
                    "Bundles that could not be loaded",
                    "short",
                    "Tries a second",
                    (rate("model_load_failures_total", "instance"), "{{instance}}"),
                ),
            ),
        ),
    ),
)
