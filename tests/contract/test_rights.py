"""What a user may not do is named with the topic, the group and the right, by `tocsin check` and by the process that stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import get_args

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from tocsin.errors import ContractError
from tocsin.kafka.preflight import NEEDED, NEEDED_ON_GROUP, Role, kafka_preflight, rights_of
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.kafka.topics import Topic
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.kafka import Kafka, Options
from tocsin.sandbox.topics import create_topics
from tocsin.settings import KafkaSettings

from tests.support.buses import WITHIN_S, Member
from tests.support.stack import cached_jars, running
from tests.support.waiting import eventually

TOPICS = {setting: setting.replace("_", "-") for setting in NEEDED}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker on which nobody may do anything but what somebody allowed."""
    options = Options("SASL_PLAINTEXT", {"tocsin": "secret"}, acls=True)
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path_factory.mktemp("strict"), options)) as part:
        create_topics(part.bootstrap_servers, [_topic(name) for name in TOPICS.values()])
        yield part


def _topic(name: str) -> Topic:
    return Topic(topic=name, owner="test", producers=(), consumers=(), value="", key="", partitions=1, config={})


def settings_of(part: Kafka) -> KafkaSettings:
    return KafkaSettings.model_validate(
        {
            "bootstrap_servers": part.client_servers,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": "tocsin",
            "sasl_password": "secret",
            "connect_timeout_s": 5,
            "send_timeout_s": 5,
            **TOPICS,
        }
    )


def all_rights(group: str = "tocsin") -> list[ACL]:
    on_topics = [(ResourceType.TOPIC, TOPICS[setting], right) for setting, rights in NEEDED.items() for right in rights]
    return [_acl(*each) for each in [*on_topics, (ResourceType.GROUP, group, "READ")]]


def _acl(kind: ResourceType, name: str, right: str) -> ACL:
    return ACL("User:tocsin", "*", ACLOperation[right], ACLPermissionType.ALLOW, ResourcePattern(kind, name))


@contextmanager
def allowed(part: Kafka, acls: list[ACL]) -> Iterator[None]:
    """While the block lasts the user has exactly these rights."""
    with closing(KafkaAdminClient(bootstrap_servers=part.bootstrap_servers)) as admin:
        admin.create_acls(acls)
        eventually(lambda: _standing(admin) == len(acls), within_s=30, what="the rights")  # the broker hears of them a moment later
        try:
            yield
        finally:
            admin.delete_acls(acls)
            eventually(lambda: _standing(admin) == 0, within_s=30, what="the end of the rights")


def _standing(admin: KafkaAdminClient) -> int:
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    return len(admin.describe_acls(ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, anything))[0])


def without(kind: ResourceType, name: str, right: str) -> list[ACL]:
    taken = _acl(kind, name, right)
    left = [each for each in all_rights() if each != taken]
    assert len(left) == len(all_rights()) - 1
    return left


def test_a_user_with_the_rights_that_are_named_passes_every_check_and_nothing_was_written_or_joined(strict: Kafka) -> None:
    with allowed(strict, all_rights()):
        checks = list(kafka_preflight(settings_of(strict)))
    assert [check for check in checks if not check.passed] == []
    with closing(KafkaAdminClient(bootstrap_servers=strict.bootstrap_servers)) as admin:
        assert admin.list_groups() == []


def rights_for(role: Role) -> list[ACL]:
    """The least that the role needs."""
    on_topics = [(ResourceType.TOPIC, TOPICS[each], right) for each, rights in NEEDED.items() for right in rights_of(role, rights)]
    return [_acl(*each) for each in [*on_topics, *((ResourceType.GROUP, "tocsin", right) for right in rights_of(role, NEEDED_ON_GROUP))]]


@pytest.mark.parametrize("role", get_args(Role))
def test_a_user_with_the_rights_of_one_process_passes_the_check_for_it_and_fails_that_for_all(strict: Kafka, role: Role) -> None:
    with allowed(strict, rights_for(role)):
        alone, all_of_them = (list(kafka_preflight(settings_of(strict), asked)) for asked in (role, None))
    assert [check for check in alone if not check.passed] == []
    assert [check for check in all_of_them if not check.passed] != []


