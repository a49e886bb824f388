"""Which model is served: the one decision, as a pure function."""

from shared.storage.deployments import Decision
from shared.storage.models import Deployment, Model


def decide(model: Model, current: Deployment | None) -> Decision:
    """Choose between a model that was just trained and the deployment in force of its ticker and kind.

    The first one is served whatever its verdict, which goes with every answer. Later the newest run wins; a run that
    was filed earlier but ends later changes nothing.
    """
    if current is None:
        return Decision(True, "first model of this ticker and kind")
    if current.event == "retired":
        return Decision(True, f"none was in force since {current.model.model_id} was retired")
    if model.run_ordinal < current.model.run_ordinal:
        return Decision(False, f"not deployed: {current.model.model_id} is of a newer run")
    return Decision(True, f"of a newer run than {current.model.model_id}")
