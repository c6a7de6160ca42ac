"""An event that kills the process gets a name, whoever owns its partition next; what only happened to be there does not."""

from __future__ import annotations

from itertools import count

import pytest
from tocsin.consume.partitions.poison import CommitMetadata, PoisonDetector
from tocsin.kafka.types import CommittedOffset, Position, TopicPartition

LOG = TopicPartition("imaging", 0)
BROKER_BYTES_MAX = 4096
"""offset.metadata.max.bytes of Apache Kafka."""


def at(offset: int) -> Position:
    return Position(LOG, offset)


NAMES = map(str, count())


def owner(place: CommittedOffset | None, *, name: str | None = None, deaths_max: int = 3, reach: int = 10) -> PoisonDetector:
    """A process of its own, unless it has the name of another."""
    suspects = PoisonDetector(name or next(NAMES), deaths_max=deaths_max, reach=reach)
    suspects.assigned(LOG, place)
    return suspects


def died(place: CommittedOffset | None, *delivered: int, alone: int | None = None) -> CommittedOffset:
    """What the group's commit says after an owner took these events up, and was killed; the offset is the first of them."""
    suspects = owner(place)
    for offset in delivered:
        suspects.delivered(at(offset))
    if alone is not None:
        suspects.isolate(at(alone))
    return CommittedOffset(delivered[0], suspects.metadata(LOG))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("moved by hand on Tuesday", id="an-operators-words"),
        pytest.param("[]", id="no-object"),
        pytest.param("null", id="null"),
        pytest.param('{"reached":"7","owner":"x"}', id="an-offset-as-text"),
        pytest.param('{"reached":-1}', id="below-zero"),
        pytest.param('{"reached":1e99}', id="beyond-every-offset"),
        pytest.param('{"reached":9223372036854775808}', id="beyond-64-bits"),
        pytest.param('{"deaths":true}', id="a-truth-for-a-number"),
        pytest.param('{"suspects":{"x":1}}', id="a-suspect-that-is-no-offset"),
        pytest.param('{"suspects":{"1":null}}', id="no-count"),
        pytest.param('{"version":2,"owner":"x"}', id="another-version"),
        pytest.param('{"owner":' + "[" * 3000 + "]" * 3000 + "}", id="deep"),
    ],
)
def test_a_commits_metadata_that_is_no_note_of_ours_stops_nothing(text: str) -> None:
    suspects = owner(CommittedOffset(5, text))
    suspects.delivered(at(5))
    assert not suspects.isolating
    assert CommitMetadata.read(text) == CommitMetadata()


def test_a_note_of_a_newer_tocsin_keeps_what_this_one_knows_of_it() -> None:
    """A new version that was rolled back must not make counted deaths forgotten."""
    newer = CommitMetadata.read('{"owner":"x","reached":9,"deaths":2,"suspects":{"5":1},"since":"2027-01-01","more":{"a":[1]}}')
    assert newer == CommitMetadata(owner="x", reached=9, deaths=2, suspects={"5": 1})
    assert owner(CommittedOffset(5, '{"owner":"x","reached":9,"deaths":2,"since":1}')).isolating


def test_a_note_of_an_older_tocsin_is_read() -> None:
    assert CommitMetadata.read('{"owner":"x","reached":7,"alone":5}') == CommitMetadata(owner="x", reached=7, alone=5)


def test_a_new_group_and_an_owner_that_said_goodbye_leave_no_suspicion() -> None:
    suspects = owner(None)
    suspects.delivered(at(0))
    assert not suspects.isolating
    assert not owner(CommittedOffset(0, suspects.metadata(LOG, clean_shutdown=True))).isolating


def test_one_death_may_be_a_power_cut_and_two_without_progress_call_for_care() -> None:
    once = died(None, 5, 6)
    assert not owner(once).isolating
    assert owner(died(once, 5, 6)).isolating


def test_deaths_with_progress_between_them_are_no_reason_for_care() -> None:
    second = owner(died(None, 5, 6))
    second.delivered(at(5))
    second.moved(LOG)
    second.delivered(at(6))
    assert not owner(CommittedOffset(6, second.metadata(LOG))).isolating


def test_a_death_with_nothing_undecided_is_no_reason_for_care() -> None:
    idle = died(None, 5)
    for _ in range(5):
        idle = CommittedOffset(6, owner(idle).metadata(LOG))
    assert not owner(idle).isolating


@pytest.mark.parametrize("offset", [0, 5])
def test_an_event_that_the_process_died_over_alone_three_times_is_poison_and_no_other_is(offset: int) -> None:
    place = died(died(None, offset, offset + 1), offset, offset + 1)
    for deaths in range(3):
        assert owner(place).poisonous(at(offset)) is None, deaths
        place = died(place, offset, alone=offset)
    suspects = owner(place)
    assert suspects.poisonous(at(offset)) == 3
    assert suspects.poisonous(at(offset + 1)) is None


def test_deaths_are_remembered_though_an_earlier_event_of_the_partition_has_to_run_alone_before() -> None:
    place = died(died(None, 5, 6, 7), 5, 6, 7)
    for _ in range(3):
        suspects = owner(place)
        suspects.delivered(at(5))
        suspects.isolate(at(5))
        suspects.back(at(5), ended=False)
        suspects.delivered(at(6))
        suspects.isolate(at(6))
        place = CommittedOffset(5, suspects.metadata(LOG))
    assert owner(place).poisonous(at(6)) == 3
    assert owner(place).poisonous(at(5)) is None


