"""The durable cursor of a run: which units are confirmed, so that a restarted producer goes on behind them."""

import fcntl
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from pydantic import TypeAdapter, ValidationError

from producers.tally import Tally
from shared.errors import ConfigurationError

# Saving may take this share of the time at most: a run of many small units is not slowed down by its notes.
_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """Which broker and topics a run was sent to; other ids mean that what was sent is gone."""

    cluster_id: str
    topic_ids: Mapping[str, str]


@dataclass(slots=True)
class _State:
    """What the file holds. `identity` tells one input from another under the same run id."""

    run_id: str
    identity: str
    place: Place
    attempt: int = 0
    units: dict[str, Tally] = field(default_factory=dict)
    confirmed: bool = False


_STATE: Final = TypeAdapter(_State)


class Cursor:
    """The finished units of one run of one producer. Only one process may have it open.

    Args:
        path: Its file; a lock file stands beside it.
        run_id: The run.
        identity: Digest of what the run reads.
        place: The broker and topics as they are now; where the file tells of others, it is void.

    Raises:
        ConfigurationError: another process has it, or the run id was used for other input.
    """

    def __init__(self, path: Path, run_id: str, identity: str, place: Place) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = _locked(path.with_suffix(".lock"), run_id)
        self._saved_at = time.monotonic()
        self._cost = 0.0
        self.void = False
        """Whether a cursor was found that tells of topics that are gone."""
        stored = _stored(path)
        if stored is not None and stored.identity != identity:
            self.close()
            raise ConfigurationError(f"--run-id: run {run_id} was begun with other input. Take another run id.")
        if stored is not None and stored.place != place:
            self.void = True
            stored = None
        self._state = stored or _State(run_id, identity, place)

    @property
    def attempt(self) -> int:
        """Return the number of the attempt that was begun last; 0 before the first."""
        return self._state.attempt

    @property
    def confirmed(self) -> bool:
        """Return whether the run is confirmed on the `runs` topic."""
        return self._state.confirmed

    @property
    def begun(self) -> bool:
        """Return whether some unit is finished."""
        return bool(self._state.units)

    def __contains__(self, unit: str) -> bool:
        return unit in self._state.units

    def total(self) -> Tally:
        """Return the counts of all finished units."""
        total = Tally()
        for tally in self._state.units.values():
            total.add(tally)
        return total

    def begin(self, attempt: int, *, afresh: bool) -> None:
        """Begin an attempt; `afresh` forgets what is finished. Its first finished unit is on disk at once."""
        self._state.attempt = attempt
        self._state.confirmed = False
        if afresh:
            self._state.units.clear()
        self.save()
        self._cost = 0.0

    def finish(self, unit: str, tally: Tally) -> bool:
        """Note a unit whose every record is confirmed; return whether that is on disk already."""
        self._state.units[unit] = tally
        if (time.monotonic() - self._saved_at) * _SHARE < self._cost:
            return False
        self.save()
        return True

    def confirm(self) -> None:
        """Note that the run is confirmed."""
        self._state.confirmed = True
        self.save()

    def save(self) -> None:
        """Write the file whole and durably."""
        started = time.monotonic()
        beside = self._path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(_STATE.dump_json(self._state))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def close(self) -> None:
        """Let other processes have it."""
        self._lock.close()


def cursor_path(home: Path, run_id: str, producer: str) -> Path:
    """Return where the cursor of a run lies."""
    return home / "state" / "producers" / f"{run_id}.{producer}.json"


def _locked(path: Path, run_id: str) -> IO[bytes]:
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConfigurationError(f"run {run_id} is being published by another process. Wait for it.") from None
    return lock


def _stored(path: Path) -> _State | None:
    """Return what the file tells; None where there is none, or it is none of ours: then the run begins again."""
    try:
        return _STATE.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
