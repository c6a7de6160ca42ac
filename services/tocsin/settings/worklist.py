"""Settings of the worklist, and of the messages that tell people of flags that nobody has read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from tocsin.settings.values import BaseUrl, Group

DAY_S = 86_400.0
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
"""An address without a display name, quotes or comments (RFC 5322, addr-spec), so that no line of a message's head can be put into it."""


def _https(value: str) -> str:
    parts = urlsplit(value)
    sound = parts.scheme == "https" and bool(parts.hostname) and not (parts.username or parts.fragment)
    if not sound or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("a webhook is an address https://host[:port]/path in ASCII, without user or fragment")
    return value


def _mailbox(value: str) -> str:
    if _MAILBOX.fullmatch(value) is None:
        raise ValueError("an e-mail address is name@host, without a display name")
    return value


def _ascii(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("a password for SMTP is one line of ASCII text")
    return value


Password = Annotated[SecretStr, AfterValidator(_ascii)]
HttpsUrl = Annotated[str, AfterValidator(_https)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]


class WorklistSettings(Group):
    """The list of reports for who reads many of them, and what keeps an unread flag from being forgotten."""

    window_s: PositiveFloat = Field(
        30 * DAY_S,
        description="How far back flags and verdicts are read at the start; reports of which the bus has not spoken since leave the list, "
        "but for unread flags. Not above the retention of the flag topic.",
    )
    rows_max: PositiveInt = Field(
        100_000, description="Most reports held, about 1 KB each; beyond it those that were answered leave first, then those not flagged."
    )
    page_rows: PositiveInt = Field(40, le=100, description="Rows of one page.")
    looked_at_max: PositiveInt = Field(
        400, le=5000, description="Most reports that the record is asked about for one page, where its reader may see few of them."
    )
    stale_after_s: PositiveFloat = Field(30.0, description="A list that is not known to be current for this long says so on its page.")
    renew_after_s: PositiveFloat = Field(
        20 * DAY_S,
        description="The flag of a report that still asks a clinician to look is announced again once it is this old, so that retention "
        "does not take it. Below window_s.",
    )
    renew_every_s: PositiveFloat = Field(21_600.0, description="How often `tocsin work` looks for such flags.")
    renew_batch_max: PositiveInt = Field(500, description="Most of them announced again at a time.")
    ehr_tasks: bool = Field(
        False,
        description="Whether each report that is flagged or in the audit sample gets a FHIR Task (SMART App Launch 2.2, task-ehr-launch) "
        "for the EHR's inbox.",
    )
    ehr_tasks_every_s: PositiveFloat = Field(60.0, description="How often `tocsin work` brings those Tasks up to date.")
    ehr_tasks_window_s: PositiveFloat = Field(
        7 * DAY_S, description="Tasks of reports that were answered longer ago than this are not looked at any more."
    )

    @model_validator(mode="after")
    def _in_order(self) -> WorklistSettings:
        if self.renew_after_s + self.renew_every_s >= self.window_s:
            raise ValueError(
                "TOCSIN_WORKLIST__RENEW_AFTER_S and TOCSIN_WORKLIST__RENEW_EVERY_S together must be below TOCSIN_WORKLIST__WINDOW_S: an "
                "unread flag would leave the list before it is announced again"
            )
        return self


class NotifySettings(Group):
    """The message to a person about flags that nobody has read: by webhook, by e-mail, or both; neither is set, none is sent."""

    after_s: PositiveFloat = Field(
        14_400.0, description="A flag that is unread for this long is overdue: it is told of, and raises an alert."
    )
    bands: tuple[str, ...] | None = Field(
        None,
        description="Codes of the bands that are told of, as JSON; unset: the highest of the model card.",
        examples=[["high", "raised"]],
    )
    every_s: PositiveFloat = Field(300.0, description="How often `tocsin work` looks for overdue flags.")
    flags_max: PositiveInt = Field(50, le=500, description="Most flags in one message; the next message has the next ones.")
    per_hour_max: PositiveInt = Field(6, description="Most messages of one kind in an hour.")
    timeout_s: PositiveFloat = Field(10.0, description="Longest wait for each answer of the webhook or the mail server.")
    language: Literal["en", "de"] = Field("en", description="Language of the messages.")
    webhook_url: HttpsUrl | None = Field(None, description="Address that takes messages as JSON by POST; unset: none.")
    webhook_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret by which each message is signed, HMAC-SHA256 in the header Tocsin-Signature; with webhook_url.",
    )
    smtp_host: str | None = Field(
        None, pattern=r"^[A-Za-z0-9.:-]{1,255}$", description="Mail server that takes messages by SMTP with STARTTLS; unset: none."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port (587: submission, RFC 6409).")
    smtp_from: Mailbox | None = Field(None, description="Address that messages come from; with smtp_host.")
    smtp_to: tuple[Mailbox, ...] = Field((), max_length=20, description="Addresses that messages go to, as JSON; with smtp_host.")
    smtp_username: str | None = Field(None, pattern=r"^[!-~]{1,256}$", description="User at the mail server; unset: none.")
    smtp_password: Password | None = Field(None, description="Password of that user; set both or neither.")
    tls_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that may vouch for webhook and mail server, and no others; unset: the system's."
    )
    link_url: BaseUrl | None = Field(
        None,
        description="Base address of links to the review page; unset: TOCSIN_SERVE__PUBLIC_URL.",
        examples=["https://tocsin.example.org"],
    )

    @model_validator(mode="after")
    def _whole(self) -> NotifySettings:
        if self.smtp_host is not None and (self.smtp_from is None or not self.smtp_to):
            raise ValueError("TOCSIN_NOTIFY__SMTP_HOST needs TOCSIN_NOTIFY__SMTP_FROM and TOCSIN_NOTIFY__SMTP_TO")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("TOCSIN_NOTIFY__SMTP_USERNAME and TOCSIN_NOTIFY__SMTP_PASSWORD are set together")
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("TOCSIN_NOTIFY__WEBHOOK_URL needs TOCSIN_NOTIFY__WEBHOOK_SECRET: a message that nobody signed is nobody's")
        return self
