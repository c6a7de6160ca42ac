"""Settings of the stages: which pictures they take, which model judges, what they write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.settings.values import BearerToken, Group, HeaderValue, Origin, ProxyUrl

PIXELS_MAX_MOST: Final = 500_000_000
"""Whatever image.pixels_max may be set to: 4 bytes a pixel stay below 2 ** 31, in which decoders count."""
EDITION_MOST: Final = 2_147_483_647
"""What a FHIR integer holds."""


class OriginCredentials(Group):
    """What one server that holds pictures asks for: a user and password (Basic), a bearer token, or a header of its own."""

    username: str | None = Field(None, pattern=r"^[^:\x00-\x1f]+$", description="User; set password or password_file with it.")
    password: SecretStr | None = Field(None, description="Password.")
    password_file: Path | None = Field(None, description="File that holds the password, read again whenever it changes.")
    bearer_token: BearerToken | None = Field(None, description="Token.")
    bearer_token_file: Path | None = Field(None, description="File that holds the token, read again whenever it changes.")
    header_name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]{1,64}$", description="Name of the header; set header_value or header_value_file with it."
    )
    header_value: HeaderValue | None = Field(None, description="Value of the header.")
    header_value_file: Path | None = Field(None, description="File that holds the header's value, read again whenever it changes.")

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


class ImageSettings(Group):
    """Which pictures Tocsin reads, from where, and how large they may be."""

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
    in_flight_bytes_max: int | None = Field(
        None,
        gt=0,
        examples=[683_554_432],
        description="Most bytes of pictures that one process decodes together; a larger one is decoded alone. Each counts its attachment "
        "and what decoding takes: of a JPEG 4 bytes a pixel, 7 where it is turned, 10 where it is progressive, at most 13; of a PNG 8 and "
        "its attachment again. Unset: what the largest picture takes, 13 * pixels_max + content_bytes_max or, where that is more, "
        "8 * pixels_max + 2 * content_bytes_max; a memory limit that has no room for it ends the start. Besides, see consume.workers.",
    )
    in_flight_pictures_max: PositiveInt | None = Field(
        None,
        description="Most pictures that one process decodes at the same time; the others' workers wait, or talk to servers. More than the "
        "processor's cores only costs memory. Unset: as many as the cores that the process may use.",
    )
    in_flight_wait_s: PositiveFloat = Field(
        30.0, description="Longest wait of a picture for its turn to be decoded; then its event is tried again later."
    )
    modalities_also_accepted: tuple[Modality, ...] = Field(
        (),
        description="Further codes of this site for pictures that the model card accepts, as JSON: system|code, or |code where they "
        'have no system (for example ["http://snomed.info/sct|446082006"]). Every picture that carries one is judged.',
    )
    modality_when_absent: str | None = Field(
        None,
        description="DICOM modality code that this site vouches for where a Media states none, such as DMS; unset: not assessable.",
    )

    @model_validator(mode="after")
    def _credentials_of_allowed(self) -> ImageSettings:
        if set(self.origin_credentials) - set(self.url_origins_allowed):
            raise ValueError("each origin of TOCSIN_IMAGE__ORIGIN_CREDENTIALS must be one of TOCSIN_IMAGE__URL_ORIGINS_ALLOWED")
        return self


class ModelSettings(Group):
    """Which model judges."""

    card: Path = Field(
        default_factory=lambda: packaged(REFERENCE_CARD),
        description="File of the model card, which names the model and says what is known of it; by default the reference model's.",
    )
    site_file: Path | None = Field(
        None,
        description="Site file that was promoted: by its calibration and operating point the model judges here. Every process of a site "
        "has the same one; raise report.edition with each change of it, a roll-back included. Unset: the card alone.",
    )


Category = Annotated[str, Field(pattern=r"^[^\s|,]*\|[^\s|,]+$", max_length=256)]

REPORT_CATEGORIES: Final = (
    "http://loinc.org|LP29684-5",
    "http://terminology.hl7.org/CodeSystem/v2-0074|RAD",
    "http://terminology.hl7.org/CodeSystem/v2-0074|OTH",
)
"""Under these, US Core's and HL7 v2's, users look for imaging; OTH is what reports had before."""
RESULT_CATEGORIES: Final = ("http://terminology.hl7.org/CodeSystem/observation-category|imaging",)


class ReportSettings(Group):
    """Who writes reports into the record, in which words, and how they are checked."""

    source: str = Field("urn:tocsin:site:local", description="URI of this installation; part of every report's identity.")
    edition: int = Field(
        0,
        ge=0,
        le=EDITION_MOST,
        description="Number of this deployment: raise it with each deployment that may judge otherwise, a rollback included, as a Helm "
        "release's revision rises. Of two verdicts on the same facts the higher edition's holds; of equal editions, the first.",
    )
    language: Literal["en", "de"] = Field("en", description="Language of what clinicians read in the record.")
    report_categories: tuple[Category, ...] = Field(
        REPORT_CATEGORIES,
        min_length=1,
        description="Codes of DiagnosticReport.category, as JSON: system|code. Under these your users look for imaging results.",
    )
    result_categories: tuple[Category, ...] = Field(
        RESULT_CATEGORIES, min_length=1, description="Codes of Observation.category, as JSON: system|code."
    )
    document: Literal["none", "pdf"] = Field(
        "none",
        description="pdf: each new report carries itself as PDF/A-2b without its picture (presentedForm), for systems that show documents "
        "alone; some 70 ms of CPU and 42 KB a report. A document whose review has changed is taken out with the change. none: none does.",
    )
    validate_every: int = Field(100, ge=0, description="Tocsin checks every n-th Bundle with fhir.resources before it sends it; 0: none.")