def test_care_is_over_once_the_poison_has_its_dead_letter() -> None:
    place = died(died(None, 5), 5)
    for _ in range(3):
        place = died(place, 5, alone=5)
    suspects = owner(place)
    suspects.back(at(5), ended=False)  # the dead letter was not taken yet
    assert suspects.isolating
    suspects.back(at(5), ended=True)
    assert not suspects.isolating
    assert not owner(CommittedOffset(6, suspects.metadata(LOG))).isolating


def test_what_comes_where_a_log_was_cut_off_has_killed_nobody_and_what_stands_before_it_is_still_under_suspicion() -> None:
    place = died(died(None, 5, 6), 5, 6)
    for alone in (5, 6) * 3:
        place = CommittedOffset(5, died(place, 5, alone=alone).metadata)
    suspects = owner(place)
    suspects.delivered(at(8))
    suspects.cut_off(LOG, 6)
    assert (suspects.poisonous(at(5)), suspects.poisonous(at(6))) == (3, None)
    assert CommitMetadata.read(suspects.metadata(LOG)).reached == 6


def test_care_is_over_once_every_event_that_may_have_been_under_way_is_past() -> None:
    suspects = owner(died(died(None, 5, 6), 5, 6), reach=10)
    for offset in range(5, 17):
        suspects.delivered(at(offset))
        assert suspects.isolating
    suspects.delivered(at(17))
    assert not suspects.isolating


def test_care_is_over_when_all_that_an_owner_before_can_have_taken_up_has_ended() -> None:
    suspects = owner(died(died(None, 5, 6), 5, 6))
    suspects.bound_isolation(LOG, end=7, ended=None)
    for offset in (5, 6):
        suspects.delivered(at(offset))
        suspects.bound_isolation(LOG, end=7, ended=offset)
        assert suspects.isolating
    suspects.bound_isolation(LOG, end=9, ended=7)
    assert not suspects.isolating, "what came since was never theirs"


def test_care_is_over_at_once_where_the_partition_has_nothing_more() -> None:
    suspects = owner(CommittedOffset(9, died(died(None, 5), 5, alone=5).metadata.replace('"reached":6', '"reached":99')))
    assert suspects.isolating
    suspects.bound_isolation(LOG, end=9, ended=None)
    assert not suspects.isolating


def test_partitions_under_suspicion_are_known_until_what_is_suspected_is_off_the_bus() -> None:
    suspects = owner(died(died(None, 5, 6), 5, 6))
    suspects.bound_isolation(LOG, end=7, ended=None)
    suspects.delivered(at(5))
    assert suspects.unread == {LOG}
    suspects.delivered(at(6))
    assert suspects.unread == frozenset()
    assert suspects.isolating, "it has not ended yet"


def test_a_process_that_lost_its_partitions_and_has_them_again_has_not_died() -> None:
    place = died(None, 5, 6)
    for _ in range(9):
        suspects = owner(place, name="cut off")
        suspects.delivered(at(5))
        suspects.isolate(at(5))
        place = CommittedOffset(5, suspects.metadata(LOG))
    assert not owner(place, name="cut off").isolating


def test_care_goes_with_the_partition() -> None:
    suspects = owner(died(died(None, 5), 5))
    suspects.keep([])
    assert not suspects.isolating


def test_a_goodbye_in_the_middle_of_care_hands_the_suspicion_over_without_another_death() -> None:
    place = died(died(died(None, 5), 5), 5, alone=5)
    suspects = owner(place)
    suspects.delivered(at(5))
    suspects.isolate(at(5))
    handed = CommittedOffset(5, suspects.metadata(LOG, clean_shutdown=True))
    assert owner(handed).isolating
    assert CommitMetadata.read(handed.metadata).suspects == {"5": 1}


@pytest.mark.parametrize(
    ("clean_shutdown", "seen_until"), [(True, 7), (False, 17)], ids=["as far as its last word", "and as far as it can have come since"]
)
def test_what_an_earlier_owner_may_have_ended_is_known(clean_shutdown: bool, seen_until: int) -> None:
    suspects = owner(None)
    for offset in (5, 6):
        suspects.delivered(at(offset))
    successor = owner(CommittedOffset(5, suspects.metadata(LOG, clean_shutdown=clean_shutdown)))
    assert successor.seen_before(at(seen_until - 1))
    assert not successor.seen_before(at(seen_until))


@pytest.mark.parametrize("text", ["", "x", "[]", '{"who":1}', "null"])
def test_a_commit_that_others_wrote_says_nothing(text: str) -> None:
    assert CommitMetadata.read(text) == CommitMetadata()


def test_a_note_fits_into_a_commit_and_comes_back_as_it_was() -> None:
    metadata = CommitMetadata(
        owner="deadbeef", reached=2**62, deaths=999, alone=2**62, suspects={str(2**62 + number): 3 for number in range(64)}
    )
    assert len(metadata.text()) < BROKER_BYTES_MAX
    assert CommitMetadata.read(metadata.text()) == metadata
