"""Offsets with epochs on a real PostgreSQL: of two owners only the newer one moves on."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from shared.errors import ContractError
from shared.storage.offsets import FencedError, OffsetStore
from shared.storage.postgres import transaction
from shared.testing.eventually import eventually
from tests.shared.storage.feature_rows import BATCH, SOURCE, STORE, provisioned, rows


@pytest.fixture
def offsets(engine: Engine) -> OffsetStore:
    return OffsetStore(engine)


def stored(engine: Engine, offsets: OffsetStore) -> dict[int, int]:
    with transaction(engine) as connection:
        return dict(offsets.stored(connection, SOURCE.topic_id))


def test_first_claim_begins_at_the_logs_start_and_later_ones_where_it_stands(
    engine: Engine, offsets: OffsetStore
) -> None:
    first = offsets.claim(SOURCE, 7, "a")
    assert (first.epoch, first.next_offset) == (1, 7)
    with transaction(engine) as connection:
        moved = offsets.advance(connection, first, 12)
    assert (moved.epoch, moved.next_offset) == (1, 12)
    second = offsets.claim(SOURCE, 7, "b")
    assert (second.epoch, second.next_offset) == (2, 12)
    assert stored(engine, offsets) == {3: 12}


def test_older_owner_is_fenced_and_its_rows_roll_back(engine: Engine, offsets: OffsetStore) -> None:
    provisioned(engine)
    old = offsets.claim(SOURCE, 0, "old")
    new = offsets.claim(SOURCE, 0, "new")
    with pytest.raises(FencedError, match="no longer ours"), transaction(engine) as connection:
        STORE.append(connection, rows(), STORE.open_batch(connection, BATCH))
        offsets.advance(connection, old, 5)
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM aggregated_data")).scalar_one() == 0
        offsets.advance(connection, new, 5)
    assert stored(engine, offsets) == {3: 5}


def test_owner_in_the_middle_of_a_transaction_finishes_before_it_is_fenced(
    engine: Engine, offsets: OffsetStore
) -> None:
    """The newer claim waits for the older owner's COMMIT, and begins at what that stored."""
    old = offsets.claim(SOURCE, 0, "old")
    claimed = []
    taker = threading.Thread(target=lambda: claimed.append(offsets.claim(SOURCE, 0, "new")))
    with transaction(engine) as connection:
        moved = offsets.advance(connection, old, 5)
        taker.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        eventually(lambda: connection.execute(waiting).scalar_one() == 1)
        assert not claimed
    taker.join(30)
    assert (claimed[0].epoch, claimed[0].next_offset) == (2, 5)
    with pytest.raises(FencedError), transaction(engine) as connection:
        offsets.advance(connection, moved, 6)


def test_the_same_step_twice_is_fenced(engine: Engine, offsets: OffsetStore) -> None:
    claim = offsets.claim(SOURCE, 0, "a")
    with transaction(engine) as connection:
        offsets.advance(connection, claim, 5)
    with pytest.raises(FencedError), transaction(engine) as connection:
        offsets.advance(connection, claim, 5)


def test_rolled_back_step_can_be_made_again(engine: Engine, offsets: OffsetStore) -> None:
    claim = offsets.claim(SOURCE, 0, "a")
    with pytest.raises(RuntimeError), transaction(engine) as connection:
        offsets.advance(connection, claim, 5)
        raise RuntimeError("a failure after it")
    with transaction(engine) as connection:
        assert offsets.advance(connection, claim, 5).next_offset == 5


def test_standing_still_proves_the_epoch_and_going_back_is_a_defect(engine: Engine, offsets: OffsetStore) -> None:
    claim = offsets.claim(SOURCE, 4, "a")
    with transaction(engine) as connection:
        assert offsets.advance(connection, claim, 4) == claim
        with pytest.raises(ValueError, match="before the claim's"):
            offsets.advance(connection, claim, 3)
    offsets.claim(SOURCE, 4, "b")
    with pytest.raises(FencedError), transaction(engine) as connection:
        offsets.advance(connection, claim, 4)


def test_topic_made_anew_is_told_and_not_read_over(offsets: OffsetStore) -> None:
    offsets.claim(SOURCE, 4, "a")
    with pytest.raises(ContractError, match="made anew"):
        offsets.claim(replace(SOURCE, topic_id="another"), 0, "a")


def test_claims_at_once_have_epochs_of_their_own(offsets: OffsetStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda n: offsets.claim(SOURCE, 0, str(n)), range(12)))
    assert sorted(claim.epoch for claim in claims) == list(range(1, 13))
