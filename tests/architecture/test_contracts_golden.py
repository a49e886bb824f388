"""A contract changes only on purpose: the golden file and the generated page show each change."""

from pathlib import Path

from shared.contracts import reference

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "contracts.json"
PAGE = ROOT / "docs" / "contracts.md"


def test_contracts_are_those_of_the_golden_file() -> None:
    assert reference.as_json() == GOLDEN.read_text(), (
        "a contract changed; if additive: python -m shared.contracts.reference --json > tests/golden/contracts.json"
    )


def test_contracts_page_is_the_generated_one() -> None:
    assert reference.as_markdown() == PAGE.read_text(), "python -m shared.contracts.reference > docs/contracts.md"
