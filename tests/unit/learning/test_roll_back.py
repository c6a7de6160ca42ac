"""A roll-back puts in use what was in use before, and nothing that was changed, never promoted or rolled back itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.errors import ConfigurationError
from tocsin.learning.promote import roll_back

from tests.support.labelled import CARD
from tests.support.promotion import DECIDED, Desk


def test_versions_count_up_and_a_roll_back_goes_from_one_to_the_one_before(desk: Desk) -> None:
    assert [desk.promoted().decision.version, desk.next(), desk.next()] == [1, 2, 3]
    at = DECIDED + timedelta(days=1)
    back = [roll_back(desk.folder, None, "misses", "ben", at, CARD).version for _ in range(2)]
    assert back == [2, 1]
    active = desk.folder.active()
    assert active is not None
    assert active.version == 1
    with pytest.raises(ConfigurationError, match="version 1 is the first"):
        roll_back(desk.folder, None, None, "ben", at, CARD)
    assert roll_back(desk.folder, 3, "it was the camera", "ben", at, CARD).version == 3
    assert desk.next() == 4
    assert (desk.folder.problems(), desk.folder.record()[-1].what) == ([], "promoted")


def test_a_roll_back_never_ends_at_what_was_rolled_back_itself(desk: Desk) -> None:
    at = DECIDED + timedelta(days=1)
    assert [desk.promoted().decision.version, desk.next()] == [1, 2]
    assert roll_back(desk.folder, None, "misses", "ben", at, CARD).version == 1
    assert desk.next() == 3
    assert roll_back(desk.folder, None, "misses, too", "ben", at, CARD).version == 1
    assert roll_back(desk.folder, 0, "everything", "ben", at, CARD).version is None
    with pytest.raises(ConfigurationError, match="the card alone is in use"):
        roll_back(desk.folder, None, None, "ben", at, CARD)
    assert desk.next() == 4
    with pytest.raises(ConfigurationError, match="version 4 followed the card alone"):
        roll_back(desk.folder, None, None, "ben", at, CARD)
    assert desk.folder.problems() == []


def test_a_roll_back_to_none_leaves_the_card_alone(desk: Desk) -> None:
    assert desk.promoted().promoted
    assert roll_back(desk.folder, 0, None, "ben", DECIDED, CARD).version is None
    assert (desk.folder.active(), desk.folder.problems()) == (None, [])


@pytest.mark.parametrize(("to", "said"), [(7, "version 7 was never promoted: there are 1"), (1, "version 1 is in use already")])
def test_a_roll_back_to_what_was_never_promoted_is_refused(to: int, said: str, desk: Desk) -> None:
    assert desk.promoted().promoted
    with pytest.raises(ConfigurationError, match=said):
        roll_back(desk.folder, to, None, "ben", DECIDED, CARD)


def test_where_nothing_was_promoted_there_is_nothing_to_go_back_to(desk: Desk) -> None:
    with pytest.raises(ConfigurationError, match="nothing was ever promoted"):
        roll_back(desk.folder, None, None, "ben", DECIDED, CARD)


def test_a_roll_back_to_a_file_that_was_changed_is_refused_and_changes_nothing(desk: Desk) -> None:
    assert desk.promoted().promoted
    desk.next()
    first = desk.folder.of("north", 1)
    first.chmod(0o644)
    first.write_bytes(first.read_bytes().replace(b"slope", b"slope "))
    with pytest.raises(ConfigurationError, match=r"north-1\.yaml was changed"):
        roll_back(desk.folder, None, None, "ben", DECIDED, CARD)
    active = desk.folder.active()
    assert active is not None
    assert active.version == 2
    assert [each.what for each in desk.folder.record()] == ["registered", "promoted", "registered", "promoted"]
