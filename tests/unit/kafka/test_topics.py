"""What the topics' files say, under which names they are looked for, and how a difference is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    PolicyViolationError,
    ThrottlingQuotaExceededError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from tocsin.errors import ConfigurationError, ContractError, Deferred
from tocsin.kafka.topic_admin import TopicAdmin
from tocsin.kafka.topic_drift import Drift, Found, drifts, tool_options
from tocsin.kafka.topics import Topic, named, read_topics, topic_names
from tocsin.settings import KafkaSettings

TOPICS = read_topics(Path(__file__).parents[3] / "schemas" / "topics")
DAY_MS = 86_400_000
CONFIG = {"cleanup.policy": "delete", "retention.ms": 7 * DAY_MS, "min.insync.replicas": 2, "max.message.bytes": 1_048_576}
"""A topic's, as a file states it."""


def topic(**changes: Any) -> Topic:
    described = {
        "topic": "t",
        "owner": "us",
        "producers": [],
        "consumers": [],
        "value": "v",
        "key": "k",
        "partitions": 12,
        "config": CONFIG,
    }
    return Topic.model_validate(described | {"replication_factor": 3} | changes)


def found(config: Mapping[str, str | None] | None = None, partitions: int = 12, replicas: tuple[int, int] = (3, 3)) -> Found:
    """As described, but for what is told."""
    effective = {"unclean.leader.election.enable": "false", **{name: str(value) for name, value in CONFIG.items()}}
    return Found(partitions, replicas, effective | dict(config or {}))


def differing(wanted: Topic, has: Found) -> list[tuple[str, str, str]]:
    return [(each.property, each.wanted, each.found) for each in drifts(wanted, has, "--bootstrap-server b:9092")]


def only(wanted: Topic, has: Found) -> Drift:
    (drift,) = drifts(wanted, has, "--bootstrap-server b:9092")
    return drift


def written(folder: Path, content: Any) -> Path:
    """A folder with one file, bad.yaml."""
    (folder / "bad.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_topics(folder)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def described(**changes: Any) -> dict[str, Any]:
    return topic().model_dump(mode="json", exclude_none=True) | changes


def test_a_file_that_states_all_is_read(tmp_path: Path) -> None:
    assert read_topics(written(tmp_path, described())) == [topic()]


def test_a_configuration_that_kafka_does_not_have_is_refused_with_the_files_name(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, described(config=CONFIG | {"retention.sm": 1})))
    assert "bad.yaml" in said
    assert "no topic configuration retention.sm" in said


@pytest.mark.parametrize("name", ["cleanup.policy", "retention.ms", "min.insync.replicas", "max.message.bytes"])
def test_a_file_that_leaves_to_the_brokers_what_keeps_records_is_refused(name: str, tmp_path: Path) -> None:
    said = refusal(written(tmp_path, described(config={each: value for each, value in CONFIG.items() if each != name})))
    assert said == f"{tmp_path / 'bad.yaml'} does not state {name}"


def test_a_file_that_does_not_say_how_many_copies_is_refused(tmp_path: Path) -> None:
    silent = {name: value for name, value in described().items() if name != "replication_factor"}
    assert refusal(written(tmp_path, silent)).endswith("does not state replication_factor")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("topic: [", id="no YAML"),
        pytest.param("", id="nothing"),
        pytest.param(described(partitions=0), id="no partitions"),
        pytest.param(described(retention="long"), id="a property that no topic has"),
        pytest.param(described(config=CONFIG | {"min.insync.replicas": 4}), id="more copies in sync than there are"),
    ],
)
def test_a_file_that_describes_no_topic_is_refused_in_one_line_with_its_name(content: Any, tmp_path: Path) -> None:
    assert refusal(written(tmp_path, content)).startswith(f"{tmp_path / 'bad.yaml'} does not describe a topic: ")


def test_the_dead_letters_stay_for_ninety_days() -> None:
    (letters,) = [each for each in TOPICS if each.topic.endswith("dead-letters")]
    assert (letters.config["cleanup.policy"], letters.config["retention.ms"]) == ("delete", 90 * DAY_MS)


def test_what_remembers_is_compacted_and_what_tells_is_deleted_by_age() -> None:
    policies = {each.topic: each.config["cleanup.policy"] for each in TOPICS}
    state = {"tocsin.replays.v1": "compact,delete", "tocsin.backfills.v1": "compact"}
    assert policies == {name: state.get(name, "delete") for name in policies}


def test_what_is_compacted_is_so_within_the_hour_however_little_is_written() -> None:
    hour_ms = 3_600_000
    compacted = [each.config for each in TOPICS if "compact" in str(each.config["cleanup.policy"])]
    assert [(each["segment.ms"], each["max.compaction.lag.ms"]) for each in compacted] == [(hour_ms, hour_ms)] * 2


