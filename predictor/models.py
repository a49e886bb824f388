"""The models in force: a deployment counts by its sequence, is verified apart, and takes effect by one reference."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from predictor.answering import ServingModel
from shared.contracts.training import ModelEvent, ModelKind
from shared.errors import TickerstreamError
from shared.modelling.bundle import BundleError, LoadedBundle, load_bundle
from shared.runtime.failpoints import failpoint

_log = logging.getLogger(__name__)
Key = tuple[str, ModelKind]


@dataclass(frozen=True, slots=True)
class Alert:
    """A deployment that could not take effect; what served before goes on serving."""

    event: ModelEvent
    reason: str
    at: datetime


class ModelBook:
    """Which model serves each ticker and kind. One thread changes it at a time; readers need no lock.

    Args:
        model_dir: The model volume, only read.
        now: The clock.
        load: Loads and verifies a bundle.
    """

    def __init__(
        self,
        model_dir: Path,
        now: Callable[[], datetime],
        load: Callable[[Path, str], LoadedBundle] = load_bundle,
    ) -> None:
        self._model_dir = model_dir
        self._now = now
        self._load = load
        self._change = threading.Lock()
        self._seen: dict[Key, ModelEvent] = {}
        self._serving: dict[str, Mapping[ModelKind, ServingModel]] = {}
        self._alerts: dict[Key, Alert] = {}
        self.failures = 0

    @property
    def tickers(self) -> list[str]:
        """Return the tickers that a deployment was seen of, by name."""
        return sorted({ticker for ticker, _ in list(self._seen)})

    def of(self, ticker: str) -> Mapping[ModelKind, ServingModel]:
        """Return what serves a ticker, by kind."""
        return self._serving.get(ticker, {})

    def alerts(self, ticker: str | None = None) -> list[Alert]:
        """Return the deployments that could not take effect and are still wanted."""
        return [alert for (name, _), alert in sorted(self._alerts.copy().items()) if ticker in (None, name)]

    @property
    def serving_count(self) -> int:
        """Return how many models serve."""
        return sum(len(models) for models in list(self._serving.values()))

    def apply(self, event: ModelEvent) -> bool:
        """Let a deployment take effect if its sequence is higher than the last one's; return whether it did.

        A bundle that fails leaves the old model serving and raises an alert.
        """
        key = (event.ticker, event.kind)
        last = self._seen.get(key)
        if last is not None and event.sequence <= last.sequence:
            return False
        self._seen[key] = event
        failpoint("predictor.before_take")
        taken = self._take(event)
        failpoint("predictor.after_take")
        return taken

    def restore(self, events: Iterable[ModelEvent], threads: int) -> None:
        """Start from everything that the topic holds, several bundles at a time.

        Of each ticker and kind the newest deployment counts; where its bundle fails, the one before it serves, as it
        would have without a restart. Each event tells of the one that it replaced, so compaction does not take it away.
        """
        log: dict[Key, list[ModelEvent]] = {}
        for event in events:
            log.setdefault((event.ticker, event.kind), []).append(event)
        with ThreadPoolExecutor(threads, thread_name_prefix="load") as executor:
            list(executor.map(self._restore_key, log.values()))

    def _restore_key(self, events: list[ModelEvent]) -> None:
        told = [*(event.before for event in events), *events]
        ordered = sorted({event.sequence: event for event in told if event}.values(), key=lambda event: -event.sequence)
        self._seen[(ordered[0].ticker, ordered[0].kind)] = ordered[0]
        for event in ordered:
            if self._take(event):
                return

    def retry(self) -> list[str]:
        """Try what failed again; return the tickers whose models changed."""
        return [alert.event.ticker for alert in self.alerts() if self._take(alert.event)]

    def _take(self, event: ModelEvent) -> bool:
        """Verify the model of `event` and swap it in; return whether that was possible."""
        if event.event == "retired":
            self._swap(event, None)
            return True
        try:
            serving = self.of(event.ticker).get(event.kind)
            known = serving is not None and serving.event.digest == event.digest
            bundle = serving.bundle if serving and known else self._load(self._model_dir, event.digest)
            check_agreement(event, bundle)
        except (TickerstreamError, OSError, ValueError) as error:
            self._raise_alert(event, str(error))
            return False
        self._swap(event, ServingModel(event, bundle))
        return True

    def _swap(self, event: ModelEvent, model: ServingModel | None) -> None:
        with self._change:
            others = {kind: one for kind, one in self.of(event.ticker).items() if kind != event.kind}
            self._serving[event.ticker] = others if model is None else {**others, event.kind: model}
            alert = self._alerts.get((event.ticker, event.kind))
            if alert is not None and event.sequence >= alert.event.sequence:
                del self._alerts[(event.ticker, event.kind)]

    def _raise_alert(self, event: ModelEvent, reason: str) -> None:
        with self._change:
            self.failures += 1
            known = self._alerts.get((event.ticker, event.kind))
            if known is None or known.event.sequence <= event.sequence:
                self._alerts[(event.ticker, event.kind)] = Alert(event, reason, self._now())
        _log.error(
            "%s %s version %d cannot serve, what served before goes on: %s",
            event.ticker, event.kind, event.version, reason,
        )  # fmt: skip


def check_agreement(event: ModelEvent, bundle: LoadedBundle) -> None:
    """Let a bundle pass that is the one the deployment speaks of.

    Raises:
        BundleError: ticker, kind, feature set, horizon or world differ.
    """
    manifest = bundle.manifest
    for name in ("ticker", "kind", "feature_set", "horizon_minutes", "simulated"):
        said, is_so = getattr(event, name), getattr(manifest, name)
        if said != is_so:
            raise BundleError(
                f"bundle {event.digest[:12]} is of {name} {is_so}, the deployment says {said}. Deploy anew."
            )
