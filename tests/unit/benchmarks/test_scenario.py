"""An event's CPU is divided by events, a call brings what discovery asks for, and a wait for a part that says nothing has an end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from tocsin.packaged import TOPICS, packaged
from tocsin.sandbox.process import Child
from tocsin.serve.cds.records import PREFETCH
from tocsin.settings import KafkaSettings

from tests.benchmarks import bus as bus_module
from tests.benchmarks import hooks, hooks_record, scenario
from tests.benchmarks.account import Account
from tests.benchmarks.bus import Bus
from tests.benchmarks.contenders import Contender
from tests.benchmarks.scenario import Load, run
from tests.benchmarks.stage import Stage


class Flagging:
    """A bus on which 2 events are flagged before the first reading, and 3 after it: one of these, and one of the first, twice."""

    name = "lane"

    def __init__(self) -> None:
        self._counts = iter([0, 2, 7])

    def publish(self, ids: Sequence[str], rate: float | None = None) -> None:
        """Both are on the bus."""

    def flags_count(self) -> int:
        return next(self._counts)

    def unflagged(self, ids: Sequence[str]) -> set[str]:
        return set()


@contextmanager
def nobody(_folder: Path) -> Iterator[Sequence[Child]]:
    yield []


def test_an_event_that_was_told_twice_is_one_event(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now_ms = int(time.time() * 1000)
    flagged = {"a": now_ms - 900, "b": now_ms - 800} | dict.fromkeys("cde", now_ms + 60_000)
    ended = Account(published=dict.fromkeys(flagged, now_ms - 1000), flagged=flagged, repeated=2)
    monkeypatch.setattr(scenario, "account", lambda *_args: ended)
    stage = cast(Stage, SimpleNamespace(forget=lambda: None, folder=tmp_path, neighbours={}))
    found = run(stage, Contender("a peer", cast(Bus, Flagging()), "at least once", nobody), "run", Load("saturated", 3, None, 2))
    assert (found.events, found.repeated) == (3, 2)


def test_a_call_that_brings_the_record_along_brings_all_that_is_asked_for() -> None:
    brought = hooks.as_discovered(1)
    assert brought.keys() == PREFETCH.keys()
    told = {key: [each["resource"] for each in bundle["entry"]] for key, bundle in brought.items()}
    assert {each["resourceType"] for each in told["pictures"]} == {"Media"}
    assert {each["subject"]["reference"] for held in told.values() for each in held} == {"Patient/p1"}


class Silent:
    """A consumer of a topic that has a record which never comes."""

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return {0}

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 1)

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Has them."""

    def seek_to_beginning(self) -> None:
        """Is there."""

    def poll(self, timeout_ms: int) -> dict[TopicPartition, Any]:
        return {}


def test_a_record_that_never_comes_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "KafkaConsumer", lambda **_options: Silent())
    monkeypatch.setattr(bus_module, "KafkaProducer", lambda **_options: None)
    monkeypatch.setattr(bus_module, "create_topics", lambda *_args: None)
    monkeypatch.setattr(bus_module, "STALLED_AFTER_S", 0.0)
    silent = Bus(KafkaSettings(), packaged(TOPICS))
    with pytest.raises(KafkaTimeoutError, match="1 records of tocsin"):
        silent.flags()


def exits(_told: object) -> None:
    """A stub that ends before it has told its address."""


def sleeps(_told: object) -> None:
    """A stub that never tells its address."""
    time.sleep(60)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("serve", "error"), [(exits, EOFError), (sleeps, TimeoutError)])
def test_a_stub_that_does_not_tell_its_address_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, serve: Any, error: type[Exception]
) -> None:
    monkeypatch.setattr(hooks_record, "_serve", serve)
    monkeypatch.setattr(hooks_record, "READY_WITHIN_S", 60.0 if serve is exits else 0.2)
    with pytest.raises(error), hooks_record.stub():
        pass