def test_a_replay_is_remembered_for_longer_than_its_dead_letter() -> None:
    kept = {each.topic: int(each.config.get("retention.ms", 0)) for each in TOPICS}
    assert kept["tocsin.replays.v1"] == 100 * DAY_MS > kept["imaging.events.v1.dead-letters"]


def test_events_outlive_a_long_weekend_and_announced_ones_a_backfill() -> None:
    days = {each.topic: int(each.config.get("retention.ms", 0)) // DAY_MS for each in TOPICS}
    assert days["imaging.events.v1"] >= 14
    assert days["tocsin.backfill.v1"] >= 90
    assert days["tocsin.flags.v1"] >= 30


def test_every_topic_survives_the_loss_of_a_broker() -> None:
    assert {(each.replication_factor, each.config["min.insync.replicas"]) for each in TOPICS} == {(3, 2)}


def test_announced_events_are_keyed_and_refused_as_live_ones_are() -> None:
    by_name = {each.topic: each for each in TOPICS}
    live, announced = by_name["imaging.events.v1"], by_name["tocsin.backfill.v1"]
    assert (live.key, live.value, live.dead_letters) == (announced.key, announced.value, announced.dead_letters)
    assert live.partitions == announced.partitions


def test_the_largest_record_tocsin_sends_fits_the_dead_letters_topic() -> None:
    (letters,) = [each for each in TOPICS if each.topic.endswith("dead-letters")]
    assert int(letters.config["max.message.bytes"]) > KafkaSettings().send_bytes_max


def test_a_topic_is_looked_for_under_the_name_that_the_settings_give_it() -> None:
    settings = KafkaSettings(topic_flags="site.flags", topic_dead_letters="site.letters")
    renamed = {each.topic: each for each in named(TOPICS, settings)}
    assert {"site.flags", "site.letters"} == renamed.keys() - {each.topic for each in TOPICS}
    assert renamed["imaging.events.v1"].dead_letters == "site.letters"
    assert renamed["site.letters"].config["retention.ms"] == 90 * DAY_MS


def test_a_file_may_itself_carry_the_name_that_the_settings_give() -> None:
    own = [each.model_copy(update={"topic": "site.flags"}) if each.topic == "tocsin.flags.v1" else each for each in TOPICS]
    assert named(own, KafkaSettings(topic_flags="site.flags")) == own


def test_a_topic_of_the_settings_that_no_file_describes_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no file describes the topic tocsin\.flags\.v1,"):
        named([each for each in TOPICS if each.topic != "tocsin.flags.v1"], KafkaSettings())


def test_two_topics_that_come_to_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"two files describe the topic tocsin\.flags\.v1:"):
        named(TOPICS, KafkaSettings(topic_dead_letters="tocsin.flags.v1"))


def test_every_topic_setting_has_a_name_of_its_own() -> None:
    names = topic_names(KafkaSettings())
    assert len(names) == sum(name.startswith("topic_") for name in KafkaSettings.model_fields)
    assert all(default == name for default, name in names.items())


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


def test_more_partitions_cannot_be_mended_and_cost_the_keys_order() -> None:
    drift = only(topic(), found(partitions=24))
    assert drift.fix.startswith("write `partitions: 24` into the topic's file")
    assert "order" in drift.note


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


@pytest.mark.parametrize(("has", "warned"), [(str(30 * DAY_MS), True), ("-1", True), (str(DAY_MS), False)])
def test_a_fix_that_deletes_records_says_so(has: str, warned: bool) -> None:
    assert ("delete" in only(topic(), found({"retention.ms": has})).note) is warned


def test_brokers_that_ask_for_a_password_get_it_from_a_file_of_the_tools() -> None:
    plain, guarded = KafkaSettings(bootstrap_servers="a:1,b:2"), KafkaSettings(security_protocol="SASL_SSL")
    assert tool_options(plain) == "--bootstrap-server a:1,b:2"
    assert tool_options(guarded) == "--bootstrap-server localhost:9092 --command-config client.properties"


@dataclass
class FakeAdmin:
    """Brokers that answer as real ones may."""

    refusals: Mapping[str, type[Exception]] = field(default_factory=dict)
    """Question -> error of the whole request."""
    errors: Mapping[str, type[KafkaError]] = field(default_factory=dict)
    """Topic -> what is said of it when it is looked at or made."""
    unreadable: bool = False

    def describe_cluster(self) -> dict[str, Any]:
        self._answer("describe_cluster")
        return {"brokers": [{}, {}, {}]}

    def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        self._answer("describe_topics")
        return [{"name": name, "error_code": self._code(name), "partitions": [{"replica_nodes": [1, 2, 3]}]} for name in topics]

    def describe_configs(self, config_resources: Sequence[Any], *, config_filter: str) -> dict[str, dict[str, dict[str, Any]]]:
        self._answer("describe_configs")
        assert config_filter == "all", "the defaults are in effect too"
        config = {} if self.unreadable else {"retention.ms": {"value": "1"}}
        return {"topic": {each.name: config for each in config_resources}}

    def create_topics(self, new_topics: dict[str, Any], *, raise_errors: bool) -> dict[str, Any]:
        self._answer("create_topics")
        assert not raise_errors, "its errors would quote the whole request"
        return {"topics": [{"name": name, "error_code": self._code(name), "error_message": "So it is."} for name in new_topics]}

    def wait_for_topics(self, topic_names: Sequence[str], timeout_ms: int) -> None:
        self._answer("wait_for_topics")

    def _code(self, name: str) -> int:
        error = self.errors.get(name)
        return 0 if error is None else int(error.errno)

    def _answer(self, question: str) -> None:
        if question in self.refusals:
            raise self.refusals[question]


