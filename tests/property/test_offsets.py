"""Whatever the order in which journeys end, nothing undecided is ever committed past."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tocsin.event.model import Position, TopicPartition
from tocsin.event.offsets import OffsetTracker

LOGS = [TopicPartition("t", number) for number in range(3)]


class Delivery(RuleBasedStateMachine):
    """Deliveries with gaps, endings in any order, commits and revocations, held against a plain set."""

    undecided = Bundle("undecided")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker()
        self.next = dict.fromkeys(LOGS, 0)
        self.open: set[tuple[TopicPartition, int]] = set()
        self.highest_commit = dict.fromkeys(LOGS, 0)

    @rule(target=undecided, log=st.sampled_from(LOGS), gap=st.integers(0, 3))
    def deliver(self, log: TopicPartition, gap: int) -> Position:
        position = Position(log, self.next[log] + gap)
        self.next[log] = position.next_offset
        assert self.tracker.deliver(position)
        self.open.add((log, position.offset))
        return position

    @rule(position=consumes(undecided))
    def end(self, position: Position) -> None:
        ours = (position.log, position.offset) in self.open
        assert self.tracker.end(position) is ours
        self.open.discard((position.log, position.offset))

    @rule()
    def commit(self) -> None:
        offsets = self.tracker.committable()
        for log, offset in offsets.items():
            assert all(waiting >= offset for name, waiting in self.open if name == log)
            assert offset > self.highest_commit[log] or self.highest_commit[log] == 0
            self.highest_commit[log] = offset
        self.tracker.committed(offsets)
        assert self.tracker.committable() == {}

    @rule(position=undecided)
    def deliver_again(self, position: Position) -> None:
        """A position that is known is not taken in a second time; one of a partition that was lost meanwhile is new."""
        known = self.tracker.holds(position)
        if known:
            assert not self.tracker.deliver(position)

    @rule(log=st.sampled_from(LOGS))
    def revoke(self, log: TopicPartition) -> None:
        self.tracker.keep(name for name in LOGS if name != log)
        self.open = {(name, offset) for name, offset in self.open if name != log}

    @invariant()
    def counts_agree(self) -> None:
        assert self.tracker.undecided == len(self.open)

    @invariant()
    def everything_decided_can_be_committed(self) -> None:
        committable = self.tracker.committable()
        for log, offset in committable.items():
            waiting = [number for name, number in self.open if name == log]
            assert offset == min(waiting, default=self.next[log])


TestDelivery = Delivery.TestCase
