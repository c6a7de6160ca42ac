"""What `tocsin trace` needs of a back end of traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tocsin.traces.types import Span


class NoAnswer(Exception):
    """The back end gave no answer that can be used; the text says why, in Tocsin's own words."""

    def __init__(self, why: str, status: int | None = None) -> None:
        """`status` is that of HTTP, where it is why."""
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Tagged:
    """A question: the traces of one service in which a span has this attribute."""

    service: str
    attribute: str
    value: str
    since: datetime
    """Aware, as `until`: when the traces began."""
    until: datetime


class TraceStore(Protocol):
    """A back end of traces. Safe for threads; each question is answered or given up within the store's deadline."""

    def trace(self, trace_id: str) -> Sequence[Span]:
        """Every span that is kept of the trace; none where the trace is not kept. Raises NoAnswer."""

    def services(self) -> Sequence[str]:
        """Names under which spans are kept. Raises NoAnswer, also where what answers speaks another API than this one."""

    def tagged(self, question: Tagged, traces_max: int) -> Sequence[Span]:
        """The spans of at most `traces_max` traces that match, whole traces each. Raises NoAnswer."""
