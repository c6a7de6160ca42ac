"""Which event kills the process: what each commit says of its partition besides the offset, and what the next owner makes of it.

A process that ends in good order says goodbye in its last commit. One that finds no goodbye knows that its predecessor died. After
two deaths without progress it runs the partition's next events alone, each named in a commit before it begins, so that a third death
has a name; an event that was named often enough is poison. The notes travel with the partition, and need nothing but Kafka.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.kafka.types import Place, Position, TopicPartition

OFFSET_MAX: Final = 2**63 - 1
"""Kafka's offsets have 64 bits, with a sign."""
COUNT_MAX: Final = 1_000
"""More deaths than anybody waits for."""
SUSPECTS_MAX: Final = 64
"""Events under suspicion at a time, in one partition; there is one a death."""

Offset = Annotated[int, Field(ge=0, le=OFFSET_MAX)]
OffsetText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})$")]

DEATHS_BEFORE_CARE: Final = 2
"""Deaths without progress, one of which may be a power cut or an operator's."""


class Note(BaseModel):
    """What stands in a commit's metadata. Whoever may commit for the group may write it, so that nothing of it is believed unlooked."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    version: Literal[1] = 1
    """A later Tocsin that means something else by these fields says another version; fields that it adds are passed over."""
    owner: Annotated[str, Field(max_length=64)] = ""
    """The process that has the partition and has not said goodbye."""
    reached: Offset = 0
    """The offset behind the furthest event that was taken up."""
    deaths: Annotated[int, Field(ge=0, le=COUNT_MAX)] = 0
    """Owners that died with something undecided since the offset last moved."""
    alone: Offset | None = None
    """The event that is being run alone."""
    suspects: Annotated[Mapping[OffsetText, Annotated[int, Field(ge=1, le=COUNT_MAX)]], Field(max_length=SUSPECTS_MAX)] = {}
    """Offset of an event -> how often the process died while that event ran alone."""

    def text(self) -> str:
        """As it is committed: JSON, well below the 4096 bytes that a broker takes (offset.metadata.max.bytes)."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, text: str) -> Note:
        """The note; an empty one where the text is none, as after `kafka-consumer-groups --reset-offsets`, or is not one of ours."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()

    def after_death(self, offset: int) -> Note:
        """What the next owner knows, if the group's commit is `offset` and this note says no goodbye."""
        if self.reached <= offset:
            return self.but(deaths=0, alone=None)
        suspects = dict(self.suspects)
        if self.alone is not None:
            suspects[str(self.alone)] = min(COUNT_MAX, suspects.get(str(self.alone), 0) + 1)
        return self.but(deaths=min(COUNT_MAX, self.deaths + 1), alone=None, suspects=_few(suspects))

    def but(self, **changes: object) -> Note:
        """The same note with these changes, which are ours and need no look."""
        return self.model_copy(update=changes)


def _few(suspects: dict[str, int]) -> dict[str, int]:
    """Those that killed most often, the earlier ones first: a commit's metadata is bounded."""
    ranked = sorted(suspects.items(), key=lambda each: (-each[1], int(each[0])))
    return dict(ranked[:SUSPECTS_MAX])


@dataclass(frozen=True, slots=True)
class _Care:
    """A partition whose next events run alone."""

    read: int
    """The offset behind what was taken up of it since."""
    until: int
    """No owner before this one can have taken up an event from here on."""


