"""Settings that say how Tocsin reaches Kafka, the FHIR server, Redis and Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin.settings.values import BaseUrl, BearerToken, Endpoint, Group, ProxyUrl, RedisUrl


class KafkaSettings(Group):
    """How Tocsin reaches Kafka, the hospital's bus, and what its topics are called."""

    bootstrap_servers: str = Field(
        "localhost:9092", pattern=r"^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$", description="host:port of one or more brokers, comma-separated."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Protocol that the brokers speak at these addresses."
    )
    tls_ca_file: Path | None = Field(None, description="PEM file of the authorities that may vouch for a broker; unset: the system's.")
    tls_certificate_file: Path | None = Field(None, description="PEM file of Tocsin's own certificate, where brokers ask for one.")
    tls_key_file: Path | None = Field(
        None, description="PEM file of that certificate's key, without a passphrase; unset: the certificate's file."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(None, description="SASL mechanism; unset: none.")
    sasl_username: str | None = Field(None, description="SASL user.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    group_id: str = Field("tocsin", description="Consumer group; processes that share it share the partitions.")
    topic_imaging: str = Field("imaging.events.v1", description="Topic the imaging events are read from.")
    topic_flags: str = Field("tocsin.flags.v1", description="Topic the flag events are written to.")
    topic_dead_letters: str = Field("imaging.events.v1.dead-letters", description="Topic refused events are written to.")
    topic_backfill: str = Field(
        "tocsin.backfill.v1", description="Topic of imaging events that Tocsin announces itself; consumers judge live ones first."
    )
    topic_replays: str = Field("tocsin.replays.v1", description="Topic that remembers which dead letters were replayed.")
    topic_backfills: str = Field("tocsin.backfills.v1", description="Topic that remembers how far each backfill has come.")
    topic_notices: str = Field("tocsin.notices.v1", description="Topic that remembers of which unread flags people were told.")
    topic_verdicts: str = Field("tocsin.verdicts.v1", description="Topic of what clinicians did with reports, and of what became of it.")
    topic_feedback: str = Field("tocsin.feedback.v1", description="Topic of what EHRs tell of cards that were answered.")
    group_instance_id: str | None = Field(
        None,
        description="Name of this process within its group, kept across restarts (a StatefulSet's pod name); a restart within "
        "session_timeout_ms then moves no partition. Unset: a new member each time.",
    )
    replication_factor: PositiveInt | None = Field(
        None,
        description="Copies of each topic, for a pilot whose bus has fewer brokers than the topics' files want; unset: as the files say.",
    )
    session_timeout_ms: PositiveInt = Field(10_000, description="A consumer that sends no heartbeat for this long loses its partitions.")
    poll_silence_max_s: PositiveFloat = Field(
        90.0, description="A member that heartbeats but polls nothing for this long leaves its group; a rebalance waits no longer for it."
    )
    poll_wait_ms: PositiveInt = Field(
        500,
        description="Longest wait of one poll for new events when nothing is in flight, and between two polls of a process that is full.",
    )
    poll_records_max: PositiveInt = Field(64, description="Most events taken in one poll.")
    connect_timeout_s: PositiveFloat = Field(30.0, description="Longest wait for the first broker to answer.")
    reconnect_wait_max_s: PositiveFloat = Field(1.0, description="Longest pause between two tries to reach a broker that is away.")
    commit_timeout_s: PositiveFloat = Field(5.0, description="Longest wait for a commit of positions.")
    read_timeout_s: PositiveFloat = Field(15.0, description="Longest wait for the next records while a topic is read as it stands.")
    send_timeout_s: PositiveFloat = Field(15.0, description="Longest wait for Kafka to acknowledge a flag or dead letter.")
    send_linger_ms: int = Field(
        0,
        ge=0,
        description="How long a send waits for others to share its request, and every flag with it. Sends that come while others are "
        "under way share one in any case.",
    )
    unpacked_bytes_max: PositiveInt = Field(
        33_554_432,
        description="A compressed batch that unpacks to more is read record by record; one larger than 1/8 of this is dead-lettered.",
    )
    topics_look_every_s: PositiveFloat = Field(
        30.0, description="How often Tocsin looks whether a topic has more partitions, or was deleted and created again."
    )
    transaction_open_max_s: PositiveFloat = Field(
        120.0,
        description="Tocsin warns, in the log and by /ready, of a producer's transaction that stays open and holds events back for longer.",
    )
    send_bytes_max: PositiveInt = Field(3_145_728, description="Largest record sent; a dead letter carries its event in base64.")


class FhirSettings(Group):
    """How Tocsin reaches the hospital's FHIR R4 server."""

    base_url: BaseUrl = Field(
        "http://localhost:8080/fhir",
        description="Base address of the FHIR R4 API. End it with a slash where the server takes transactions at that address alone.",
    )
    also_known_as: tuple[BaseUrl, ...] = Field(
        (), description="Other base addresses by which this same server names its own resources, such as that behind a gateway."
    )
    bearer_token: BearerToken | None = Field(None, description="Token that Tocsin sends to this server only; unset: none.")
    bearer_token_file: Path | None = Field(
        None, description="File that holds the token instead, read again whenever it changes: for tokens that expire and are renewed."
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for this server, and no others; unset: the system's."
    )
    proxy_url: ProxyUrl | None = Field(
        None, description="Proxy to this server, http(s)://[user:password@]host:port; unset: none, whatever http_proxy and its kin say."
    )
    connect_timeout_s: PositiveFloat = Field(3.0, description="Longest wait for a connection.")
    request_timeout_s: PositiveFloat = Field(20.0, description="Longest wait for a whole answer, from the start of the request.")
    answer_bytes_max: PositiveInt = Field(67_108_864, description="Largest answer that Tocsin reads, in bytes after unpacking.")

    @model_validator(mode="after")
    def _one_token(self) -> FhirSettings:
        if self.bearer_token is not None and self.bearer_token_file is not None:
            raise ValueError("TOCSIN_FHIR__BEARER_TOKEN and TOCSIN_FHIR__BEARER_TOKEN_FILE are both set; keep one of them")
        return self


class RedisSettings(Group):
    """How Tocsin reaches Redis, Celery's broker and the place of sessions. Losing it harms nothing: readers log in again."""

    url: RedisUrl = Field(
        SecretStr("redis://localhost:6379/0"),
        description="Address, with the password where there is one; rediss:// over TLS, whose certificate and host name are verified.",
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the only authorities that may vouch for Redis; unset: the system's. Needs rediss://."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of Tocsin's own certificate, where Redis asks for one; with tls_key_file."
    )
    tls_key_file: Path | None = Field(None, description="PEM file of that certificate's key, not encrypted.")
    connect_timeout_s: PositiveFloat = Field(3.0, description="Longest wait for a connection, or for one answer.")
    reconnect_wait_max_s: PositiveFloat = Field(3.0, description="Longest pause between two tries to reach Redis while it is away.")
    silence_max_s: PositiveFloat = Field(5.0, description="Tocsin probes a connection over which nothing came for this long.")

    @model_validator(mode="after")
    def _whole(self) -> RedisSettings:
        files = (self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)
        if any(files) and urlsplit(self.url.get_secret_value()).scheme != "rediss":
            raise ValueError("TOCSIN_REDIS__TLS_* files are of no use without TLS: TOCSIN_REDIS__URL must begin with rediss://")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("TOCSIN_REDIS__TLS_CERTIFICATE_FILE and TOCSIN_REDIS__TLS_KEY_FILE must be set together")
        return self


class TritonSettings(Group):
    """How Tocsin reaches Triton, the model server."""

    grpc_url: Endpoint = Field("localhost:8001", description="host:port of Triton's gRPC endpoint.")
    timeout_s: PositiveFloat = Field(10.0, description="Longest wait for one answer.")
    tls: bool = Field(False, description="Whether Tocsin speaks to Triton over TLS, and then verifies its certificate and host name.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the only authorities that may vouch for Triton; unset: the system's. Needs tls."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of Tocsin's own certificate, where Triton asks for one; with tls_key_file."
    )
    tls_key_file: Path | None = Field(None, description="PEM file of that certificate's key, not encrypted.")

    @model_validator(mode="after")
    def _whole(self) -> TritonSettings:
        if any((self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)) and not self.tls:
            raise ValueError("TOCSIN_TRITON__TLS_* files are of no use without TLS: set TOCSIN_TRITON__TLS=true")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("TOCSIN_TRITON__TLS_CERTIFICATE_FILE and TOCSIN_TRITON__TLS_KEY_FILE must be set together")
        return self
