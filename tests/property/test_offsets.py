"""Whatever the order in which journeys end, and whatever the bus delivers again, nothing undecided is ever committed past."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tocsin.consume.partitions.offsets import OffsetTracker
from tocsin.kafka.types import Position, TopicPartition

LOGS = [TopicPartition("t", number) for number in range(3)]


class Delivery(RuleBasedStateMachine):
    """Deliveries with gaps and repeats, endings in any order, commits and lost partitions, held against plain sets."""

    delivered = Bundle("delivered")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = OffsetTracker()
        self.next = dict.fromkeys(LOGS, 0)
        self.committed = dict.fromkeys(LOGS, 0)
        self.open: set[tuple[TopicPartition, int]] = set()
        self.behind_last: dict[TopicPartition, int] = {}
        """For each partition of which something was delivered since it became ours."""
        self.cut_off: Counter[TopicPartition] = Counter()
        """How many without an ending the log has lost."""

    @rule(target=delivered, log=st.sampled_from(LOGS), gap=st.integers(0, 3))
    def deliver(self, log: TopicPartition, gap: int) -> Position:
        position = Position(log, self.next[log] + gap)
        self.next[log] = position.next_offset
        new = (log, position.offset) not in self.open
        assert self.tracker.deliver(position) is new
        if new:
            self.behind_last[log] = position.next_offset
        self.open.add((log, position.offset))
        return position

    @rule(position=consumes(delivered))
    def end(self, position: Position) -> None:
        ours = (position.topic_partition, position.offset) in self.open
        assert self.tracker.holds(position) is ours
        assert self.tracker.end(position) is ours
        self.open.discard((position.topic_partition, position.offset))

    @rule()
    def commit(self) -> None:
        offsets = self.tracker.places()
        for log, offset in offsets.items():
            assert all(waiting >= offset for name, waiting in self.open if name == log)
        self.committed.update(offsets)

    @rule(log=st.sampled_from(LOGS), gap=st.integers(0, 3))
    def pass_over_what_is_no_event(self, log: TopicPartition, gap: int) -> None:
        """Markers of transactions, and what compaction took."""
        self.next[log] += gap
        self.tracker.reach(log, self.next[log])
        self.behind_last[log] = max(self.behind_last.get(log, 0), self.next[log])

    @rule(log=st.sampled_from(LOGS), share=st.floats(0, 1))
    def deliver_from_further_back(self, log: TopicPartition, share: float) -> None:
        """The bus lost its end, or a client forgot its position."""
        self.next[log] = int(self.next[log] * share)

    @rule(log=st.sampled_from(LOGS), share=st.floats(0, 1))
    def cut_off_the_end(self, log: TopicPartition, share: float) -> None:
        """A broker came back without it."""
        at = int(self.next[log] * share)
        gone = {each for each in self.open if each[0] == log and each[1] >= at}
        self.tracker.cut_off(log, at)
        self.open -= gone
        self.cut_off[log] += len(gone)
        self.next[log] = at
        if log in self.behind_last:
            self.behind_last[log] = min(self.behind_last[log], at)

    @rule(log=st.sampled_from(LOGS))
    def end_what_was_cut_off(self, log: TopicPartition) -> None:
        self.tracker.end_cut_off(log)
        self.cut_off[log] -= self.cut_off[log] > 0

    @rule(log=st.sampled_from(LOGS))
    def lose_and_regain(self, log: TopicPartition) -> None:
        """The partition goes to another member; it may come back, and then begins at the commit."""
        self.tracker.keep(name for name in LOGS if name != log)
        self.open = {(name, offset) for name, offset in self.open if name != log}
        self.behind_last.pop(log, None)
        del self.cut_off[log]
        self.next[log] = self.committed[log]

    @invariant()
    def counts_agree(self) -> None:
        assert self.tracker.undecided == len(self.open) + self.cut_off.total()

    @invariant()
    def everything_decided_can_be_committed(self) -> None:
        assert self.tracker.places() == {
            log: min((number for name, number in self.open if name == log), default=behind) for log, behind in self.behind_last.items()
        }


TestDelivery = Delivery.TestCase
