"""The three shapes of a service: ConsumeLoop, PeriodicLoop, job; and what a handler of records must offer."""

from shared.runtime.consume import ConsumeLoop
from shared.runtime.handler import CommitPolicy, Handled, Handler, RejectedRows
from shared.runtime.periodic import PeriodicLoop, job

__all__ = ["CommitPolicy", "ConsumeLoop", "Handled", "Handler", "PeriodicLoop", "RejectedRows", "job"]
