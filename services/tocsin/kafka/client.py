"""What every client of the bus shares: how it connects, and what Kafka's errors mean.

Raises Unavailable(kafka) for what passes by itself, and ContractError for what a person has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeVar

from kafka.errors import (
    BrokerNotAvailableError,
    CommitFailedError,
    DuplicateSequenceNumberError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    KafkaProtocolError,
    MemberIdRequiredError,
    MessageSizeTooLargeError,
    NewLeaderElectedError,
    OperationNotAttemptedError,
    OutOfOrderSequenceNumberError,
    PositionOutOfRangeError,
    QuotaViolationError,
    ReassignmentInProgressError,
    RebalanceInProgressError,
    RecordListTooLargeError,
    StaleBrokerEpochError,
    StaleControllerEpochError,
    TopicAuthorizationFailedError,
    UnknownBrokerIdError,
    UnknownMemberIdError,
    UnknownProducerIdError,
)

from tocsin.errors import ContractError, Unavailable
from tocsin.kafka.batches import Unread
from tocsin.kafka.reach import reach_bus, tls_context
from tocsin.kafka.types import Position, Record, TopicPartition, Unreadable
from tocsin.settings import KafkaSettings

NEIGHBOUR = "kafka"
REBALANCE_WAIT_S = 5.0
"""Longest stay in one poll for a rebalance to end."""
CLOSE_WAIT_S = 2.0
"""Longest wait for a client to leave the bus."""

_T = TypeVar("_T")

Words = Callable[[KafkaError], ContractError | None]
"""A Kafka error -> the ContractError that says what a person has to change; None where the error's name says all."""

LOST = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)
"""What Kafka answers to a member whose partitions went to another."""


_OF_THE_MOMENT = (
    BrokerNotAvailableError,
    DuplicateSequenceNumberError,
    InvalidProducerEpochError,
    KafkaProtocolError,
    MemberIdRequiredError,
    NewLeaderElectedError,
    OperationNotAttemptedError,
    OutOfOrderSequenceNumberError,
    PositionOutOfRangeError,
    QuotaViolationError,
    ReassignmentInProgressError,
    StaleBrokerEpochError,
    StaleControllerEpochError,
    UnknownBrokerIdError,
    UnknownProducerIdError,
)
"""Errors that pass by themselves, though kafka-python does not call them retriable."""


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """The options every client of this bus needs. Raises ContractError where a file they name cannot be read."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "client_id": "tocsin",
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.connect_timeout_s * 1000),
        "reconnect_backoff_max_ms": int(settings.reconnect_wait_max_s * 1000),
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = tls_context(settings)
    if settings.sasl_mechanism is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return options


COMMITTED_ONLY: Final[dict[str, Any]] = {"isolation_level": "read_committed"}
"""The option of every client that reads: a record that was taken back, or may yet be, is nobody's event."""


def opened(settings: KafkaSettings, make: Callable[[], _T]) -> _T:
    """The client that `make` gives. Raises Unavailable(kafka) or ContractError, with the step of the way to the broker that failed."""
    reach_bus(settings)
    with kafka_errors():
        return make()


def forbidden(topic: str, right: str) -> ContractError:
    """The error for a right on the topic that this user lacks."""
    return ContractError(f"{NEIGHBOUR}: this user may not {right} {topic}: allow it {right} on the topic (`tocsin check`)")


def unknown(topic: str) -> ContractError:
    """The error for a topic that the bus does not have, or does not show to this user."""
    return ContractError(f"there is no topic {topic} on the bus, or this user may not see it: run `tocsin topics`")


def allowed(topic: str, right: str) -> AbstractContextManager[None]:
    """`kafka_errors` around a call that needs this right on the topic."""
    return kafka_errors(lambda error: forbidden(topic, right) if isinstance(error, TopicAuthorizationFailedError) else None)


@contextmanager
def kafka_errors(words: Words = lambda _error: None) -> Iterator[None]:
    """Raises what a Kafka error means in its place; an error that the caller has an answer to is left as it is."""
    try:
        yield
    except KafkaError as error:
        meaning = classify(error, words)
        if meaning is None:
            raise
        raise meaning from None


def classify(error: KafkaError, words: Words = lambda _error: None) -> Unavailable | ContractError | None:
    """What an error of Kafka's means: Unavailable(kafka) passes by itself, ContractError needs a person, None is its caller's to answer."""
    if isinstance(error, (*LOST, MessageSizeTooLargeError, RecordListTooLargeError)):
        return None
    name = type(error).__name__
    if error.retriable or isinstance(error, _OF_THE_MOMENT):
        return Unavailable(NEIGHBOUR, name)
    return words(error) or ContractError(f"{NEIGHBOUR}: {name}: run `tocsin check`; waiting does not change it")


def record_of(record: Any) -> Record:
    unread = record.headers if isinstance(record.headers, Unread) else None
    return Record(
        position=Position(TopicPartition(record.topic, record.partition), record.offset),
        key=record.key,
        value=record.value,
        headers=tuple((name, value or b"") for name, value in record.headers),
        timestamp_ms=-1 if record.timestamp is None else record.timestamp,  # the oldest message format has none
        unreadable=None if unread is None else Unreadable(unread.last_offset, unread.why),
    )
