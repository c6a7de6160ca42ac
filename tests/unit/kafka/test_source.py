"""Every error of kafka-python has its meaning here; the test fails when the library grows one that nobody classified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaError, LogTruncationError
from tocsin.errors import ContractError, Deferred, Unavailable
from tocsin.kafka.client import allowed, classify, kafka_errors

AWAY = [
    "BrokerNotAvailableError",
    "Cancelled",
    "ConcurrentTransactionsError",
    "CoordinatorLoadInProgressError",
    "CoordinatorNotAvailableError",
    "CorrelationIdError",
    "DuplicateSequenceNumberError",
    "ElectionNotNeededError",
    "EligibleLeadersNotAvailableError",
    "FencedLeaderEpochError",
    "FetchSessionIdNotFoundError",
    "FetchSessionTopicIdError",
    "InconsistentTopicIdError",
    "InvalidFetchSessionEpochError",
    "InvalidMetadataError",
    "InvalidProducerEpochError",
    "InvalidReceiveError",
    "InvalidShareSessionEpochError",
    "KafkaConnectionError",
    "KafkaProtocolError",
    "KafkaStorageError",
    "KafkaTimeoutError",
    "LeaderNotAvailableError",
    "ListenerNotFoundError",
    "MemberIdRequiredError",
    "MetadataEmptyBrokerList",
    "NetworkExceptionError",
    "NewLeaderElectedError",
    "NodeNotReadyError",
    "NotControllerError",
    "NotCoordinatorError",
    "NotEnoughReplicasAfterAppendError",
    "NotEnoughReplicasError",
    "NotLeaderForPartitionError",
    "OffsetNotAvailableError",
    "OperationNotAttemptedError",
    "OutOfOrderSequenceNumberError",
    "PositionOutOfRangeError",
    "PreferredLeaderNotAvailableError",
    "QuotaViolationError",
    "ReassignmentInProgressError",
    "ReplicaNotAvailableError",
    "RequestTimedOutError",
    "RetriableError",
    "ShareSessionNotFoundError",
    "StaleBrokerEpochError",
    "StaleControllerEpochError",
    "StaleMetadata",
    "ThrottlingQuotaExceededError",
    "TooManyInFlightRequests",
    "UnjoinedGroupException",
    "UnknownBrokerIdError",
    "UnknownLeaderEpochError",
    "UnknownProducerIdError",
    "UnknownTopicIdError",
    "UnknownTopicOrPartitionError",
    "UnstableOffsetCommitError",
]
"""It speaks of this moment, and the library goes on by itself."""

LOST = ["CommitFailedError", "IllegalGenerationError", "RebalanceInProgressError", "UnknownMemberIdError"]
"""The partitions went to another member; `commit` answers False."""

TOO_LARGE = ["MessageSizeTooLargeError", "RecordListTooLargeError"]
"""`send` says what to raise."""

NEVER = [
    "AuthorizationError",
    "BrokerIdNotRegisteredError",
    "BrokerResponseError",
    "ClusterAuthorizationFailedError",
    "CorruptRecordError",
    "DelegationTokenAuthDisabledError",
    "DelegationTokenAuthorizationFailedError",
    "DelegationTokenExpiredError",
    "DelegationTokenNotFoundError",
    "DelegationTokenOwnerMismatchError",
    "DelegationTokenRequestNotAllowedError",
    "DuplicateBrokerRegistrationError",
    "DuplicateResourceError",
    "DuplicateVoterError",
    "FeatureUpdateFailedError",
    "FencedInstanceIdError",
    "FencedMemberEpochError",
    "FencedStateEpochError",
    "GroupAuthorizationFailedError",
    "GroupIdNotFoundError",
    "GroupMaxSizeReachedError",
    "GroupSubscribedToTopicError",
    "IllegalArgumentError",
    "IllegalSaslStateError",
    "IllegalStateError",
    "IncompatibleBrokerVersion",
    "InconsistentClusterIdError",
    "InconsistentGroupProtocolError",
    "InconsistentVoterSetError",
    "IneligibleReplicaError",
    "InvalidCommitOffsetSizeError",
    "InvalidConfigurationError",
    "InvalidFetchRequestError",
    "InvalidGroupIdError",
    "InvalidPartitionsError",
    "InvalidPrincipalTypeError",
    "InvalidProducerIdMappingError",
    "InvalidRecordError",
    "InvalidRecordStateError",
    "InvalidRegistrationError",
    "InvalidReplicationAssignmentError",
    "InvalidReplicationFactorError",
    "InvalidRequestError",
    "InvalidRequiredAcksError",
    "InvalidSessionTimeoutError",
    "InvalidTimestampError",
    "InvalidTopicError",
    "InvalidTransactionTimeoutError",
    "InvalidTxnStateError",
    "InvalidUpdateVersionError",
    "InvalidVoterKeyError",
    "KafkaConfigurationError",
    "LogDirNotFoundError",
    "LogTruncationError",
    "MismatchedEndpointTypeError",
    "NoError",
    "NoOffsetForPartitionError",
    "NoReassignmentInProgressError",
    "NonEmptyGroupError",
    "OffsetMetadataTooLargeError",
    "OffsetMovedToTieredStorageError",
    "OffsetOutOfRangeError",
    "PolicyViolationError",
    "PrincipalDeserializationFailureError",
    "ProducerFencedError",
    "RecordTooLargeError",
    "ResourceNotFoundError",
    "SaslAuthenticationFailedError",
    "SecurityDisabledError",
    "SnapshotNotFoundError",
    "StaleMemberEpochError",
    "TelemetryTooLargeError",
    "TopicAlreadyExistsError",
    "TopicAuthorizationFailedError",
    "TopicDeletionDisabledError",
    "TransactionAbortableError",
    "TransactionAbortedError",
    "TransactionCoordinatorFencedError",
    "TransactionalIdAuthorizationFailedError",
    "TransactionalIdNotFoundError",
    "UnacceptableCredentialError",
    "UnknownControllerIdError",
    "UnknownError",
    "UnknownSubscriptionIdError",
    "UnrecognizedBrokerVersion",
    "UnreleasedInstanceIdError",
    "UnsupportedAssignorError",
    "UnsupportedCodecError",
    "UnsupportedCompressionTypeError",
    "UnsupportedEndpointTypeError",
    "UnsupportedForMessageFormatError",
    "UnsupportedSaslMechanismError",
    "UnsupportedVersionError",
    "VoterNotFoundError",
]
"""Rights, versions, settings, or a client that has given up for good: waiting changes nothing, a person or a new process does."""


def kinds(root: Any = KafkaError) -> Iterator[Any]:
    for child in root.__subclasses__():
        yield child
        yield from kinds(child)


ALL: dict[str, Any] = {kind.__name__: kind for kind in kinds() if kind.__module__.partition(".")[0] == "kafka"}


def test_every_error_of_kafka_has_one_meaning() -> None:
    assert Counter([*AWAY, *LOST, *TOO_LARGE, *NEVER]) == Counter(ALL.keys())


@pytest.mark.parametrize("name", AWAY)
def test_what_passes_by_itself_defers_the_event(name: str) -> None:
    with pytest.raises(Deferred, match=f"kafka: {name}"), kafka_errors():
        raise error(name)


@pytest.mark.parametrize("name", [*LOST, *TOO_LARGE])
def test_what_the_caller_has_an_answer_to_is_left_to_it(name: str) -> None:
    with pytest.raises(ALL[name]), kafka_errors():
        raise error(name)


def test_what_waiting_does_not_change_stops_the_process() -> None:
    assert [name for name in NEVER if not isinstance(classify(error(name)), ContractError)] == []


def test_what_is_none_of_kafkas_errors_passes_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), kafka_errors():
        raise ZeroDivisionError


def test_words_of_the_caller_stand_in_for_what_a_person_has_to_change_alone() -> None:
    def words(_error: KafkaError) -> ContractError:
        return ContractError("give it the right")

    assert str(classify(error("TopicAuthorizationFailedError"), words)) == "give it the right"
    assert isinstance(classify(error("KafkaTimeoutError"), words), Unavailable)
    assert classify(error("CommitFailedError"), words) is None


def test_a_missing_right_on_a_topic_is_named_with_it() -> None:
    with pytest.raises(ContractError, match="this user may not Read t: allow it Read on the topic"), allowed("t", "Read"):
        raise error("TopicAuthorizationFailedError")


def error(name: str) -> KafkaError:
    return LogTruncationError({}) if name == "LogTruncationError" else ALL[name]()