@pytest.mark.parametrize("role", get_args(Role))
def test_of_one_process_only_its_own_missing_rights_are_named(strict: Kafka, role: Role) -> None:
    lost = rights_for(role)[0]
    with allowed(strict, rights_for(role)[1:]):
        wrong = [check for check in kafka_preflight(settings_of(strict), role) if not check.passed]
    assert f"topic {lost.resource_pattern.resource_name}" in [check.what for check in wrong]
    assert f"--operation {lost.operation.name.capitalize()}" in wrong[0].fix


@pytest.mark.parametrize(("setting", "right"), [(setting, right) for setting, rights in NEEDED.items() for right in rights])
def test_a_right_on_a_topic_that_is_missing_is_named_with_who_needs_it(strict: Kafka, setting: str, right: str) -> None:
    with allowed(strict, without(ResourceType.TOPIC, TOPICS[setting], right)):
        wrong = [check for check in kafka_preflight(settings_of(strict)) if not check.passed]
    assert [check.what for check in wrong] == [f"topic {TOPICS[setting]}"]
    named = f"may not {right.capitalize()} ({NEEDED[setting][right]})"
    hidden = "this user may not use it"  # a topic on which a user has no right at all is not described to them
    assert (named if len(NEEDED[setting]) > 1 else hidden) in wrong[0].found
    assert f"--operation {right.capitalize()} --topic {TOPICS[setting]}" in wrong[0].fix


def test_a_group_that_may_not_be_used_is_named(strict: Kafka) -> None:
    with allowed(strict, without(ResourceType.GROUP, "tocsin", "READ")):
        wrong = [check for check in kafka_preflight(settings_of(strict)) if not check.passed]
    assert [check.what for check in wrong] == ["group tocsin"]
    assert "--operation Read --group tocsin" in wrong[0].fix


def test_a_process_that_may_not_use_its_group_stops_with_the_groups_name_and_the_right(strict: Kafka) -> None:
    with allowed(strict, without(ResourceType.GROUP, "tocsin", "READ")):
        member = Member(KafkaSource(settings_of(strict)))
        with pytest.raises(ContractError, match="group tocsin: allow it Read on the group"):
            eventually(lambda: member.poll(0.1) is None, within_s=WITHIN_S)
        member.close()


def test_a_process_that_may_not_read_its_topic_stops_with_the_topics_name_and_the_right(strict: Kafka) -> None:
    with allowed(strict, without(ResourceType.TOPIC, TOPICS["topic_imaging"], "READ")):
        member = Member(KafkaSource(settings_of(strict)))
        with pytest.raises(ContractError, match=r"topic-imaging.*allow it Read"):
            eventually(lambda: member.poll(0.1) is None, within_s=WITHIN_S)
        member.close()


@pytest.mark.parametrize("setting", ["topic_dead_letters", "topic_flags"])
def test_a_dead_letter_or_flag_that_may_not_be_written_stops_with_the_topics_name_and_the_right(strict: Kafka, setting: str) -> None:
    may_not = allowed(strict, without(ResourceType.TOPIC, TOPICS[setting], "WRITE"))
    with may_not, closing(KafkaSink(settings_of(strict))) as sink, pytest.raises(ContractError, match=f"{TOPICS[setting]}: allow it Write"):
        sink.send(TOPICS[setting], b"key", b"value")


def test_a_topic_that_may_not_be_read_is_named_to_whoever_looks_things_up(strict: Kafka) -> None:
    topic = TOPICS["topic_replays"]
    with closing(KafkaSink(KafkaSettings(bootstrap_servers=strict.bootstrap_servers))) as sink:
        sink.send(topic, b"key", b"value")
    may_not = allowed(strict, without(ResourceType.TOPIC, topic, "READ"))
    with may_not, closing(KafkaTopicReader(settings_of(strict))) as log, pytest.raises(ContractError, match=f"{topic}: allow it Read"):
        list(log.read(topic))
