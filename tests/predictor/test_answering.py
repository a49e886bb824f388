"""Who leads an answer, what its id is, and which models may speak together."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.answering import NoAnswerError, ServingModel, answer, prediction_id
from shared.contracts.training import MODEL_KINDS, ModelKind, Verdict
from shared.errors import ContractError
from shared.modelling.bundle import LoadedBundle, load_bundle, write_bundle
from tests.predictor.making import NOW, bundles, event_of, feature_row

TICKER = "AAPL"
Models = dict[ModelKind, LoadedBundle]
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    return {kind: load_bundle(folder, write_bundle(folder, bundle)) for kind, bundle in bundles(TICKER).items()}


def serving(loaded: Models, verdicts: dict[ModelKind, Verdict], **changes: object) -> list[ServingModel]:
    made = bundles(TICKER)
    return [
        ServingModel(event_of(made[kind], number, verdict, **changes), loaded[kind])
        for number, (kind, verdict) in enumerate(verdicts.items(), start=1)
    ]


def with_gain(bundle: LoadedBundle, gain: float, folder: Path) -> LoadedBundle:
    primary = bundle.manifest.evaluation.primary.model_copy(update={"gain": gain, "baseline_loss": 1.0})
    evaluation = bundle.manifest.evaluation.model_copy(update={"primary": primary})
    same = load_bundle(folder, write_bundle(folder, bundles(TICKER)[bundle.manifest.kind]))
    same.manifest = bundle.manifest.model_copy(update={"evaluation": evaluation})
    return same


@given(st.lists(HEX, min_size=1, max_size=3, unique=True), HEX, st.randoms())
def test_id_follows_from_digests_and_row_alone(digests: list[str], row_hash: str, random: object) -> None:
    shuffled = digests[::-1]
    assert prediction_id(shuffled, row_hash) == prediction_id(digests, row_hash)
    assert prediction_id([*digests[1:], "f" * 33], row_hash) != prediction_id(digests, row_hash)
    assert prediction_id(digests, row_hash[::-1] + "0") != prediction_id(digests, row_hash)
    assert len(prediction_id(digests, row_hash)) == 32


@pytest.mark.parametrize("verdict", ["no skill", "worse", "insufficient"])
def test_baseline_leads_where_no_model_has_skill(loaded: Models, verdict: Verdict) -> None:
    made = answer(feature_row(TICKER), serving(loaded, dict.fromkeys(MODEL_KINDS, verdict)), NOW)
    prior = loaded["classification_rf"].manifest.prior_up
    assert prior is not None
    assert (made.leads, made.expected_return, made.price_level) == ("baseline", 0.0, made.close)
    assert (made.probability_up, made.direction) == (prior, "up" if prior > 0.5 else "down")
    assert [model.kind for model in made.models] == list(MODEL_KINDS)


def test_classifier_with_skill_leads_the_direction_and_leaves_the_return_to_the_baseline(loaded: Models) -> None:
    made = answer(feature_row(TICKER), serving(loaded, {"classification_rf": "skill", "regression_gb": "worse"}), NOW)
    said = {model.kind: model.value for model in made.models}
    assert (made.leads, made.expected_return) == ("model", 0.0)
    assert made.probability_up == said["classification_rf"]
    assert made.direction == ("up" if said["classification_rf"] > 0.5 else "down")


def test_regression_with_skill_leads_the_return_and_the_direction_follows_it(loaded: Models) -> None:
    for minute in range(5):
        row = feature_row(TICKER, minute)
        made = answer(row, serving(loaded, {"regression_gb": "skill", "classification_rf": "no skill"}), NOW)
        said = {model.kind: model.value for model in made.models}["regression_gb"]
        assert made.expected_return == said
        assert made.price_level == row.close * (1 + said)
        assert made.direction == ("up" if said > 0 else "down" if said < 0 else None)
        assert made.probability_up == made.baseline.probability_up


@pytest.mark.parametrize(("forest", "boosting", "leader"), [(0.2, 0.1, "regression_rf"), (0.1, 0.2, "regression_gb")])
def test_of_several_with_skill_the_one_that_gained_most_leads(
    loaded: Models, tmp_path: Path, forest: float, boosting: float, leader: ModelKind
) -> None:
    gained: Models = {
        **loaded,
        "regression_rf": with_gain(loaded["regression_rf"], forest, tmp_path),
        "regression_gb": with_gain(loaded["regression_gb"], boosting, tmp_path),
    }
    made = answer(feature_row(TICKER), serving(gained, {"regression_rf": "skill", "regression_gb": "skill"}), NOW)
    assert made.expected_return == {model.kind: model.value for model in made.models}[leader]


def test_models_that_cannot_answer_the_row_say_what_is_missing(loaded: Models) -> None:
    with pytest.raises(NoAnswerError) as without:
        answer(feature_row(TICKER), [], NOW)
    assert without.value.missing == ("models",)
    with pytest.raises(NoAnswerError) as other:
        answer(feature_row(TICKER, feature_set="fother"), serving(loaded, {"regression_gb": "skill"}), NOW)
    assert other.value.missing == ("models of fother",)


def test_model_of_simulated_data_never_answers_a_real_row(loaded: Models) -> None:
    with pytest.raises(ContractError, match="a model of simulated data may not answer a row of real data"):
        answer(feature_row(TICKER), serving(loaded, {"regression_gb": "skill"}, simulated=True), NOW)


def test_one_answer_has_one_horizon_that_of_the_newest_deployment(loaded: Models) -> None:
    models = serving(loaded, {"regression_rf": "skill", "regression_gb": "no skill"})
    longer = ServingModel(models[1].event.model_copy(update={"horizon_minutes": 30, "sequence": 99}), models[1].bundle)
    made = answer(feature_row(TICKER), [models[0], longer], NOW)
    assert (made.horizon_minutes, [model.kind for model in made.models]) == (30, ["regression_gb"])
    assert made.leads == "baseline"
