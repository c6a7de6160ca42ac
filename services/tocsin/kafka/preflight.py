"""Is the bus there, has this user the rights it needs, and are the topics fit?

Nothing is written, and no group is joined.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

from kafka.admin import KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    NotCoordinatorError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from tocsin.kafka.client import connection
from tocsin.kafka.latest import unreadable_batches
from tocsin.kafka.reach import Broker, Obstacle, addresses, brokers_behind, listener
from tocsin.settings import KafkaSettings
from tocsin.telemetry.preflight import Check, check

PART: Final = "kafka"

REFUSED: Final = "see the broker's log: it refused or did not answer; the user of TOCSIN_KAFKA__SASL_USERNAME may lack rights"

GROUP_WAIT_S: Final = 4.0
GROUP_LOOK_S: Final = 0.2

_SAID: Final = {
    TopicAuthorizationFailedError: "this user may not use it",
    UnknownTopicOrPartitionError: "does not exist, or this user may not see it",
}

NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    "topic_imaging": {"READ": "consume, work, replay, reconcile, trace", "WRITE": "work, replay, rehearse"},
    "topic_flags": {"WRITE": "consume, work, serve, rehearse", "READ": "work, serve, reconcile, trace, rehearse"},
    "topic_dead_letters": {"WRITE": "consume", "READ": "consume, work, dead-letters, replay, backfill, reconcile, trace, rehearse"},
    "topic_backfill": {"READ": "consume, work, replay, reconcile, trace", "WRITE": "work, replay, reconcile"},
    "topic_replays": {"READ": "work, dead-letters, replay, backfill, reconcile, trace", "WRITE": "work, dead-letters, replay"},
    "topic_backfills": {"READ": "work, backfill", "WRITE": "consume, work, backfill"},
    "topic_notices": {"READ": "work", "WRITE": "work"},
    "topic_verdicts": {"WRITE": "work, serve", "READ": "work, serve, verdicts"},
    "topic_feedback": {"WRITE": "serve", "READ": "serve"},
}
"""Setting of a topic -> the right that is needed on it -> the commands that need it. Kafka's names: AclOperation."""

NEEDED_ON_GROUP: Final[Mapping[str, str]] = {"READ": "consume", "DESCRIBE": "work, reconcile"}
"""The same of the consumer group."""

Role = Literal["consume", "work", "serve", "operator", "rehearse"]
"""Who has a user of its own on the bus, where each is to have no more rights than it needs."""

_DOES: Final[Mapping[Role, frozenset[str]]] = {
    "consume": frozenset({"consume"}),
    "work": frozenset({"work"}),
    "serve": frozenset({"serve"}),
    "operator": frozenset({"dead-letters", "replay", "backfill", "reconcile", "trace", "verdicts"}),
    "rehearse": frozenset({"rehearse"}),
}

Rights = Mapping[str, str]
"""Right -> the commands that need it."""


def rights_of(role: Role | None, needed: Rights) -> Rights:
    """Those of the needed rights that the role needs; None: all of them, for one user who does everything."""
    return {right: who for right, who in needed.items() if role is None or _DOES[role] & set(who.split(", "))}


