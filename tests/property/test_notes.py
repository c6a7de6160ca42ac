"""Whatever stands in a commit's metadata, the next owner of the partition goes on, and what it commits is a sound note again."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from tocsin.consume.partitions.poison import OFFSET_MAX, CommitMetadata, PoisonDetector
from tocsin.kafka.types import CommittedOffset, Position, TopicPartition

LOG = TopicPartition("imaging", 0)
METADATA_BYTES_MAX = 4096
"""offset.metadata.max.bytes of Apache Kafka."""

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), FLOATS, st.text(max_size=9)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)),
    max_leaves=8,
)
OFFSETS = st.integers(0, OFFSET_MAX - 1)
SOUND = {
    "version": st.just(1),
    "owner": st.text(max_size=9),
    "reached": OFFSETS,
    "deaths": st.integers(0, 1000),
    "alone": st.one_of(st.none(), OFFSETS),
    "suspects": st.dictionaries(OFFSETS.map(str), st.integers(1, 1000), max_size=70),
}
FIELDS = st.fixed_dictionaries({}, optional={name: st.one_of(sound, VALUES) for name, sound in SOUND.items()} | {"more": VALUES})


TEXTS = st.one_of(st.text(max_size=200), FIELDS.map(json.dumps), VALUES.map(json.dumps))


@given(text=TEXTS, offset=OFFSETS, taken=st.lists(st.integers(0, 9), max_size=5))
def test_any_metadata_is_a_note_or_none_and_the_next_commit_is_sound(text: str, offset: int, taken: list[int]) -> None:
    metadata = CommitMetadata.read(text)
    assert CommitMetadata.read(metadata.text()) == metadata
    suspects = PoisonDetector("me", deaths_max=3, reach=10)
    suspects.assigned(LOG, CommittedOffset(offset, text))
    for step in taken:
        position = Position(LOG, min(OFFSET_MAX - 1, offset + step))
        suspects.seen_before(position)
        suspects.delivered(position)
        suspects.poisonous(position)
        suspects.isolate(position)
        _is_sound(suspects.metadata(LOG))
        suspects.back(position, ended=True)
    _is_sound(suspects.metadata(LOG))
    _is_sound(suspects.metadata(LOG, clean_shutdown=True))


@given(dead=st.lists(st.integers(0, 200), max_size=80))
def test_however_many_events_kill_the_process_the_note_fits_into_a_commit(dead: list[int]) -> None:
    place = CommittedOffset(0)
    for number, offset in enumerate(dead):
        suspects = PoisonDetector(f"{number:08x}", deaths_max=3, reach=512)
        suspects.assigned(LOG, place)
        position = Position(LOG, OFFSET_MAX - 300 + offset)
        suspects.delivered(position)
        suspects.isolate(position)
        place = CommittedOffset(0, suspects.metadata(LOG))
        _is_sound(place.metadata)


def _is_sound(text: str) -> None:
    assert len(text.encode()) < METADATA_BYTES_MAX
    assert CommitMetadata.read(text).text() == text
