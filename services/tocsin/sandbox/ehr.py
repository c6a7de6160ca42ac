"""A little EHR for the demo: a page that lists flags, and the log-in by which its one made-up clinician comes to Tocsin.

It keeps to what SMART App Launch 2.2 asks of an EHR (PKCE, `aud`, codes that count once, signed id_tokens) and leaves out what makes one
safe: nobody has to prove who they are. It listens on this machine alone; its FHIR API is the demo's server, for its own tokens.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tocsin.network import HOST

CLIENT: Final = "tocsin-demo"
CLINICIAN: Final = "demo-clinician"
GROUP: Final = "dermatology"
"""The value of the claim `groups` in its id_tokens."""
CODE_S: Final = 60
TOKEN_S: Final = 28_800
BODY_BYTES_MAX: Final = 65_536
FHIR_WITHIN_S: Final = 60.0
_PASSED_ON: Final = ("Content-Type", "ETag", "Last-Modified")


@dataclass(frozen=True, slots=True)
class Chart:
    """One flag, as the EHR lists it."""

    report: str
    """DiagnosticReport/<id>."""
    patient: str
    """Patient/<id>."""
    said: str
    """What the list says of it."""


@dataclass(frozen=True, slots=True)
class _Code:
    challenge: str
    nonce: str
    scope: str
    launch: str
    until_s: float


@dataclass
class LittleEhr:
    """The running EHR. Safe for threads."""

    origin: str
    tocsin: str
    """Address of Tocsin's pages."""
    charts: dict[str, Chart] = field(default_factory=dict)
    """Launch value -> the flag that it opens."""
    _codes: dict[str, _Code] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    @property
    def fhir(self) -> str:
        """Base address of its FHIR API: the issuer that Tocsin knows."""
        return f"{self.origin}/fhir"

    def list(self, chart: Chart, *, first: bool) -> None:
        """Have the EHR's page list this flag, `first` before all others."""
        launch = chart.report.partition("/")[2]
        self.charts = {launch: chart, **self.charts} if first else {**self.charts, launch: chart}

    def launch_url(self, launch: str) -> str:
        """The address that opens a flag's page: through the log-in, which asks nothing."""
        return f"{self.tocsin}/launch?{urlencode({'iss': self.fhir, 'launch': launch})}"

    def settings(self, also_known_as: str) -> dict[str, str]:
        """The settings by which Tocsin knows this EHR; `also_known_as` is the base address of the server behind it."""
        issuer = {
            "client_id": CLIENT,
            "title": "Demo",
            "frame_origins": [self.origin],
            "also_known_as": [also_known_as],
            "roles_claim": "groups",
            "roles": {"reader": [GROUP], "lead": [GROUP]},
        }
        return {"TOCSIN_SERVE__ISSUERS": orjson.dumps({self.fhir: issuer}).decode(), "TOCSIN_SERVE__PUBLIC_URL": self.tocsin}

    def authorised(self, asked: dict[str, str]) -> str | None:
        """Where the log-in sends the browser back to; None where what is asked is not what SMART asks for."""
        launch = asked.get("launch", "")
        sound = (
            asked.get("response_type") == "code"
            and asked.get("client_id") == CLIENT
            and asked.get("redirect_uri") == f"{self.tocsin}/callback"
            and asked.get("aud") == self.fhir
            and asked.get("code_challenge_method") == "S256"
            and bool(asked.get("code_challenge"))
            and launch in ("", *self.charts)
        )
        if not sound:
            return None
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(
            asked["code_challenge"], asked.get("nonce", ""), asked.get("scope", ""), launch, time.monotonic() + CODE_S
        )
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked.get('state', ''), 'iss': self.origin})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """The token response for a code, which counts once; None where it is not this client's with its verifier."""
        code = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if code is None or time.monotonic() > code.until_s or not hmac.compare_digest(challenge, code.challenge):
            return None
        token = secrets.token_urlsafe(32)
        self._tokens.add(token)
        said = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_S, "scope": code.scope, "need_patient_banner": True}
        return {**said, "id_token": self._id_token(code.nonce), **self._context(code.launch)}

    def knows(self, token: str) -> bool:
        """Whether it gave this token."""
        return token in self._tokens

    def keys(self) -> dict[str, Any]:
        """The key set by which its id_tokens are verified."""
        return {"keys": [{**RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True), "kid": "demo", "use": "sig", "alg": "RS256"}]}

    def configuration(self) -> dict[str, Any]:
        """Its .well-known/smart-configuration."""
        return {
            "issuer": self.origin,
            "jwks_uri": f"{self.origin}/jwks",
            "authorization_endpoint": f"{self.origin}/auth",
            "token_endpoint": f"{self.origin}/token",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "sso-openid-connect", "context-ehr-patient"],
        }

    def page(self) -> str:
        """The list of flags."""
        rows = "".join(
            f'<li><a href="{escape(self.launch_url(launch))}">{escape(chart.said)}</a> '
            f'(<a href="/chart?{escape(urlencode({"launch": launch}))}">in the chart</a>)</li>'
            for launch, chart in self.charts.items()
        )
        return _PAGE.format(body=f"<h1>Demo EHR</h1><p>Made-up patients. Nobody has to log in. Not for clinical use.</p><ul>{rows}</ul>")

    def chart(self, launch: str) -> str:
        """A chart with Tocsin's page in a frame."""
        if launch not in self.charts:
            return self.page()
        said = f"<h1>Demo EHR: {escape(self.charts[launch].said)}</h1>"
        return _PAGE.format(body=f'{said}<iframe title="Tocsin" src="{escape(self.launch_url(launch))}"></iframe>')

    def _context(self, launch: str) -> dict[str, Any]:
        chart = self.charts.get(launch) or next(iter(self.charts.values()), None)
        if chart is None:
            return {}
        context = [{"reference": chart.report}] if launch else []
        return {"patient": chart.patient.partition("/")[2], "fhirContext": context}

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        said = {"iss": self.origin, "aud": CLIENT, "sub": CLINICIAN, "iat": now, "exp": now + 300, "nonce": nonce, "groups": [GROUP]}
        return jwt.encode({**said, "fhirUser": f"{self.fhir}/Practitioner/{CLINICIAN}"}, self._key, "RS256", headers={"kid": "demo"})


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Demo EHR</title>
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 1rem; color-scheme: light dark }}
iframe {{ width: 100%; height: 85vh; border: 1px solid }}</style></head><body>{body}</body></html>"""


@contextmanager
def little_ehr(fhir_base_url: str, tocsin: str) -> Iterator[LittleEhr]:
    """The EHR on a free port until the block ends. `fhir_base_url`: the server behind it; `tocsin`: the address of Tocsin's pages."""
    server = _Server((HOST, 0), _Handler)
    ehr = LittleEhr(f"http://{HOST}:{server.server_address[1]}", tocsin)
    _Handler.serving[server.server_address[1]] = ehr, fhir_base_url
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="ehr", daemon=True)
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        del _Handler.serving[server.server_address[1]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says what went wrong, unless it is that somebody did not wait for the answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = FHIR_WITHIN_S
    serving: Final[dict[int, tuple[LittleEhr, str]]] = {}
    """Port -> the EHR there and the server behind it."""

    def do_GET(self) -> None:
        ehr, behind = self._whose()
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/":
                self._say(200, "text/html; charset=utf-8", ehr.page().encode())
            case "/chart":
                self._say(200, "text/html; charset=utf-8", ehr.chart(asked.get("launch", "")).encode())
            case "/jwks":
                self._json(200, ehr.keys())
            case "/fhir/.well-known/smart-configuration":
                self._json(200, ehr.configuration())
            case "/auth":
                self._lead(ehr.authorised(asked))
            case path if path.startswith("/fhir/"):
                self._read(ehr, f"{behind}{self.path.removeprefix('/fhir')}")
            case _:
                self._json(404, {})

    def do_POST(self) -> None:
        ehr, _ = self._whose()
        length = self.headers.get("Content-Length", "")
        if self.path != "/token" or not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return self._json(404, {})
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(int(length)).decode("ascii", "replace")).items()}
        said = ehr.token(form)
        return self._json(400, {"error": "invalid_grant"}) if said is None else self._json(200, said)

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing, so that only the demo's own output is seen."""

    def _whose(self) -> tuple[LittleEhr, str]:
        return self.serving[self.server.server_address[1]]  # type: ignore[index] # an address of IPv4 is a pair

    def _lead(self, to: str | None) -> None:
        if to is None:
            self._json(400, {"error": "invalid_request"})
        else:
            self._say(303, "text/plain", b"", {"Location": to})

    def _read(self, ehr: LittleEhr, url: str) -> None:
        """What the server behind answers, for who brings a token that this EHR gave."""
        if not ehr.knows(self.headers.get("Authorization", "").removeprefix("Bearer ")):
            return self._json(401, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "login"}]})
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=FHIR_WITHIN_S)
        asked = {name: value for name in ("Accept", "Prefer", "Cache-Control") if (value := self.headers.get(name)) is not None}
        try:
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=asked)
            answer = connection.getresponse()
            kept = {name: value for name in _PASSED_ON[1:] if (value := answer.getheader(name)) is not None}
            return self._say(answer.status, answer.getheader(_PASSED_ON[0], ""), answer.read(), kept)
        except (OSError, HTTPException):
            return self._json(502, {})
        finally:
            connection.close()

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._say(status, "application/json", orjson.dumps(content))

    def _say(self, status: int, media_type: str, content: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": media_type, "Content-Length": str(len(content)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
