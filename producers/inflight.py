"""Units in flight: each is finished when it is read to its end and every record of it is confirmed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from producers.source import Unit
from producers.tally import Tally
from shared.ports import Position


@dataclass(slots=True)
class UnitInFlight:
    """One unit: what was counted, how many records are out, and whether it is read to its end."""

    unit: Unit
    on_finished: Callable[["UnitInFlight"], None]
    tally: Tally = field(default_factory=Tally)
    outstanding: int = 0
    read: bool = False

    def expect(self, topic: str | None, rows: int) -> Callable[[Position], None]:
        """Count a record as sent; return what is to be called once it is confirmed.

        Args:
            topic: Whose counts it belongs to; None for a dead letter.
            rows: How many rows it holds.
        """
        self.outstanding += 1

        def delivered(position: Position) -> None:
            if topic is not None:
                self.tally.topic(topic).delivered(position, rows)
            self.outstanding -= 1
            self._finish_if_done()

        return delivered

    def end(self) -> None:
        """Say that nothing more will be sent."""
        self.read = True
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self.read and not self.outstanding:
            self.on_finished(self)
