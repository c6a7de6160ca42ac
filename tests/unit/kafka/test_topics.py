"""How a difference between a topic and its description is told, and how it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tocsin.kafka.topic_drift import Drift, Found, Surplus, drifts, surpluses, tool_options
from tocsin.kafka.topics import Topic
from tocsin.settings import KafkaSettings

from tests.support.topics import CONFIG, DAY_MS, topic


def found(config: Mapping[str, str | None] | None = None, partitions: int = 12, replicas: tuple[int, int] = (3, 3)) -> Found:
    """As described, but for what is told."""
    effective = {"unclean.leader.election.enable": "false", **{name: str(value) for name, value in CONFIG.items()}}
    return Found(partitions, replicas, effective | dict(config or {}))


def differing(wanted: Topic, has: Found) -> list[tuple[str, str, str]]:
    return [(each.property, each.wanted, each.found) for each in drifts(wanted, has, "--bootstrap-server b:9092")]


def only(wanted: Topic, has: Found) -> Drift:
    (drift,) = drifts(wanted, has, "--bootstrap-server b:9092")
    return drift


@pytest.mark.parametrize(("count", "in_sync"), [(1, 1), (2, 2), (5, 2)])
def test_on_fewer_brokers_fewer_copies_have_to_be_in_sync(count: int, in_sync: int) -> None:
    kept = topic().with_replicas(count)
    assert (kept.replication_factor, kept.config["min.insync.replicas"]) == (count, in_sync)


def test_a_topic_that_is_as_described_differs_in_nothing() -> None:
    assert differing(topic(), found()) == []


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({"min.cleanable.dirty.ratio": 0.5}, "0.50"),
        ({"min.cleanable.dirty.ratio": "0.5"}, "0.5"),
        ({"retention.bytes": -1}, "-1"),
        ({"flush.ms": 9223372036854775807}, "9223372036854775807"),
        ({"cleanup.policy": "compact,delete"}, "delete, compact"),
        ({"preallocate": True}, "true"),
    ],
)
def test_the_same_value_written_otherwise_is_no_difference(wanted: dict[str, Any], has: str) -> None:
    (name,) = wanted
    assert differing(topic(config=CONFIG | wanted), found({name: has})) == []


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ({"flush.ms": 9223372036854775807}, "9223372036854775806"),
        ({"cleanup.policy": "compact,delete"}, "compact"),
        ({"preallocate": True}, "false"),
        ({"message.timestamp.type": "LogAppendTime"}, "CreateTime"),
    ],
)
def test_another_value_is_a_difference(wanted: dict[str, Any], has: str) -> None:
    (name,) = wanted
    assert [each[0] for each in differing(topic(config=CONFIG | wanted), found({name: has}))] == [name]


def test_every_property_that_differs_is_told_with_what_was_found() -> None:
    config = {"min.insync.replicas": "1", "retention.ms": "1000", "max.message.bytes": "10", "cleanup.policy": "compact"}
    assert differing(topic(), found(config, 6, (1, 2))) == [
        ("partitions", "12", "6"),
        ("replication factor", "3", "1 to 2"),
        ("cleanup.policy", "delete", "compact"),
        ("retention.ms", "604800000", "1000"),
        ("min.insync.replicas", "2", "1"),
        ("max.message.bytes", "1048576", "10"),
    ]


def test_an_unclean_election_is_a_difference_that_no_file_need_speak_of() -> None:
    drift = only(topic(), found({"unclean.leader.election.enable": "true"}))
    assert (drift.property, drift.wanted, drift.found) == ("unclean.leader.election.enable", "false", "true")
    assert "acknowledged" in drift.note


def test_brokers_that_do_not_tell_of_unclean_elections_are_not_blamed() -> None:
    assert differing(topic(), found({"unclean.leader.election.enable": None})) == []
    assert differing(topic(), Found(12, (3, 3), {name: str(value) for name, value in CONFIG.items()})) == []


def test_a_configuration_that_the_broker_does_not_know_is_told() -> None:
    drift = only(topic(config=CONFIG | {"compression.zstd.level": 5}), found())
    assert (drift.found, "take it out" in drift.fix) == ("unknown to this broker", True)


def more(wanted: Topic, has: Found) -> Surplus:
    """The one surplus, which is no difference to be mended."""
    assert differing(wanted, has) == []
    (surplus,) = surpluses(wanted, has)
    return surplus


def test_more_partitions_are_told_with_what_they_cost_the_keys_order_and_are_no_fault() -> None:
    surplus = more(topic(), found(partitions=24))
    assert (surplus.property, surplus.wanted, surplus.found) == ("partitions", "12", "24")
    assert "order" in surplus.note


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_more_partitions_of_a_compacted_topic_are_a_fault_since_two_would_hold_the_last_word_on_a_key(policy: str) -> None:
    wanted, has = topic(config=CONFIG | {"cleanup.policy": policy}), found({"cleanup.policy": policy}, partitions=24)
    drift = only(wanted, has)
    assert drift.fix.startswith("write `partitions: 24` into the topic's file")
    assert list(surpluses(wanted, has)) == []


@pytest.mark.parametrize("has", [str(40 * DAY_MS), "-1", "9223372036854775807"])
@pytest.mark.parametrize("name", ["retention.ms", "retention.bytes"])
def test_a_topic_that_keeps_more_is_told_of_and_nothing_would_shorten_it(name: str, has: str) -> None:
    surplus = more(topic(config=CONFIG | {name: 30 * DAY_MS}), found({name: has}))
    assert (surplus.property, surplus.wanted, surplus.found) == (name, str(30 * DAY_MS), has)
    assert "kafka-configs" not in surplus.note


def test_what_nobody_stated_is_no_surplus() -> None:
    assert list(surpluses(topic(), found({"retention.bytes": "-1"}))) == []


@pytest.mark.parametrize("name", ["retention.ms", "retention.bytes"])
@pytest.mark.parametrize("wanted", [30 * DAY_MS, -1])
def test_a_topic_that_keeps_less_is_a_fault_with_the_command_that_mends_it(name: str, wanted: int) -> None:
    drift = only(topic(config=CONFIG | {name: wanted}), found({name: str(DAY_MS)}))
    assert drift.fix.endswith(f"--add-config {name}={wanted}")


@pytest.mark.parametrize(("has", "fault"), [(str(800 * DAY_MS), False), ("-1", True), ("9223372036854775807", True)])
def test_what_must_not_be_kept_for_good_is_a_fault_where_it_is(has: str, fault: bool) -> None:
    wanted = topic(for_good=False)
    assert [each[0] for each in differing(wanted, found({"retention.ms": has}))] == (["retention.ms"] if fault else [])
    assert [each.property for each in surpluses(wanted, found({"retention.ms": has}))] == ([] if fault else ["retention.ms"])


def test_what_is_kept_for_good_and_must_not_be_comes_with_what_an_end_would_delete() -> None:
    drift = only(topic(for_good=False), found({"retention.ms": "-1"}))
    assert "kafka-configs" not in drift.fix
    assert "delete" in drift.note


def test_fewer_partitions_come_with_the_command_and_its_price() -> None:
    drift = only(topic(), found(partitions=6))
    assert drift.fix == "kafka-topics.sh --bootstrap-server b:9092 --alter --topic t --partitions 12"
    assert "order" in drift.note


def test_a_configuration_comes_with_the_command_that_mends_it() -> None:
    drift = only(topic(config=CONFIG | {"cleanup.policy": "compact,delete"}), found())
    assert drift.fix == (
        "kafka-configs.sh --bootstrap-server b:9092 --alter --entity-type topics --entity-name t "
        "--add-config 'cleanup.policy=[compact,delete]'"
    )


def test_brokers_that_ask_for_a_password_get_it_from_a_file_of_the_tools() -> None:
    plain, guarded = KafkaSettings(bootstrap_servers="a:1,b:2"), KafkaSettings(security_protocol="SASL_SSL")
    assert tool_options(plain) == "--bootstrap-server a:1,b:2"
    assert tool_options(guarded) == "--bootstrap-server localhost:9092 --command-config client.properties"
