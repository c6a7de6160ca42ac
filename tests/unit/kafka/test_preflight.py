"""Who needs which right on the bus."""

from __future__ import annotations

from typing import get_args

import pytest
from tocsin.kafka.preflight import NEEDED, NEEDED_ON_GROUP, Role, rights_of


@pytest.mark.parametrize("needed", [*NEEDED.values(), NEEDED_ON_GROUP])
def test_one_user_who_does_everything_needs_every_right(needed: dict[str, str]) -> None:
    assert rights_of(None, needed) == needed
    assert set(needed) == {right for role in get_args(Role) for right in rights_of(role, needed)}


def test_a_process_that_judges_reads_no_flag_and_writes_no_event() -> None:
    assert rights_of("consume", NEEDED["topic_flags"]).keys() == {"WRITE"}
    assert rights_of("consume", NEEDED["topic_imaging"]).keys() == {"READ"}
    assert rights_of("consume", NEEDED["topic_replays"]) == {}


def test_whoever_types_commands_writes_no_flag_and_no_dead_letter() -> None:
    assert rights_of("operator", NEEDED["topic_flags"]).keys() == {"READ"}
    assert rights_of("operator", NEEDED["topic_dead_letters"]).keys() == {"READ"}
    assert rights_of("operator", NEEDED_ON_GROUP).keys() == {"DESCRIBE"}
