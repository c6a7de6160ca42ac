"""The ways by which people are told: a webhook over HTTPS, and e-mail by SMTP with STARTTLS. Adapters of the Channel port."""

from __future__ import annotations

import hashlib
import hmac
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import orjson

from tocsin.errors import ConfigurationError, Unavailable
from tocsin.fhir.http import BodyTooLarge, Http
from tocsin.review.notices import ChannelName, Message
from tocsin.settings import NotifySettings
from tocsin.telemetry.log import logger

ANSWER_BYTES_MAX: Final = 65_536
SIGNATURE: Final = "Tocsin-Signature"
MESSAGE_ID: Final = "Tocsin-Message"


def signature(secret: bytes, at: int, body: bytes) -> str:
    """What proves who sent a body at this time (seconds since 1970): whoever takes it works the same out, and refuses old times."""
    return f"t={at},v1={hmac.new(secret, b'%d.' % at + body, hashlib.sha256).hexdigest()}"


class Webhook:
    """POSTs a message as JSON; any 2xx takes it. Redirects are not followed."""

    name: ChannelName = "webhook"

    def __init__(self, settings: NotifySettings) -> None:
        """`settings` name a webhook and its secret."""
        assert settings.webhook_url is not None
        assert settings.webhook_secret is not None
        self._url, self._secret = settings.webhook_url, settings.webhook_secret.get_secret_value().encode()
        self._http = Http(
            connect_timeout_s=settings.timeout_s, request_timeout_s=settings.timeout_s, tls_ca_file=settings.tls_ca_file, group="NOTIFY"
        )

    def send(self, message: Message) -> None:
        """See Channel.send; the body is the same for the same message but for the time of sending."""
        body = orjson.dumps(
            {
                "version": 1,
                "id": message.id,
                "sent_at": message.sent_at.isoformat(),
                "title": message.title,
                "text": message.text,
                "flags": [
                    {"report": each.report, "band": each.band, "issued": each.issued.isoformat(), "url": each.url} for each in message.lines
                ],
            }
        )
        headers = {
            "Content-Type": "application/json",
            SIGNATURE: signature(self._secret, int(message.sent_at.timestamp()), body),
            MESSAGE_ID: message.id,
        }
        try:
            answer = self._http.exchange(
                "POST", self._url, neighbour=self.name, headers=headers, body=body, body_bytes_max=ANSWER_BYTES_MAX
            )
        except BodyTooLarge:
            raise Unavailable(self.name, f"its answer has more than {ANSWER_BYTES_MAX} bytes") from None
        if not 200 <= answer.status < 300:
            raise Unavailable(self.name, f"HTTP {answer.status} to a message", retry_after_s=answer.retry_after_s)


class Mail:
    """Sends a message as plain text, over TLS alone, and logs in over TLS alone."""

    name: ChannelName = "mail"

    def __init__(self, settings: NotifySettings) -> None:
        """`settings` name a mail server, a sender and receivers."""
        assert settings.smtp_host is not None
        assert settings.smtp_from is not None
        self._settings, self._host, self._from = settings, settings.smtp_host, settings.smtp_from

    def send(self, message: Message) -> None:
        """See Channel.send; the server has taken it for one receiver at least. Its words are not repeated: they may name people."""
        mail = self._mail(message)
        try:
            self._deliver(mail)
        except smtplib.SMTPNotSupportedError:
            raise ConfigurationError("TOCSIN_NOTIFY__SMTP_HOST offers no STARTTLS, or no log-in: nothing is sent without TLS") from None
        except smtplib.SMTPAuthenticationError as refused:
            raise ConfigurationError(f"mail: the server refuses TOCSIN_NOTIFY__SMTP_USERNAME ({refused.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as refused:
            codes = sorted({code for code, _ in refused.recipients.values()})
            raise Unavailable(self.name, f"the server refuses a receiver ({', '.join(map(str, codes))})") from None
        except smtplib.SMTPResponseException as refused:
            raise Unavailable(self.name, f"the server answers {refused.smtp_code}") from None
        except ssl.SSLCertVerificationError:
            raise Unavailable(
                self.name, "its TLS certificate is not trusted: set TOCSIN_NOTIFY__TLS_CA_FILE to its authority's certificate"
            ) from None
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(self.name, f"no answer: {type(error).__name__}") from None

    def _deliver(self, mail: EmailMessage) -> None:
        settings = self._settings
        server = smtplib.SMTP(self._host, settings.smtp_port, timeout=settings.timeout_s)
        try:
            server.starttls(context=self._trust())
            server.ehlo()
            if settings.smtp_username is not None and settings.smtp_password is not None:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
            refused = server.send_message(mail, self._from, list(settings.smtp_to))
        finally:
            with suppress(OSError, smtplib.SMTPException):  # it was taken or not by now
                server.quit()
        if refused:  # by some receivers; others have it by now, and would get it again each time that this failed
            codes = ", ".join(sorted({str(code) for code, _ in refused.values()}))
            logger().warning("the mail server refuses some receivers of messages", detail=codes, advice="Mend TOCSIN_NOTIFY__SMTP_TO.")

    def _trust(self) -> ssl.SSLContext:
        file = self._settings.tls_ca_file
        try:
            return ssl.create_default_context(cafile=None if file is None else str(file))
        except OSError:
            raise ConfigurationError("TOCSIN_NOTIFY__TLS_CA_FILE: the file cannot be read, or holds no certificate in PEM form") from None

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._from
        mail["To"] = ", ".join(self._settings.smtp_to)
        mail["Subject"] = message.title
        mail["Date"] = format_datetime(message.sent_at)
        mail["Message-ID"] = f"<{message.id}@{self._from.partition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5: no robot is to answer
        mail.set_content(message.text + "\n")
        return mail
