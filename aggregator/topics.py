"""Which topics the aggregator reads, and what each is to it."""

from dataclasses import dataclass

from shared.contracts.facts import CorporateAction, Filing, MacroVintage
from shared.contracts.topics import BARS_HISTORY, BARS_LIVE, CORPORATE_ACTIONS, FILINGS, RUNS
from shared.settings import KafkaSettings

Fact = MacroVintage | Filing | CorporateAction


@dataclass(frozen=True, slots=True)
class Inputs:
    """The topics by name.

    Attributes:
        history: Bars by ticker-week.
        live: Bars one by one.
        facts: The topics of slow facts -> what a record of it is.
        runs: Declarations and confirmations.
        group: The aggregator's consumer group.
        lake_group: The consumer group that lands bars in the lake.
    """

    history: str
    live: str
    facts: dict[str, type[MacroVintage] | type[Filing] | type[CorporateAction]]
    runs: str
    group: str = "aggregator"
    lake_group: str = "lake-stock"

    @classmethod
    def of(cls, kafka: KafkaSettings) -> "Inputs":
        """Return the topics by their names in the contracts."""
        facts: dict[str, type[MacroVintage] | type[Filing] | type[CorporateAction]] = {
            CORPORATE_ACTIONS.name: CorporateAction,
            kafka.topic_macro: MacroVintage,
            FILINGS.name: Filing,
        }
        return cls(BARS_HISTORY.name, BARS_LIVE.name, facts, RUNS.name)

    @property
    def bars(self) -> tuple[str, str]:
        """Return both topics of bars."""
        return self.history, self.live

    @property
    def all(self) -> tuple[str, ...]:
        """Return every topic."""
        return (*self.bars, *self.facts, self.runs)
