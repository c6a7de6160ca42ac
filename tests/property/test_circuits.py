"""No neighbour that is well is ever left alone, and none that is away for ever; pauses are bounded whatever is asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tocsin.consume.flow.circuit_breaker import IN_A_ROW_S, CircuitBreakers
from tocsin.consume.flow.retry import RetryPolicy
from tocsin.kafka.types import Position, TopicPartition

FAILURES_MAX = 3
POLICY = RetryPolicy(attempts_max=3, give_up_after_s=60.0, initial_s=0.5, max_s=30.0)
NEIGHBOURS = ("fhir", "triton", "kafka", "https://pacs.example.org")
PAUSE_MAX_S = POLICY.max_s
JITTER = st.floats(0, 1, exclude_max=True)


class Breakers(RuleBasedStateMachine):
    """What the consumer may do to its circuit breakers, in any order, beside what they ought to know."""

    def __init__(self) -> None:
        super().__init__()
        self.circuits = CircuitBreakers(FAILURES_MAX, POLICY)
        self.now = 0.0
        self.in_a_row = dict.fromkeys(NEIGHBOURS, 0)
        self.failed_at = dict.fromkeys(NEIGHBOURS, float("-inf"))
        self.wished: set[str] = set()
        self.under_way: list[Position] = []
        self.begun = 0

    def _position(self) -> Position:
        self.begun += 1
        return Position(TopicPartition("t", 0), self.begun)

    @rule(seconds=st.floats(0, 90))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(neighbour=st.sampled_from(NEIGHBOURS), wish=st.one_of(st.none(), st.floats(0, 1e6)), jitter=JITTER)
    def an_event_fails(self, neighbour: str, wish: float | None, jitter: float) -> None:
        self._fail(neighbour, self._position(), wish, jitter)

    @precondition(lambda self: self.under_way)
    @rule(neighbour=st.sampled_from(NEIGHBOURS), wish=st.one_of(st.none(), st.floats(0, 1e6)), jitter=JITTER)
    def a_probe_fails(self, neighbour: str, wish: float | None, jitter: float) -> None:
        position = self.under_way.pop()
        self._fail(neighbour, position, wish, jitter)
        self.circuits.release_probe(position)

    @precondition(lambda self: self.under_way)
    @rule()
    def a_probe_is_contended_or_taken_back(self) -> None:
        self.circuits.release_probe(self.under_way.pop())

    @rule(neighbour=st.sampled_from(NEIGHBOURS))
    def an_event_is_served(self, neighbour: str) -> None:
        self.circuits.succeeded(neighbour)
        self.in_a_row[neighbour] = 0
        self.wished.discard(neighbour)
        assert neighbour not in self.circuits.open

    @rule(needs=st.sets(st.sampled_from(NEIGHBOURS), min_size=1))
    def a_probe_begins_if_it_may(self, needs: set[str]) -> None:
        if self.circuits.blocks(needs) and self.circuits.may_probe(needs, self.now):
            position = self._position()
            self.circuits.probe(needs, position)
            self.under_way.append(position)
            assert not self.circuits.may_probe(needs, self.now + 1e9), "a second probe"

    def _fail(self, neighbour: str, position: Position, wish: float | None, jitter: float) -> None:
        self.circuits.failed(neighbour, position, self.now, wish, jitter)
        self.in_a_row[neighbour] = 1 if self.now - self.failed_at[neighbour] > IN_A_ROW_S else self.in_a_row[neighbour] + 1
        self.failed_at[neighbour] = self.now
        if wish is not None or self.in_a_row[neighbour] >= FAILURES_MAX:
            self.wished.add(neighbour)

    @invariant()
    def only_who_failed_often_enough_or_asked_for_it_is_left_alone(self) -> None:
        assert self.circuits.open <= self.wished

    @invariant()
    def everybody_is_probed_again_within_the_longest_pause(self) -> None:
        for neighbour in self.circuits.open:
            if not self.under_way:
                assert self.circuits.may_probe((neighbour,), self.now + PAUSE_MAX_S)


TestBreakers = Breakers.TestCase


@given(attempt=st.integers(1, 10**9), wish=st.one_of(st.none(), st.floats(0, 1e12)), jitter=JITTER)
def test_no_pause_is_longer_than_the_longest_nor_shorter_than_was_asked_for(attempt: int, wish: float | None, jitter: float) -> None:
    delay_s = POLICY.delay_s(attempt, wish, jitter)
    assert 0 <= delay_s <= POLICY.max_s
    assert delay_s >= min(POLICY.max_s, wish or 0)
    assert POLICY.initial_s / 2 <= POLICY.apart_s(attempt, jitter) <= POLICY.max_s


@given(counted=st.integers(0, 10**6), since_s=st.floats(0, 1e9))
def test_an_event_is_given_up_only_after_both_its_failures_and_its_time(counted: int, since_s: float) -> None:
    assert POLICY.exhausted(counted, since_s) == (counted >= POLICY.attempts_max and since_s >= POLICY.give_up_after_s)
