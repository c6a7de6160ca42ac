"""Messages go out over TLS alone, signed or logged in, to a real webhook and a real mail server, and a failure says what to do."""

from __future__ import annotations

import hashlib
import hmac
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from tocsin.errors import ConfigurationError, Unavailable
from tocsin.review.channels import Mail, Webhook, signature
from tocsin.review.notices import Line, Message
from tocsin.settings import NotifySettings

from tests.support.flags import NOW
from tests.support.smtp import MailServer, mail_server
from tests.support.tls import Authority
from tests.support.web import serving

SECRET = "a-secret-of-the-site-0123456789"
MESSAGE = Message(
    "6a1d0a44-93a3-5a5c-9d2e-0c7c3d8f1b77",
    NOW,
    "1 AI flag has not been read",
    "Hoch, ungelesen seit 3 Tagen: DiagnosticReport/r1\n.\nEnde äöü",
    (Line("DiagnosticReport/r1", "High", NOW, "3 days", "https://tocsin.example.org/reports/r1"),),
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


class Hook:
    """A webhook over TLS."""

    def __init__(self) -> None:
        self.origin, self.status = "", 204
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.location: str | None = None


@pytest.fixture
def hook(authority: Authority) -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            if made.location:
                self.send_header("Location", made.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue())
    with serving(Handler, context) as origin:
        made.origin = origin
        yield made


@pytest.fixture
def post(authority: Authority) -> Iterator[MailServer]:
    with mail_server(authority.issue()) as server:
        yield server


def webhook(hook: Hook, trusted: Path) -> Webhook:
    return Webhook(NotifySettings(webhook_url=f"{hook.origin}/told", webhook_secret=SecretStr(SECRET), tls_ca_file=trusted, timeout_s=2))


def mail(server: MailServer, trusted: Path, **changes: Any) -> Mail:
    usual: dict[str, Any] = {
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_from": "tocsin@hospital.example",
        "smtp_to": ("derm@hospital.example", "night@hospital.example"),
        "tls_ca_file": trusted,
        "timeout_s": 2,
    }
    return Mail(NotifySettings(**usual | changes))


def test_a_webhook_gets_the_message_as_json_and_can_prove_who_sent_it(hook: Hook, authority: Authority) -> None:
    webhook(hook, authority.file).send(MESSAGE)
    ((headers, body),) = hook.asked
    said = orjson.loads(body)
    assert said["id"] == headers["tocsin-message"] == MESSAGE.id
    assert said["flags"] == [
        {"report": "DiagnosticReport/r1", "band": "High", "issued": NOW.isoformat(), "url": "https://tocsin.example.org/reports/r1"}
    ]
    stated = dict(part.split("=") for part in headers["tocsin-signature"].split(","))
    expected = hmac.new(SECRET.encode(), stated["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert stated["v1"] == expected
    assert signature(b"x", 1, b"a") != signature(b"x", 2, b"a")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_does_not_take_a_message_is_unavailable_and_no_redirect_is_followed(
    hook: Hook, authority: Authority, status: int
) -> None:
    hook.status, hook.location = status, f"{hook.origin}/elsewhere"
    with pytest.raises(Unavailable, match=f"webhook: HTTP {status} to a message"):
        webhook(hook, authority.file).send(MESSAGE)
    assert len(hook.asked) == 1


def test_a_webhook_whose_certificate_nobody_vouches_for_gets_nothing(hook: Hook, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="TOCSIN_NOTIFY__TLS_CA_FILE"):
        webhook(hook, Authority(tmp_path / "other").file).send(MESSAGE)
    assert hook.asked == []


@pytest.mark.parametrize(
    "url", ["http://hook.example.org/x", "https://user:pw@hook.example.org/", "https:///x", "https://hook.example.org/ x"]
)
def test_a_webhook_that_is_not_https_is_no_setting(url: str) -> None:
    with pytest.raises(ValueError, match="a webhook is an address https://"):
        NotifySettings(webhook_url=url, webhook_secret=SecretStr(SECRET))


def test_a_mail_goes_out_encrypted_and_logged_in_to_each_receiver(post: MailServer, authority: Authority) -> None:
    post.users = {"tocsin": "pass word"}
    mail(post, authority.file, smtp_username="tocsin", smtp_password=SecretStr("pass word")).send(MESSAGE)
    (taken,) = post.taken
    assert (taken.encrypted, taken.user, taken.sender) == (True, "tocsin", "tocsin@hospital.example")
    assert taken.receivers == ["derm@hospital.example", "night@hospital.example"]
    assert taken.mail["Subject"] == MESSAGE.title
    assert taken.mail["Message-ID"] == f"<{MESSAGE.id}@hospital.example>"
    assert taken.mail["Auto-Submitted"] == "auto-generated"
    assert taken.mail.get_content().splitlines() == MESSAGE.text.splitlines()


def test_a_mail_server_without_starttls_gets_nothing(post: MailServer, authority: Authority) -> None:
    post.starttls = False
    with pytest.raises(ConfigurationError, match="nothing is sent without TLS"):
        mail(post, authority.file).send(MESSAGE)
    assert post.taken == []


def test_a_mail_server_whose_certificate_nobody_vouches_for_gets_nothing(post: MailServer, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="TOCSIN_NOTIFY__TLS_CA_FILE"):
        mail(post, Authority(tmp_path / "other").file).send(MESSAGE)
    assert post.taken == []


def test_a_wrong_password_is_told_without_the_password(post: MailServer, authority: Authority) -> None:
    post.users = {"tocsin": "right"}
    with pytest.raises(ConfigurationError, match=r"refuses TOCSIN_NOTIFY__SMTP_USERNAME \(535\)") as told:
        mail(post, authority.file, smtp_username="tocsin", smtp_password=SecretStr("canary-password")).send(MESSAGE)
    assert "canary-password" not in str(told.value)


def test_a_server_that_is_busy_or_refuses_every_receiver_is_tried_again(post: MailServer, authority: Authority) -> None:
    post.busy = True
    with pytest.raises(Unavailable, match="the server answers 451"):
        mail(post, authority.file).send(MESSAGE)
    post.busy, post.refused = False, {"derm@hospital.example": 550, "night@hospital.example": 552}
    with pytest.raises(Unavailable, match=r"refuses a receiver \(550, 552\)") as told:
        mail(post, authority.file).send(MESSAGE)
    assert "hospital.example" not in str(told.value)


def test_a_receiver_that_is_refused_keeps_no_other_from_the_message(post: MailServer, authority: Authority) -> None:
    post.refused = {"derm@hospital.example": 550}
    mail(post, authority.file).send(MESSAGE)
    assert [taken.receivers for taken in post.taken] == [["night@hospital.example"]]


def test_a_server_that_says_nothing_is_waited_for_only_so_long(post: MailServer, authority: Authority) -> None:
    post.silent = True
    began = time.monotonic()
    with pytest.raises(Unavailable, match="mail: no answer: "):
        mail(post, authority.file, timeout_s=0.3).send(MESSAGE)
    assert time.monotonic() - began < 3


def test_a_password_that_smtp_cannot_carry_is_no_setting() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        NotifySettings(smtp_username="tocsin", smtp_password=SecretStr("pässword"))


@pytest.mark.parametrize("address", ["Jane <jane@x.example>", "a@b\r\nBcc: c@d", "nobody", "@x.example"])
def test_an_address_that_could_say_more_than_an_address_is_no_setting(address: str) -> None:
    with pytest.raises(ValueError, match="an e-mail address is name@host"):
        NotifySettings(smtp_host="mail.example.org", smtp_from=address, smtp_to=("a@b.example",))
