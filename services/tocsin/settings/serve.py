"""Settings that say how `tocsin serve` meets clinicians, and whose word it takes for who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from tocsin.settings.values import BaseUrl, Group, Origin, ProxyUrl, TimeZone

RoleName = Literal["reader", "lead", "operator"]
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that no other machine reaches, where alone plain http is taken."""

SCOPES: Final = (
    "openid", "fhirUser", "user/DiagnosticReport.rs", "user/Observation.rs", "user/Media.rs", "user/Binary.rs", "user/Patient.rs",
    "user/Practitioner.rs", "user/Provenance.rs",
)  # fmt: skip
"""What the pages read, in the words of SMART App Launch 2.2."""


def _private(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValueError("an address that tokens go to begins with https://, but on this machine itself (127.0.0.1)")
    return value


IssuerUrl = Annotated[BaseUrl, AfterValidator(_private), AfterValidator(lambda value: value.rstrip("/"))]
PublicOrigin = Annotated[Origin, AfterValidator(_private)]


class IssuerSettings(Group):
    """One FHIR server whose EHR launches Tocsin's pages: how Tocsin is registered there, and what its clinicians may do."""

    client_id: str = Field(min_length=1, max_length=256, pattern=r"^[!-~]+$", description="Client id that the EHR gave Tocsin.")
    client_secret_file: Path | None = Field(
        None, description="File that holds the client's secret, read again whenever it changes; unset: none."
    )
    private_key_file: Path | None = Field(
        None,
        description="PEM file of the key that proves who Tocsin is (private_key_jwt): RSA signs RS384, EC P-384 ES384; unset: none.",
    )
    private_key_id: str | None = Field(None, description="Key id (kid) under which the EHR knows that key.")
    title: str = Field("", max_length=80, description="What a clinician calls this record, where they have to choose; empty: its host.")
    also_known_as: tuple[BaseUrl, ...] = Field((), description="Other base addresses by which this server names its own resources.")
    scopes: tuple[str, ...] = Field(
        SCOPES, description="Scopes that are asked for and needed, but for launch, which depends on how the launch began."
    )
    frame_origins: tuple[Origin, ...] = Field(
        (), description="Web origins whose pages may frame Tocsin's; none: it opens in a window of its own."
    )
    roles_claim: str | None = Field(
        None, description="Claim of the id_token that says what a clinician may do, with dots for what lies within; unset: all are readers."
    )
    roles: dict[RoleName, tuple[str, ...]] = Field(
        {}, description="Role -> values of that claim, any of which gives it. Whoever has none of them is turned away."
    )

    @model_validator(mode="after")
    def _whole(self) -> IssuerSettings:
        if self.client_secret_file is not None and self.private_key_file is not None:
            raise ValueError("client_secret_file and private_key_file are both set: keep one of them")
        if (self.private_key_file is None) != (self.private_key_id is None):
            raise ValueError("private_key_file and private_key_id are set together")
        if (self.roles_claim is None) != (not self.roles):
            raise ValueError("roles_claim and roles are set together")
        return self


class ServeSettings(Group):
    """How `tocsin serve` shows flags to clinicians: where it listens, how long a session lasts, and which EHRs may launch it."""

    host: str = Field("127.0.0.1", description="Address that the pages listen on; 0.0.0.0 behind a proxy that speaks TLS.")
    port: int = Field(8443, ge=0, le=65535, description="Port that the pages listen on; 0: any free one, which the log names.")
    public_url: PublicOrigin = Field(
        "http://127.0.0.1:8443",
        description="Address by which browsers reach the pages, https://host[:port] but on this machine itself; EHRs are told it.",
    )
    issuers: dict[IssuerUrl, IssuerSettings] = Field(
        {},
        description='FHIR servers whose EHR may launch the pages, as JSON: {"https://ehr.example.org/fhir": {"client_id": "tocsin"}}.',
        examples=[{"https://ehr.example.org/fhir": {"client_id": "tocsin"}}],
    )
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for these issuers, and no others; unset: the system's."
    )
    proxy_url: ProxyUrl | None = Field(
        None, description="Proxy to these issuers, http(s)://[user:password@]host:port; unset: none, whatever http_proxy and its kin say."
    )
    issuer_timeout_s: PositiveFloat = Field(10.0, description="Longest wait for a whole answer of an issuer or of its FHIR server.")
    discovery_keep_s: PositiveFloat = Field(
        300.0, description="How long an issuer's addresses (.well-known/smart-configuration) and keys are used before they are read again."
    )
    clock_skew_s: float = Field(30.0, ge=0, le=300, description="How far an issuer's clock may be off.")
    launch_max_s: PositiveInt = Field(600, description="Longest time between a launch and the clinician's return from the EHR's log-in.")
    session_idle_s: PositiveInt = Field(900, description="A session ends when its reader asks for nothing for this long.")
    session_max_s: PositiveInt = Field(36_000, description="A session ends after this time in any case, and with its token.")
    look_keep_s: PositiveInt = Field(
        2_592_000, description="How long it is known what a reader saw before a result was shown to them, and that it was shown."
    )
    threads: PositiveInt = Field(16, le=512, description="Requests that are answered at the same time.")
    connections_max: PositiveInt = Field(512, le=65_536, description="Most open connections; further callers wait in the system's queue.")
    head_bytes_max: PositiveInt = Field(32_768, description="Largest head of a request.")
    body_bytes_max: PositiveInt = Field(262_144, description="Largest body of a request.")
    request_timeout_s: PositiveFloat = Field(20.0, description="Longest time in which a caller sends a request, and reads its answer.")
    keep_alive_s: PositiveInt = Field(75, description="How long a connection without a request stays open.")
    linger_s: float = Field(
        3.0, ge=0, description="At SIGTERM /ready fails and requests are answered for this long, so that balancers send no more of them."
    )
    drain_timeout_s: PositiveFloat = Field(10.0, description="Longest wait, after that, for requests under way.")
    requests_per_minute_max: PositiveInt = Field(600, description="Most requests of one session in a minute; further ones are refused.")
    caller_requests_per_minute_max: PositiveInt = Field(
        6000, description="Most requests of one address in a minute; many readers may stand behind one address."
    )
    caller_launches_per_minute_max: PositiveInt = Field(300, description="Most launches from one address in a minute.")
    launches_per_minute_max: PositiveInt = Field(
        3000, description="Most launches in a minute, whoever begins them: each takes a kilobyte of Redis for launch_max_s at most."
    )
    proxies: int = Field(
        0, ge=0, le=8, description="Proxies of the site's own before the pages, each of which adds to X-Forwarded-For whom it was asked by."
    )
    language: Literal["en", "de"] = Field("en", description="Language where a clinician's own is not known.")
    time_zone: TimeZone = Field("UTC", description="Time zone (IANA) of times on pages, documents and in reports.")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone in which clinicians are told times."""
        return ZoneInfo(self.time_zone)

    @model_validator(mode="after")
    def _in_order(self) -> ServeSettings:
        if self.session_idle_s > self.session_max_s:
            raise ValueError("TOCSIN_SERVE__SESSION_IDLE_S must not be above TOCSIN_SERVE__SESSION_MAX_S")
        if self.look_keep_s < self.session_max_s:
            raise ValueError("TOCSIN_SERVE__LOOK_KEEP_S must not be below TOCSIN_SERVE__SESSION_MAX_S")
        return self