class Suspects:
    """The notes of the partitions that are ours."""

    def __init__(self, owner: str, *, deaths_max: int, reach: int) -> None:
        """`owner` names this process and no other. After `deaths_max` deaths with an event alone it is poison.

        A process may be up to `reach` events ahead of its last commit.
        """
        self._owner = owner
        self._deaths_max = deaths_max
        self._reach = reach
        self._notes: dict[TopicPartition, Note] = {}
        self._reached: dict[TopicPartition, int] = {}
        """Note.reached as it is by now: a note is made for a commit, not for each event."""
        self._care: dict[TopicPartition, _Care] = {}
        self._seen_until: dict[TopicPartition, int] = {}

    @property
    def careful(self) -> bool:
        """Whether events are to run alone."""
        return bool(self._care)

    @property
    def unread(self) -> frozenset[TopicPartition]:
        """The partitions that care is for, while something under suspicion is still on the bus."""
        return frozenset(log for log, care in self._care.items() if care.read < care.until)

    def assigned(self, log: TopicPartition, place: Place | None) -> None:
        """The partition is ours from now on; `place` is the group's last commit."""
        note = Note() if place is None else Note.read(place.note)
        self._seen_until[log] = note.reached + (self._reach if note.owner else 0)
        if place is not None and note.owner not in ("", self._owner):
            note = note.after_death(place.offset)
        self._notes[log] = note.but(owner=self._owner, alone=None)
        self._reached[log] = note.reached
        if place is not None and (note.deaths >= DEATHS_BEFORE_CARE or note.suspects):
            self._care[log] = _Care(place.offset, note.reached + self._reach)

    def keep(self, logs: Collection[TopicPartition]) -> None:
        """Only these are still ours."""
        self._notes = {log: note for log, note in self._notes.items() if log in logs}
        self._reached = {log: reached for log, reached in self._reached.items() if log in logs}
        self._care = {log: care for log, care in self._care.items() if log in logs}
        self._seen_until = {log: until for log, until in self._seen_until.items() if log in logs}

    def seen_before(self, position: Position) -> bool:
        """Whether an earlier owner may have taken it up, or even to its ending."""
        return position.offset < self._seen_until.get(position.log, 0)

    def delivered(self, position: Position) -> None:
        """An event was taken off the bus."""
        note = self._note(position.log)
        self._notes[position.log] = note
        self._reached[position.log] = max(self._reached.get(position.log, note.reached), position.next_offset)
        if (care := self._care.pop(position.log, None)) is not None and position.offset < care.until:
            self._care[position.log] = replace(care, read=position.next_offset)

    def looked(self, log: TopicPartition, *, end: int, ended: int | None) -> None:
        """The partition ends here for now, so that no owner took up more; what is before `ended` has ended (None: nothing was begun)."""
        if (care := self._care.pop(log, None)) is not None:
            until = min(care.until, end)
            if (care.read if ended is None else ended) < until:
                self._care[log] = replace(care, until=until)

    def poisonous(self, position: Position) -> int | None:
        """How often the process died with this event alone, if that is enough; else None."""
        deaths = self._note(position.log).suspects.get(str(position.offset), 0)
        return deaths if deaths >= self._deaths_max else None

    def begin_alone(self, position: Position) -> None:
        """The next commit names it; it may begin once that is taken."""
        self._notes[position.log] = self._note(position.log).but(alone=position.offset)

    def back(self, position: Position, *, ended: bool) -> None:
        """The event is off its thread, and the process lives. Where the poison is found and has ended, care is over."""
        note = self._note(position.log)
        if note.alone is None and not note.suspects:
            return
        if ended and self.poisonous(position) is not None:
            self._care.clear()
        suspects = {offset: deaths for offset, deaths in note.suspects.items() if not (ended and offset == str(position.offset))}
        if position.log in self._notes:
            self._notes[position.log] = note.but(alone=None, suspects=suspects)

    def moved(self, log: TopicPartition) -> None:
        """The partition's committed offset went forward."""
        if log in self._notes:
            self._notes[log] = self._notes[log].but(deaths=0)

    def note(self, log: TopicPartition, *, goodbye: bool = False) -> str:
        """What the next commit of this partition says."""
        note = self._note(log)
        reached = self._reached.get(log, note.reached)
        return (note.but(reached=reached, owner="", alone=None) if goodbye else note.but(reached=reached)).text()

    def _note(self, log: TopicPartition) -> Note:
        return self._notes.get(log) or Note(owner=self._owner)
