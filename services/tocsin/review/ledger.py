"""Every verdict as the bus tells it: the act, and what became of it last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, RootModel

from tocsin.kafka.ports import TopicReader
from tocsin.kafka.records import LeaveOut, read, warn
from tocsin.review.outcomes import Outcome
from tocsin.review.rules import Bar
from tocsin.review.types import Standing, State, Verdict


class Said(RootModel[Annotated[Verdict | Standing | Outcome, Field(discriminator="kind")]]):
    """One record of the topic of verdicts."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """One verdict."""

    verdict: Verdict
    standing: Standing | None = None
    """What became of it last; None where nobody said so yet."""

    @property
    def state(self) -> State:
        """WAITING where nobody said so yet."""
        return State.WAITING if self.standing is None else self.standing.state

    @property
    def is_open(self) -> bool:
        """Whether it is to be tried again: it waits, or the FHIR server found fault with it."""
        refused = self.standing is not None and self.standing.reason == Bar.FHIR_REJECTED
        return self.state is State.WAITING or (self.state is State.REFUSED and refused)


def said(
    reader: TopicReader, topic: str, since: datetime | None = None, unreadable: LeaveOut = warn
) -> Iterator[Verdict | Standing | Outcome]:
    """Everything that the topic says, those of one report in order; `since` is aware. Raises as TopicReader.read does."""
    return (each.root for _, each in read(reader, topic, Said, since, leave_out=unreadable))


def entries(reader: TopicReader, topic: str, since: datetime | None = None, unreadable: LeaveOut = warn) -> list[Entry]:
    """Every verdict that the topic tells since then (aware), each once; those of one report in the order in which they were taken.

    A standing whose verdict is older than `since` is left out. Raises as TopicReader.read does.
    """
    found: dict[str, Entry] = {}
    for each in said(reader, topic, since, unreadable):
        if isinstance(each, Verdict):
            found.setdefault(each.id, Entry(each))
        elif isinstance(each, Standing) and each.verdict in found:
            found[each.verdict] = replace(found[each.verdict], standing=each)
    return list(found.values())
