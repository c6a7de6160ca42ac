"""Settings of the CDS Hooks service: which EHRs may call it, how each of them signs, and what its cards say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from tocsin.settings.values import BaseUrl, Group, Origin, ProxyUrl

Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]
"""Algorithms by which a caller may sign: none that shares a secret, and never `none` (CDS Hooks 3.0.0, "JWT Signing Algorithm")."""
ShownKind = Literal["flagged", "not-assessable", "not-flagged", "reviewed"]
Card = Literal["info", "warning", "critical"]

ORDER_CODES: Final = (
    "http://snomed.info/sct|240977001",  # Biopsy of skin (procedure)
    "http://snomed.info/sct|35646002",  # Excision of lesion of skin (procedure)
    "http://snomed.info/sct|177302005",  # Wide excision of skin lesion (procedure)
    "http://snomed.info/sct|394582007",  # Dermatology (specialty; FHIR R4, c80-practice-codes): a referral's performerType or category
    "http://loinc.org|11529-5",  # Surgical pathology study
)
"""SNOMED CT and LOINC codes of what is ordered when a skin lesion is taken out, or shown to a dermatologist."""

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Hosts that no other machine reaches, where alone plain http is taken."""


def _private(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValueError("an address that keys come from or tokens go to begins with https://, but on this machine itself (127.0.0.1)")
    return value


PrivateUrl = Annotated[BaseUrl, AfterValidator(_private)]
Line = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")]
Token = Annotated[str, Field(pattern=r"^[^\s|]*\|[^\s|]+$", max_length=256)]


class CdsIssuer(Group):
    """One EHR that may call the hooks: where its keys are, and how its tokens look. No check of a token can be switched off."""

    jku: tuple[PrivateUrl, ...] = Field(
        (), description="Addresses of its key sets (JWKS). A token that names one names one of these; only these are ever fetched."
    )
    jwks_file: Path | None = Field(None, description="File that holds its key set, where it is exchanged by hand; instead of jku.")
    audiences: tuple[Line, ...] = Field(
        (), description="What its tokens say as aud, where somebody typed that in there; unset: the address of what is called, exactly."
    )
    algorithms: tuple[Algorithm, ...] = Field(
        ("ES384", "RS384"), min_length=1, description="How it may sign. ES256 and RS256 are weaker than what CDS Hooks recommends."
    )
    subject: Line | None = Field(
        None, description="What its tokens say as sub, where it sends that (Epic: the client id); unset: anything."
    )
    tenants: tuple[Line, ...] = Field((), description="Organisations (tenant) whose calls are taken; unset: whatever is stated.")
    fhir_base_url: PrivateUrl | None = Field(
        None,
        description="Base address of its FHIR R4 server. A call's token goes there and nowhere else; unset: prefetch alone.",
    )
    also_known_as: tuple[BaseUrl, ...] = Field((), description="Other base addresses by which that server names its own resources.")
    leeway_s: float = Field(30.0, ge=0, le=300, description="How far its clock may be off.")
    age_max_s: PositiveInt = Field(300, le=3600, description="Oldest token that is taken, by its iat; no later exp makes it live longer.")

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> CdsIssuer:
        if bool(self.jku) == (self.jwks_file is not None):
            raise ValueError("an issuer has jku or jwks_file, and not both")
        return self


class CdsSettings(Group):
    """How `tocsin serve` answers CDS Hooks."""

    issuers: dict[Line, CdsIssuer] = Field(
        {},
        description="EHRs that may call the hooks, as JSON by the iss of their tokens; none: every call is refused.",
        examples=[
            {"https://ehr.example.org": {"jku": ["https://ehr.example.org/jwks.json"], "fhir_base_url": "https://ehr.example.org/fhir"}}
        ],
    )
    origins: tuple[Origin, ...] = Field(
        (), description="Web origins whose pages may call the hooks from a browser (CORS); none: no page may."
    )
    shown: tuple[ShownKind, ...] = Field(
        ("flagged", "not-assessable"),
        description="Which reports become cards: flagged and not-assessable while nobody has acted on them, not-flagged, reviewed.",
    )
    indicators: dict[str, Card] = Field(
        {},
        description="Band of the model card -> indicator (info, warning, critical), where it is not to follow from the band: critical "
        "for a high risk, else warning.",
        examples=[{"high": "warning"}],
    )
    order_codes: tuple[Token, ...] = Field(
        ORDER_CODES,
        description="Codes (system|code) by which order-select and order-sign know an order about a skin lesion: in its code, category or "
        "performerType. Orders without one of these get no cards.",
    )
    card_url: BaseUrl | None = Field(None, description="Page of the site that tells about the model; the cards' source links to it.")
    language: Literal["en", "de"] = Field("en", description="Language of the cards: a hook does not say its reader's.")
    cards_max: PositiveInt = Field(10, le=100, description="Most cards in one answer; the last one says how many more there are.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for these EHRs' servers, and no others; unset: the system's."
    )
    proxy_url: ProxyUrl | None = Field(
        None,
        description="Proxy to these servers, http(s)://[user:password@]host:port; unset: none, whatever http_proxy and its kin say.",
    )
    answer_within_s: PositiveFloat = Field(
        0.5, description="Longest time from a call to its answer, what is asked of the EHR's FHIR server included; then the answer is 412."
    )
    keys_timeout_s: PositiveFloat = Field(2.0, description="Longest wait for a key set.")
    keys_keep_s: PositiveFloat = Field(3600.0, description="How long a key set is used before it is read again.")
    keys_keep_max_s: PositiveFloat = Field(86_400.0, description="How long a key set is used where it cannot be read again.")
    keys_ask_every_s: PositiveFloat = Field(
        10.0, description="Shortest pause between two readings of one key set, however many tokens name keys that it does not hold."
    )
    body_bytes_max: PositiveInt = Field(2_097_152, description="Largest call, in bytes, prefetched resources included.")
    feedback_max: PositiveInt = Field(100, description="Most answers to cards that are taken in one call.")
    replays_max: PositiveInt = Field(
        100_000, description="Most tokens of which one process remembers that they were used; beyond, calls are refused until some expire."
    )
    cards_keep_s: PositiveFloat = Field(
        2_592_000.0, description="How long Redis remembers which report a card was about, so that feedback names it."
    )

    @model_validator(mode="after")
    def _in_order(self) -> CdsSettings:
        if self.keys_keep_s > self.keys_keep_max_s:
            raise ValueError("TOCSIN_CDS__KEYS_KEEP_S must not be above TOCSIN_CDS__KEYS_KEEP_MAX_S")
        return self