class Admin(Protocol):
    """What is asked of KafkaAdminClient; each may raise any KafkaError."""

    def describe_cluster(self) -> dict[str, Any]:
        """`brokers` lists each one's `broker_id`, and `is_fenced` for one that is registered but away."""

    def get_broker_version_data(self, broker_id: int) -> Any:
        """Its `broker_version` is a tuple of numbers: the newest Kafka whose requests the broker knows."""

    def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        """For each topic its `name`, `error_code`, `partitions`, and what this user may do (`authorized_operations`), where it is known."""

    def describe_groups(self, group_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """For each group its `error`, None where there is none, and `authorized_operations`."""


def kafka_preflight(settings: KafkaSettings, role: Role | None = None) -> Iterator[Check]:
    """Checks each address that is named or advertised, the broker, the topics, the group and the latest batches.

    Each check is given as soon as its result is known. Only what `role` needs is looked at; None: what all of them need.
    """
    brokers = yield from _addresses(settings)
    if brokers is None:
        return
    yield from _listeners(brokers, settings)
    try:
        admin = KafkaAdminClient(**connection(settings), request_timeout_ms=max(1, int(settings.connect_timeout_s * 1000)))
    except KafkaError as error:
        yield check(PART, "broker", False, f"{settings.bootstrap_servers}: {type(error).__name__}", REFUSED)
        return
    try:
        yield from looked_at(admin, settings, role)
        yield from _batches(settings, role)
    finally:
        admin.close()


def _addresses(settings: KafkaSettings) -> Generator[Check, None, tuple[Broker, ...] | None]:
    """Checks each address of the settings; gives the brokers of the cluster, or None where none was reached."""
    brokers = None
    for address in addresses(settings):
        found = brokers_behind(address, settings)
        if isinstance(found, Obstacle):
            yield _blocked(f"address {address}", found)
        else:
            brokers = found
            yield check(PART, f"address {address}", True, f"reached ({settings.security_protocol})", "")
    return brokers


def _listeners(brokers: Collection[Broker], settings: KafkaSettings) -> Iterator[Check]:
    for broker in brokers:
        if broker.address in addresses(settings):
            continue
        found = listener(broker.address, settings)
        if found is not None:
            where = f"{found.step}: {found.found}"
            fix = f"the cluster sends its clients there: set advertised.listeners of broker {broker.id} to an address that Tocsin reaches"
            yield check(PART, f"listener {broker.address}", False, where, fix)


def _blocked(what: str, found: Obstacle) -> Check:
    return check(PART, what, False, f"{found.step}: {found.found}", f"look at {found.setting}")


def looked_at(admin: Admin, settings: KafkaSettings, role: Role | None = None) -> Iterator[Check]:
    """Checks what a broker that was reached says of itself, of our topics, of our group where it is needed, and of this user's rights."""
    try:
        brokers = [broker for broker in admin.describe_cluster()["brokers"] if not broker.get("is_fenced")]
        version = ".".join(map(str, admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version))
    except KafkaError as error:
        yield check(PART, "broker", False, f"{settings.bootstrap_servers}: {type(error).__name__}", REFUSED)
        return
    yield check(PART, "broker", True, f"{settings.bootstrap_servers}: {len(brokers)} broker(s), Kafka {version}", "")
    yield from _topics(admin, _needed(settings, role))
    if needed := _needed_on_group(role):
        yield _group(admin, settings.group_id, needed)


def _needed(settings: KafkaSettings, role: Role | None) -> dict[str, Rights]:
    """Topic, by the name that it has here -> what the role needs on it, where it needs anything."""
    needed = {getattr(settings, setting): rights_of(role, rights) for setting, rights in NEEDED.items()}
    return {name: rights for name, rights in needed.items() if rights}


def _needed_on_group(role: Role | None) -> Rights:
    needed = rights_of(role, NEEDED_ON_GROUP)
    return {"READ": needed["READ"]} if "READ" in needed else needed  # whoever may read it may see it


def _topics(admin: Admin, needed: Mapping[str, Rights]) -> Iterator[Check]:
    try:
        described = {topic["name"]: topic for topic in admin.describe_topics(list(needed))}
    except KafkaError as error:
        yield check(PART, "topics", False, type(error).__name__, REFUSED)
        return
    for name, rights in needed.items():
        yield _topic(name, described[name], rights)


def _topic(name: str, topic: dict[str, Any], needed: Rights) -> Check:
    error = for_code(topic["error_code"])
    if error is not NoError:
        forbidden = error is TopicAuthorizationFailedError
        fix = (
            _allow_topic(name, _lacking((), needed))
            if forbidden
            else "create it with `tocsin topics --create`, or allow this user to use it"
        )
        return check(PART, f"topic {name}", False, _SAID.get(error, error.__name__), fix)
    lacking = _lacking(topic.get("authorized_operations"), needed)
    found = "; ".join([f"{len(topic['partitions'])} partition(s)", *(f"this user may not {right} ({who})" for right, who in lacking)])
    return check(PART, f"topic {name}", not lacking, found, _allow_topic(name, lacking))


def _allow_topic(name: str, lacking: Sequence[tuple[str, str]]) -> str:
    return f"allow it: kafka-acls.sh --add --allow-principal User:NAME {_options(lacking)} --topic {name}"


def _group(admin: Admin, name: str, needed: Rights) -> Check:
    try:
        group = _described(admin, name)
    except GroupAuthorizationFailedError:
        return _group_closed(name, needed)
    except KafkaError as error:
        return check(PART, f"group {name}", False, type(error).__name__, REFUSED)
    if group["error"] is not None and "Authorization" in group["error"]:
        return _group_closed(name, needed)
    lacking = _lacking(group.get("authorized_operations"), needed)
    fine = "may be joined" if "READ" in needed else "may be seen"
    found = "; ".join(f"this user may not {right} ({who})" for right, who in lacking)
    return check(PART, f"group {name}", not lacking, found or fine, _allow_group(name, lacking))


def _group_closed(name: str, needed: Rights) -> Check:
    return check(PART, f"group {name}", False, "this user may not use it", _allow_group(name, _lacking((), needed)))


def _allow_group(name: str, lacking: Sequence[tuple[str, str]]) -> str:
    return f"allow it: kafka-acls.sh --add --allow-principal User:NAME {_options(lacking)} --group {name}"


def _described(admin: Admin, group: str) -> dict[str, Any]:
    """The broker's description of the group, waited for until the brokers have made a place for groups.

    The first who ever asks for a group waits, GROUP_WAIT_S at most.
    """
    deadline = time.monotonic() + GROUP_WAIT_S
    while True:
        try:
            return admin.describe_groups([group])[group]
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
            if time.monotonic() > deadline:
                raise
            time.sleep(GROUP_LOOK_S)


def _lacking(has: Collection[str] | None, needed: Rights) -> list[tuple[str, str]]:
    """Which rights are missing, and for whom; none where the broker does not say."""
    return [] if has is None else [(right.capitalize(), who) for right, who in needed.items() if right not in has]


def _options(lacking: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"--operation {right}" for right, _who in lacking)


def _batches(settings: KafkaSettings, role: Role | None) -> Iterator[Check]:
    """Checks that the latest batch of each topic that is read can be unpacked and read."""
    wrong = unreadable_batches(settings, [topic for topic, rights in _needed(settings, role).items() if "READ" in rights])
    for topic, why in wrong.items():
        yield check(
            PART,
            f"latest batch of {topic}",
            False,
            why,
            "look at this position with kafka-dump-log.sh, and correct the producer that wrote it",
        )
    if not wrong:
        yield check(PART, "latest batches", True, "the latest batch of each topic can be read", "")