def said(admin: FakeAdmin, *, create: bool) -> str:
    """The refusal that a person reads."""
    with pytest.raises(ContractError) as caught:
        TopicAdmin(admin, 1000).create([topic(), topic(topic="u")]) if create else TopicAdmin(admin, 1000).found(["t", "u"])
    return str(caught.value)


def test_a_topic_that_is_not_there_is_not_found() -> None:
    admin = TopicAdmin(FakeAdmin(errors={"t": UnknownTopicOrPartitionError}), 1000)
    assert admin.found(["t"]) == {}
    assert admin.found(["t", "u"]) == {"u": Found(1, (3, 3), {"retention.ms": "1"})}


@pytest.mark.parametrize("question", ["describe_topics", "describe_configs"])
def test_brokers_that_fall_silent_while_topics_are_looked_at_are_away(question: str) -> None:
    with pytest.raises(Deferred, match="kafka: KafkaTimeoutError"):
        TopicAdmin(FakeAdmin({question: KafkaTimeoutError}), 1000).found(["t"])


@pytest.mark.parametrize("question", ["create_topics", "wait_for_topics"])
def test_brokers_that_fall_silent_while_topics_are_made_are_away(question: str) -> None:
    with pytest.raises(Deferred, match="kafka: KafkaTimeoutError"):
        TopicAdmin(FakeAdmin({question: KafkaTimeoutError}), 1000).create([topic()])


def test_brokers_without_a_controller_are_away() -> None:
    with pytest.raises(Deferred, match="NotControllerError"):
        TopicAdmin(FakeAdmin({"create_topics": RuntimeError}), 1000).create([topic()])


@pytest.mark.parametrize("error", [LeaderNotAvailableError, ThrottlingQuotaExceededError])
def test_what_passes_by_itself_is_not_for_a_person(error: type[KafkaError]) -> None:
    with pytest.raises(Deferred, match=error.__name__):
        TopicAdmin(FakeAdmin(errors={"t": error}), 1000).found(["t"])
    with pytest.raises(Deferred, match=error.__name__):
        TopicAdmin(FakeAdmin(errors={"t": error}), 1000).create([topic()])


def test_a_right_that_is_lacking_to_look_is_named() -> None:
    assert "t cannot be looked at" in said(FakeAdmin(errors={"t": TopicAuthorizationFailedError}), create=False)
    for admin in (FakeAdmin(errors={"t": TopicAuthorizationFailedError}), FakeAdmin(unreadable=True)):
        assert said(admin, create=False).endswith("allow this user Describe and DescribeConfigs on the topics")


@pytest.mark.parametrize(
    "admin",
    [FakeAdmin({"create_topics": ClusterAuthorizationFailedError}), FakeAdmin(errors={"t": TopicAuthorizationFailedError})],
)
def test_a_right_that_is_lacking_to_make_them_is_named(admin: FakeAdmin) -> None:
    assert "allow this user Create on the cluster" in said(admin, create=True)


def test_a_topic_that_somebody_else_makes_meanwhile_is_left_as_it_is() -> None:
    TopicAdmin(FakeAdmin(errors={"t": TopicAlreadyExistsError}), 1000).create([topic()])


def test_what_the_brokers_say_of_many_topics_is_said_once() -> None:
    refused = FakeAdmin(errors={"t": InvalidReplicationFactorError, "u": InvalidReplicationFactorError})
    assert said(refused, create=True) == (
        "kafka: not made: t, u: InvalidReplicationFactorError: So it is: "
        "a cluster of fewer brokers needs TOCSIN_KAFKA__REPLICATION_FACTOR, or --replication-factor"
    )
    assert said(FakeAdmin(errors={"u": PolicyViolationError}), create=True).startswith(
        "kafka: not made: u: PolicyViolationError: So it is: "
    )


def test_a_topic_that_was_made_and_that_a_broker_does_not_know_yet_is_asked_for_later() -> None:
    admin = TopicAdmin(FakeAdmin(unreadable=True), 1000)
    admin.create([topic()])
    with pytest.raises(Deferred, match="t was made, but not every broker knows it yet"):
        admin.found(["t"])
