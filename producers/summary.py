"""What a finished run tells: counts for programs, one line for people."""

from collections.abc import Mapping
from typing import Any

from producers.runs import RunPlan
from producers.tally import Tally


def summary_of(plan: RunPlan, service: str, main_topic: str, tally: Tally) -> dict[str, Any]:
    """Return the counts of a run for programs: those of the producer's main topic, and of the others by their names.

    Args:
        plan: The run.
        service: The producer, such as `producers.stock`.
        main_topic: The topic whose rows are counted as read, refused and published.
        tally: All counts.
    """
    main = tally.topic(main_topic)
    counts: dict[str, Any] = {"run_id": plan.run_id, "source": plan.source}
    if service == "producers.stock":
        counts["bars_read"] = main.read
    counts |= {
        "read": main.read,
        "duplicates": main.duplicates,
        "rejected": main.rejected,
        "published": main.published,
        "records": main.records,
    }
    others = {name: topic.published for name, topic in tally.topics.items() if name != main_topic}
    return counts | ({"other_topics": others} if others else {})


def text_of(summary: Mapping[str, Any]) -> str:
    """Return the last line for people."""
    if summary["already_done"]:
        return f"run {summary['run_id']} is already done: {summary['published']:,} rows published. --again repeats it."
    others = "".join(f", {count:,} to {name}" for name, count in summary.get("other_topics", {}).items())
    resumed = ", resumed" if summary["resumed"] else ""
    return (
        f"run {summary['run_id']}: {summary['read']:,} rows read, {summary['duplicates']:,} duplicates, "
        f"{summary['rejected']:,} rejected, {summary['published']:,} published in {summary['records']:,} records"
        f"{others}; {summary['seconds']:.1f} s, {summary['rows_a_second']:,} rows a second{resumed}"
    )
