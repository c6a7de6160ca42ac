"""Every number and address Tocsin runs by: one frozen tree, read from TOCSIN_* variables and nowhere else.

`TOCSIN_KAFKA__GROUP_ID=x` sets `kafka.group_id`; lists are JSON (`TOCSIN_IMAGE__URL_ORIGINS_ALLOWED='["https://pacs.example.org"]'`).
A secret may stand in a file: `TOCSIN_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka`. Reading settings touches no network and no other file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin import environment


def _without_space(value: str) -> str:
    """urlsplit takes line ends away without a word."""
    if value != "".join(value.split()) or not value.isprintable():
        raise ValueError("an address has neither white space nor line ends")
    return value


def _endpoint(value: str) -> str:
    if re.fullmatch(r"(?:dns:///)?(?:[^\s/:\[\]@]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", value) is None:
        raise ValueError("a gRPC address is host:port, without http:// or https://; for example triton:8001")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    surplus = parts.path not in ("", "/") or "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or surplus or not value.isascii() or not parts.netloc.isprintable():
        raise ValueError("an origin is scheme://host or scheme://host:port in ASCII, for example https://pacs.example.org")
    own_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(own_port)}"


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username or parts.query or parts.fragment:
        raise ValueError("a base address is http(s)://host[:port]/path without user, query or fragment")
    return value.rstrip("/") + ("/" if value.endswith("/") else "")


def _token(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isascii() or not value.get_secret_value().isprintable() or " " in value.get_secret_value():
        raise ValueError("a bearer token has neither spaces nor line ends (RFC 6750, 2.1)")
    return value


def _proxy_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        sound = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/") and not parts.query
        )
    except ValueError:  # its words repeat a piece of the address, which may be the password's
        sound = False
    if not sound:
        raise ValueError("a proxy is http(s)://[user:password@]host:port")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(_without_space(value.get_secret_value()))
        sound = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:  # its words repeat a piece of the address, which may be the password's
        sound = False
    if not sound or re.fullmatch(r"(?:/[0-9]{0,9})?", parts.path) is None:
        raise ValueError(
            "an address is redis://[user:password@]host[:port]/number, or rediss:// over TLS; options stand in TOCSIN_REDIS__* alone; in a "
            "user or password write / as %2F, # as %23, ? as %3F and @ as %40"
        )
    return value


def _header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("a header's value is one line of ASCII text")
    return value


HeaderValue = Annotated[SecretStr, AfterValidator(_header_value)]
BearerToken = Annotated[SecretStr, AfterValidator(_token)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
Origin = Annotated[str, AfterValidator(_without_space), AfterValidator(_origin)]
BaseUrl = Annotated[str, AfterValidator(_without_space), AfterValidator(_base_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Group):
    """The hospital's bus."""

    bootstrap_servers: str = Field(
        "localhost:9092", pattern=r"^[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*$", description="host:port of one or more brokers, comma-separated."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How brokers are spoken to."
    )
    tls_ca_file: Path | None = Field(None, description="PEM file of the authorities that may vouch for a broker; unset: the system's.")
    tls_certificate_file: Path | None = Field(None, description="PEM file of this client's certificate, for brokers that want to see one.")
    tls_key_file: Path | None = Field(None, description="PEM file of its key, without a passphrase; unset: the certificate's file.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(None, description="SASL mechanism; unset: none.")
    sasl_username: str | None = Field(None, description="SASL user.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")
    group_id: str = Field("tocsin", description="Consumer group; processes that share it share the partitions.")
    topic_imaging: str = Field("imaging.events.v1", description="Topic the imaging events are read from.")
    topic_flags: str = Field("tocsin.flags.v1", description="Topic the flag events are written to.")
    topic_dead_letters: str = Field("imaging.events.v1.dead-letters", description="Topic refused events are written to.")
    topic_backfill: str = Field(
        "tocsin.backfill.v1", description="Topic of imaging events that Tocsin announces itself; live ones go before them."
    )
    topic_replays: str = Field("tocsin.replays.v1", description="Topic that remembers which dead letters were replayed.")
    topic_backfills: str = Field("tocsin.backfills.v1", description="Topic that remembers how far each backfill has come.")
    group_instance_id: str | None = Field(
        None,
        description="Name of this process within its group, kept across restarts (a StatefulSet's pod name); a restart within "
        "session_timeout_ms then moves no partition. Unset: a new member each time.",
    )
    replication_factor: PositiveInt | None = Field(
        None, description="Copies of each topic, for a pilot's bus that has fewer brokers than the topics' files want; unset: as they say."
    )
    session_timeout_ms: PositiveInt = Field(10_000, description="A silent consumer loses its partitions after this time.")
    poll_silence_max_s: PositiveFloat = Field(
        90.0, description="A member that heartbeats but takes nothing for this time leaves its group; a rebalance waits no longer for one."
    )
    poll_wait_ms: PositiveInt = Field(200, description="Longest wait of one poll for new events when nothing is in flight.")
    poll_records_max: PositiveInt = Field(64, description="Most events taken in one poll.")
    connect_timeout_s: PositiveFloat = Field(30.0, description="Longest wait for the first broker to answer.")
    reconnect_wait_max_s: PositiveFloat = Field(1.0, description="Longest pause between two tries to reach a broker that is away.")
    commit_timeout_s: PositiveFloat = Field(5.0, description="Longest wait for a commit of positions.")
    read_timeout_s: PositiveFloat = Field(15.0, description="Longest wait for the next records while a topic is read as it stands.")
    send_timeout_s: PositiveFloat = Field(15.0, description="Longest wait for Kafka to acknowledge a flag or dead letter.")
    send_linger_ms: int = Field(20, ge=0, description="How long sends wait for company; fewer, larger requests cost less CPU.")
    unpacked_bytes_max: PositiveInt = Field(
        33_554_432,
        description="A compressed batch that unpacks to more is read record by record; one larger than 1/8 of this is dead-lettered.",
    )
    topics_look_every_s: PositiveFloat = Field(
        30.0, description="How often it is looked whether a topic has more partitions, or was deleted and made anew."
    )
    transaction_open_max_s: PositiveFloat = Field(
        120.0, description="A producer's open transaction that holds events back for longer is said, by /ready too."
    )
    send_bytes_max: PositiveInt = Field(3_145_728, description="Largest record sent; a dead letter carries its event in base64.")


class ConsumeSettings(_Group):
    """The hot path."""

    workers: PositiveInt = Field(8, description="Journeys that run at the same time in one process.")
    in_flight_max: PositiveInt = Field(64, description="Events handed to the workers; beyond it the partitions are paused.")
    held_max: PositiveInt = Field(512, description="Events held in memory, also those that wait; beyond it the partitions are paused.")
    commit_interval_s: PositiveFloat = Field(1.0, description="How often finished positions are committed.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running journeys at SIGTERM.")
    attempts_max: PositiveInt = Field(6, description="Failed attempts of one event while its neighbours serve others; then a dead letter.")
    give_up_after_s: float = Field(300.0, ge=0, description="No event is given up sooner than this after its first failure.")
    retry_initial_s: PositiveFloat = Field(0.5, description="Longest first pause before an event is tried again.")
    retry_max_s: PositiveFloat = Field(30.0, description="Longest pause between two attempts, Retry-After included.")
    outage_budget_s: PositiveFloat = Field(
        3600.0, description="No event ends for this long while some wait: the process stops, places kept."
    )
    turn_max_s: PositiveFloat | None = Field(
        None,
        description="The loop has not moved for this long: the process ends, so that its supervisor starts another. Unset: its longest "
        "wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    wedged_after_s: PositiveFloat | None = Field(
        None,
        description="A journey has had no answer of a server for this long: the process ends, so that its supervisor starts another. "
        "Unset: its longest wait, and a minute. Lower values mistake a slow neighbour for a defect.",
    )
    commit_overdue_s: PositiveFloat = Field(
        120.0, description="No commit was taken for this long although the bus answers and there is one to make: not live."
    )
    circuit_failures_max: PositiveInt = Field(
        3, description="Failures of a neighbour in a row after which nothing is asked of it but one probe at a time; partitions are paused."
    )
    deaths_max: PositiveInt = Field(
        3, description="Deaths of the process with one event alone in hand; then it is dead-lettered as poison."
    )
    dead_letter_window_s: PositiveFloat = Field(600.0, description="Over how long dead letters are counted.")
    dead_letter_count_max: PositiveInt = Field(50, description="More dead letters within the window than this...")
    dead_letter_share_max: float = Field(
        0.5, gt=0, le=1, description="...that are more than this share of all endings: nothing more is taken in until a restart."
    )


class ReplaySettings(_Group):
    """Dead letters that are tried again."""

    replays_max: PositiveInt = Field(5, description="Replays of one event, by operators and by Tocsin together; beyond it none is sent.")


class FhirSettings(_Group):
    """The hospital's FHIR R4 server."""

    base_url: BaseUrl = Field(
        "http://localhost:8080/fhir",
        description="Base address of the FHIR R4 API. End it with a slash where the server takes transactions at that address alone.",
    )
    also_known_as: tuple[BaseUrl, ...] = Field(
        (), description="Other base addresses by which this same server names its own resources, such as that behind a gateway."
    )
    bearer_token: BearerToken | None = Field(None, description="Token sent to this server only; absent means none is sent.")
    bearer_token_file: Path | None = Field(
        None, description="File that holds the token instead, read again whenever it changes: for tokens that expire and somebody renews."
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for this server, and no others; unset: the system's."
    )
    proxy_url: ProxyUrl | None = Field(
        None, description="Proxy to this server, http(s)://[user:password@]host:port; unset: none, whatever http_proxy and its kin say."
    )
    connect_timeout_s: PositiveFloat = Field(3.0, description="Longest wait for a connection.")
    request_timeout_s: PositiveFloat = Field(20.0, description="Longest whole request.")
    answer_bytes_max: PositiveInt = Field(67_108_864, description="Largest answer read, unpacked.")

    @model_validator(mode="after")
    def _one_token(self) -> FhirSettings:
        if self.bearer_token is not None and self.bearer_token_file is not None:
            raise ValueError("TOCSIN_FHIR__BEARER_TOKEN and TOCSIN_FHIR__BEARER_TOKEN_FILE are both set; keep one of them")
        return self


class RedisSettings(_Group):
    """Celery's broker. It may burn: what it holds is made again from Kafka and the FHIR server."""

    url: RedisUrl = Field(
        SecretStr("redis://localhost:6379/0"),
        description="Address, with the password where there is one; rediss:// over TLS, whose certificate and host name are verified.",
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the only authorities that may vouch for Redis; unset: the system's. Wants rediss://."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of our own certificate, where Redis asks for one; with tls_key_file."
    )
    tls_key_file: Path | None = Field(None, description="PEM file of that certificate's key, not encrypted.")
    connect_timeout_s: PositiveFloat = Field(3.0, description="Longest wait for a connection, or for one answer.")
    reconnect_wait_max_s: PositiveFloat = Field(3.0, description="Longest pause between two tries to reach Redis while it is away.")
    silence_max_s: PositiveFloat = Field(5.0, description="A connection over which nothing came for this long is looked after.")

    @model_validator(mode="after")
    def _whole(self) -> RedisSettings:
        files = (self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)
        if any(files) and urlsplit(self.url.get_secret_value()).scheme != "rediss":
            raise ValueError("TOCSIN_REDIS__TLS_* files are of no use without TLS: TOCSIN_REDIS__URL must begin with rediss://")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("TOCSIN_REDIS__TLS_CERTIFICATE_FILE and TOCSIN_REDIS__TLS_KEY_FILE are wanted together")
        return self


class WorkSettings(_Group):
    """What is long, scheduled or fanned out: `tocsin work` and `tocsin beat`."""

    processes: PositiveInt = Field(2, description="Tasks that run at the same time in one `tocsin work`.")
    task_timeout_s: PositiveFloat = Field(90.0, description="A task is told to end after this time; what it has not done comes next time.")
    task_kill_after_s: PositiveFloat = Field(120.0, description="The process of a task that did not end is killed after this time.")
    visibility_timeout_s: PositiveInt = Field(
        200,
        description="A task whose worker died is handed out again after this time. Longer than task_kill_after_s and backfill.pause_max_s "
        "together: a task that a worker still holds would be handed out a second time.",
    )
    restore_every_s: PositiveFloat = Field(5.0, description="How often a worker looks for tasks whose worker died.")
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for running tasks at SIGTERM; one broken off is done again.")
    waiting_max: PositiveInt = Field(100, description="Tasks that may wait in one queue; the scheduler adds none to a longer one.")
    silence_max_s: PositiveFloat = Field(
        60.0,
        description="While Redis answers: longest time without a turn of the loop, or with tasks that wait and a worker that takes none.",
    )
    state_folder: Path | None = Field(
        None, description="Where `tocsin beat` remembers what it has sent, over restarts; unset: nowhere. Its loss is harmless."
    )
    redrive_every_s: PositiveFloat = Field(60.0, description="How often transient dead letters are looked through.")
    redrive_window_s: PositiveFloat = Field(604_800.0, description="Dead letters that are older are left to operators.")
    redrive_batch_max: PositiveInt = Field(100, description="Dead letters replayed in one go, the oldest first.")
    redrive_initial_s: PositiveFloat = Field(600.0, description="Pause before the first redrive; each further one waits twice as long.")
    redrive_max_s: PositiveFloat = Field(21_600.0, description="Longest pause before a redrive.")
    redrive_replays_max: PositiveInt = Field(
        4, description="An event replayed this often, by whomever, is not redriven; below replays_max some replays are left to operators."
    )
    reconcile_every_s: PositiveFloat = Field(3600.0, description="How often the record is compared with what Tocsin announced.")
    resume_every_s: PositiveFloat = Field(60.0, description="How often backfills that stand still are taken up again.")

    @model_validator(mode="after")
    def _in_order(self) -> WorkSettings:
        if not self.task_timeout_s < self.task_kill_after_s < self.visibility_timeout_s:
            raise ValueError("task_timeout_s must be below task_kill_after_s, and that below visibility_timeout_s")
        return self


class BackfillSettings(_Group):
    """Pictures that the record holds already, announced little by little."""

    per_second: PositiveFloat = Field(5.0, description="Pictures announced each second, evenly, unless a backfill is given its own.")
    page_media: PositiveInt = Field(50, description="Most Media read and announced in one step; fewer where their rate is low.")
    settle_s: float = Field(60.0, ge=0, description="Media changed more recently are read last: clocks differ, and commits come late.")
    lag_max: PositiveInt = Field(500, description="Announced pictures that may wait for `tocsin consume`; while more do, none is added.")
    lag_wait_s: PositiveFloat = Field(10.0, description="Pause before a backfill that waits for `tocsin consume` looks again.")
    pause_max_s: PositiveFloat = Field(60.0, description="Longest pause for which a worker holds a step; longer ones are told in parts.")
    stale_after_s: PositiveFloat = Field(60.0, description="A backfill whose step is overdue for this long is taken up again.")
    modality: tuple[str, ...] | None = Field(
        None,
        description="Modalities that backfill and reconciliation look for, as JSON: system|code or code, `absent` where a Media states "
        "none; []: all. Unset: those of the model card, and `absent` where TOCSIN_IMAGE__MODALITY_WHEN_ABSENT is one of them.",
    )


class ReconcileSettings(_Group):
    """The record compared with what Tocsin announced."""

    window_s: PositiveFloat = Field(
        86_400.0, description="How far back pictures, reports and flags are compared again and again; further where a comparison came late."
    )
    catch_up_s: PositiveFloat = Field(
        1_209_600.0,
        description="How far back a comparison that comes late goes. Below the retention of the flag topic: a report whose flag is deleted "
        "would be told again.",
    )
    grace_s: PositiveFloat = Field(900.0, description="What is younger is left alone: its journey may be under way.")
    batch_max: PositiveInt = Field(1000, description="Pictures announced again in one go, the oldest first; the rest come next time.")
    slice_max: PositiveInt = Field(
        10_000, description="Pictures, reports or flags compared together, the oldest first; bounds what is held in memory."
    )
    run_s: PositiveFloat = Field(
        60.0, description="No further slice is begun that would end later than this; the next run goes on there. Below work.task_timeout_s."
    )

    @model_validator(mode="after")
    def _in_order(self) -> ReconcileSettings:
        if not self.grace_s < self.window_s <= self.catch_up_s:
            raise ValueError("grace_s must be below window_s, and that not above catch_up_s")
        return self


class MetricsSettings(_Group):
    """Where a process says how it is: GET /live and /ready."""

    host: str = Field("0.0.0.0", description="Address listened on; supervisors ask from outside, and nothing said there names a patient.")
    port: int = Field(9464, ge=0, le=65535, description="Port listened on; 0: any free one, named in the log.")
    ping_every_s: PositiveFloat = Field(5.0, description="How old what is said of a neighbour may be.")


PIXELS_MAX_MOST: Final = 500_000_000
"""Whatever image.pixels_max may be set to: 4 bytes a pixel stay below 2 ** 31, in which decoders count."""


class OriginCredentials(_Group):
    """What one server that holds pictures asks for: a user and password (Basic), a bearer token, or a header of its own."""

    username: str | None = Field(None, pattern=r"^[^:\x00-\x1f]+$", description="User, with password or password_file.")
    password: SecretStr | None = Field(None, description="Password.")
    password_file: Path | None = Field(None, description="File that holds it, read again whenever it changes.")
    bearer_token: BearerToken | None = Field(None, description="Token.")
    bearer_token_file: Path | None = Field(None, description="File that holds it, read again whenever it changes.")
    header_name: str | None = Field(None, pattern=r"^[A-Za-z0-9-]{1,64}$", description="Header, with header_value or header_value_file.")
    header_value: HeaderValue | None = Field(None, description="What the header says.")
    header_value_file: Path | None = Field(None, description="File that holds it, read again whenever it changes.")

    @model_validator(mode="after")
    def _one_kind(self) -> OriginCredentials:
        secrets = [name for name in ("password", "bearer_token", "header_value") for _ in self._given(name)]
        named = {"password": self.username is not None, "bearer_token": True, "header_value": self.header_name is not None}
        others = (self.username is not None) + (self.header_name is not None)
        if len(secrets) != 1 or not named[secrets[0]] or others > (secrets[0] != "bearer_token"):
            raise ValueError(
                "credentials are username with password or password_file, or bearer_token or bearer_token_file, or header_name with "
                "header_value or header_value_file"
            )
        return self

    def _given(self, name: str) -> list[object]:
        return [each for each in (getattr(self, name), getattr(self, f"{name}_file")) if each is not None]


Modality = Annotated[str, Field(pattern=r"^[^\s|,]*\|[^\s|,]+$", max_length=256)]


class ImageSettings(_Group):
    """Which pictures are taken in."""

    url_origins_allowed: tuple[Origin, ...] = Field(
        (), description="Origins besides the FHIR server that pictures may be fetched from, also where a redirect leads."
    )
    origin_credentials: dict[Origin, OriginCredentials] = Field(
        {},
        description='What an allowed origin asks for, as JSON: {"https://pacs.example.org": {"username": "tocsin", "password_file": '
        '"/run/secrets/pacs"}}. Sent to that origin alone, and never after a redirect to it.',
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for these origins, and no others; unset: the system's."
    )
    proxy_url: ProxyUrl | None = Field(
        None, description="Proxy to these origins, http(s)://[user:password@]host:port; unset: none, whatever http_proxy and its kin say."
    )
    check_urls: tuple[str, ...] = Field(
        (), description="Addresses of pictures that `tocsin check` fetches as a journey would, best one at each allowed origin."
    )
    content_bytes_max: PositiveInt = Field(33_554_432, description="Largest attachment, in bytes.")
    pixels_max: int = Field(
        50_000_000,
        gt=0,
        le=PIXELS_MAX_MOST,
        description="Largest picture, in pixels; a larger one is refused before it is decoded. No more than 500,000,000 are possible.",
    )
    in_flight_bytes_max: PositiveInt = Field(
        536_870_912,
        description="Most bytes of pictures that one process looks at together; a larger one is alone. Each counts its attachment "
        "and what unfolding takes: of a JPEG 4 bytes a pixel, 7 where it is turned, 10 where it is progressive, at most 13; of a PNG 8 and "
        "its attachment again. Besides, each worker may hold one answer of the FHIR server (fhir.answer_bytes_max) and the attachment that "
        "was in it.",
    )
    in_flight_wait_s: PositiveFloat = Field(
        30.0, description="Longest wait of a picture for room among the others; its event is tried again later."
    )
    modalities_also_accepted: tuple[Modality, ...] = Field(
        (),
        description="Codes by which this site calls the pictures that the model card accepts, as JSON: system|code, or |code where they "
        'have no system (for example ["http://snomed.info/sct|446082006"]). Every picture that carries one is judged.',
    )
    modality_when_absent: str | None = Field(
        None,
        description="DICOM modality code this site vouches for where a Media states none (for example DMS); unset: not assessable.",
    )

    @model_validator(mode="after")
    def _credentials_of_allowed(self) -> ImageSettings:
        if set(self.origin_credentials) - set(self.url_origins_allowed):
            raise ValueError("each origin of TOCSIN_IMAGE__ORIGIN_CREDENTIALS must be one of TOCSIN_IMAGE__URL_ORIGINS_ALLOWED")
        return self


class TritonSettings(_Group):
    """The model server."""

    grpc_url: Endpoint = Field("localhost:8001", description="host:port of Triton's gRPC endpoint.")
    timeout_s: PositiveFloat = Field(10.0, description="Longest wait for one answer.")
    tls: bool = Field(False, description="Whether Triton is spoken to over TLS; its certificate and host name are then verified.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the only authorities that may vouch for Triton; unset: the system's. Wants tls."
    )
    tls_certificate_file: Path | None = Field(
        None, description="PEM file of our own certificate, where Triton asks for one; with tls_key_file."
    )
    tls_key_file: Path | None = Field(None, description="PEM file of that certificate's key, not encrypted.")

    @model_validator(mode="after")
    def _whole(self) -> TritonSettings:
        if any((self.tls_ca_file, self.tls_certificate_file, self.tls_key_file)) and not self.tls:
            raise ValueError("TOCSIN_TRITON__TLS_* files are of no use without TLS: set TOCSIN_TRITON__TLS=true")
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("TOCSIN_TRITON__TLS_CERTIFICATE_FILE and TOCSIN_TRITON__TLS_KEY_FILE are wanted together")
        return self


class ModelSettings(_Group):
    """The model and what is known of it."""

    card: Path = Field(Path("deploy/triton/sklesion/card.yaml"), description="The model card the journey reads.")


class ReportSettings(_Group):
    """What is written into the record."""

    source: str = Field("urn:tocsin:site:local", description="URI of this installation; part of every report's identity.")
    validate_every: int = Field(100, ge=0, description="Every n-th Bundle is checked with fhir.resources before it is sent; 0: none.")


class LogSettings(_Group):
    """What is said while it runs."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line written.")
    form: Literal["json", "console"] = Field("json", description="One JSON object a line, or text for a terminal.")


class Settings(_Group):
    """Everything above, frozen."""

    kafka: KafkaSettings = KafkaSettings()
    consume: ConsumeSettings = ConsumeSettings()
    replay: ReplaySettings = ReplaySettings()
    fhir: FhirSettings = FhirSettings()
    image: ImageSettings = ImageSettings()
    triton: TritonSettings = TritonSettings()
    model: ModelSettings = ModelSettings()
    report: ReportSettings = ReportSettings()
    log: LogSettings = LogSettings()
    redis: RedisSettings = RedisSettings()
    work: WorkSettings = WorkSettings()
    metrics: MetricsSettings = MetricsSettings()
    backfill: BackfillSettings = BackfillSettings()
    reconcile: ReconcileSettings = ReconcileSettings()

    @model_validator(mode="after")
    def _in_step(self) -> Settings:
        if self.backfill.pause_max_s + self.work.task_kill_after_s >= self.work.visibility_timeout_s:
            raise ValueError(
                "TOCSIN_BACKFILL__PAUSE_MAX_S and TOCSIN_WORK__TASK_KILL_AFTER_S together must be below "
                "TOCSIN_WORK__VISIBILITY_TIMEOUT_S: a task that a worker still holds would be handed out a second time"
            )
        if self.reconcile.run_s >= self.work.task_timeout_s:
            raise ValueError(
                "TOCSIN_RECONCILE__RUN_S must be below TOCSIN_WORK__TASK_TIMEOUT_S: a run could never stop where the next is to go on"
            )
        return self


def read_settings() -> Settings:
    """The settings of this process's environment; ConfigurationError says of each wrong variable what is wrong, and what it should be."""
    return reading().settings


def reading() -> environment.Reading[Settings]:
    """The settings, and where each comes from. Raises as read_settings."""
    return environment.read(Settings, os.environ)
