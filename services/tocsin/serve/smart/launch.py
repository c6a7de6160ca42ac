"""The blueprint of a launch: to the EHR's log-in and back, into a session (SMART App Launch 2.2, app-launch)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

import orjson
from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from tocsin.errors import Unavailable
from tocsin.serve.doors import the_session, without_session
from tocsin.serve.headers import ENDED
from tocsin.serve.limits import Limit, caller, refuse_beyond
from tocsin.serve.paths import HOME, LAUNCH, NUMBERS, PATIENT, WORKLIST, is_id, launch_path, report_path
from tocsin.serve.problems import NotThisWay, browsers_language, words
from tocsin.serve.sessions.browser import BrowserSessions, Cookie
from tocsin.serve.sessions.sealed import new_secret
from tocsin.serve.sessions.shelf import Shelf
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.client import public_keys
from tocsin.serve.smart.discovery import S256, Discovery, Endpoints
from tocsin.serve.smart.exchange import Grant, redeem, told_code
from tocsin.serve.smart.identity import Identity, Verifier, identity
from tocsin.serve.smart.refusals import (
    CookieLost,
    Denied,
    IssuerMixedUp,
    IssuerUnknown,
    LaunchMalformed,
    LaunchRefused,
    ScopeMissing,
    StateUnknown,
)
from tocsin.serve.smart.scopes import missing
from tocsin.serve.types import Role, Session
from tocsin.settings import IssuerSettings, ServeSettings
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import LAUNCHES

CALLBACK: Final = "/callback"
OPENED: Final = "opened"
AWAY: Final = "away"
_ALL: Final = "all"
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_OPAQUE: Final = re.compile(r"[!-~]{1,4096}")
"""A launch value or a code: whatever an EHR makes up, in printable ASCII."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A launch whose clinician is at the EHR's log-in. It is kept under `state` and the browser's own secret together."""

    issuer: str
    verifier: str
    nonce: str
    report: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Launching:
    """What a launch needs."""

    settings: ServeSettings
    sessions: BrowserSessions
    shelf: Shelf
    asking: Asking
    discovery: Discovery
    verifier: Verifier
    now: Callable[[], datetime]

    @property
    def redirect_uri(self) -> str:
        """Where the EHR sends clinicians back to; registered there."""
        return self.settings.public_url + CALLBACK


def blueprint(launching: Launching) -> Blueprint:
    """The pages by which a clinician comes and goes."""
    made = Blueprint("smart", __name__)
    settings, sessions = launching.settings, launching.sessions
    cookie = Cookie("tocsin-launch", settings.public_url)
    of_one, of_all = Limit(settings.caller_launches_per_minute_max), Limit(settings.launches_per_minute_max)

    @made.get(LAUNCH)
    def launch() -> AnyResponse:
        refuse_beyond(of_one, caller(settings.proxies))
        refuse_beyond(of_all, _ALL)
        if "iss" not in request.args and len(settings.issuers) != 1:
            return _choose(settings)
        return _counted(lambda: _begin(launching, cookie), counts_success=False)

    @made.get(CALLBACK)
    def callback() -> AnyResponse:
        return _counted(lambda: _end(launching, cookie))

    @made.post("/log-off")
    def log_off() -> AnyResponse:
        response = redirect(url_for("smart.ended", by="reader"), 303)
        response.headers["Clear-Site-Data"] = '"cache"'
        sessions.end(response)
        return response

    @made.get(ENDED)
    @without_session
    def ended() -> str:
        said = words()
        return render_template("ended.html", say=said.say, language=said.language, by_reader=request.args.get("by") == "reader", home=HOME)

    @made.get(HOME)
    def home() -> AnyResponse:
        session = the_session()
        return _choose(settings) if session is None else redirect(_leads_to(session), 303)

    @made.get("/.well-known/jwks.json")
    def keys() -> Response:
        return Response(orjson.dumps(public_keys(settings.issuers)), mimetype="application/json")

    return made


def _counted(act: Callable[[], AnyResponse], *, counts_success: bool = True) -> AnyResponse:
    """What the act answers, with its ending counted, and its refusal told to the log."""
    try:
        answer = act()
    except LaunchRefused as refused:
        LAUNCHES.add(1, {"result": refused.reason})
        logger().warning("a launch was refused", reason=refused.reason, detail=refused.detail)
        raise
    except Unavailable:
        LAUNCHES.add(1, {"result": AWAY})
        raise
    if counts_success:
        LAUNCHES.add(1, {"result": OPENED})
    return answer


def _choose(settings: ServeSettings) -> Response:
    """The page on which a clinician who did not come from a chart chooses a record to log in to."""
    said, report = words(), request.args.get("report")
    records = [(each.title or urlsplit(issuer).hostname, launch_path(issuer, report)) for issuer, each in sorted(settings.issuers.items())]
    return make_response(render_template("choose.html", say=said.say, language=said.language, records=records))


def _begin(launching: Launching, cookie: Cookie) -> AnyResponse:
    """Send the browser to the log-in of the issuer that the launch names, which is one of the settings or nobody is asked anything."""
    issuer, known = _issuer(launching.settings)
    value, report = _single("launch"), _report()
    endpoints = launching.discovery.of(issuer)
    verifier, state, nonce, browser = new_secret(), new_secret(), new_secret(), cookie.secret() or new_secret()
    pending = Pending(issuer, verifier, nonce, report, _wanted(known, value, report))
    launching.shelf.put(_kept_under(state, browser), orjson.dumps(asdict(pending)), launching.settings.launch_max_s)
    asked = {
        "response_type": "code",
        "client_id": known.client_id,
        "redirect_uri": launching.redirect_uri,
        "scope": " ".join(pending.scopes),
        "state": state,
        "nonce": nonce,
        "aud": issuer,
        "code_challenge": challenge(verifier),
        "code_challenge_method": S256,
        **({} if value is None else {"launch": value}),
    }
    mark = "&" if endpoints.authorize.query else "?"
    response = redirect(f"{endpoints.authorize}{mark}{urlencode(asked)}", 303)
    cookie.give(response, browser, launching.settings.launch_max_s)
    return response


def challenge(verifier: str) -> str:
    """The code challenge of a verifier (RFC 7636, 4.2, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _end(launching: Launching, cookie: Cookie) -> AnyResponse:
    """Take the clinician who is back into a session, and lead them to what the launch was about."""
    pending = _pending(launching, cookie)
    known = launching.settings.issuers.get(pending.issuer)
    if known is None:
        raise IssuerUnknown("the issuer was taken from the settings during the launch")
    endpoints = launching.discovery.of(pending.issuer)
    _same_issuer(endpoints)
    if (error := _single("error")) is not None:
        raise Denied(told_code(error), code=told_code(error), again=_again(pending))
    code = _single("code")
    if code is None:
        raise LaunchMalformed("neither code nor error came back")
    grant = redeem(launching.asking, known, endpoints, code, pending.verifier, launching.redirect_uri)
    claims = launching.verifier.claims(grant.id_token, endpoints, known.client_id, pending.nonce)
    session = _session(pending, grant, identity(claims, pending.issuer, known), launching)
    response = redirect(_leads_to(session), 303)
    launching.sessions.begin(session, response)
    return response


def _session(pending: Pending, grant: Grant, who: Identity, launching: Launching) -> Session:
    lacking = missing([each for each in pending.scopes if not each.startswith("launch")], grant.scopes)
    if lacking:
        raise ScopeMissing(f"not granted: {' '.join(lacking)}", missing=", ".join(lacking))
    return Session(
        key="",
        csrf="",
        issuer=pending.issuer,
        clinician=who.clinician,
        roles=who.roles,
        token=grant.token,
        until=launching.now() + timedelta(seconds=grant.life_s),
        patient=grant.patient,
        report=pending.report or grant.report,
        banner=grant.banner or grant.patient is None,
        language=who.language or browsers_language(),
    )


def _pending(launching: Launching, cookie: Cookie) -> Pending:
    """The launch that the browser comes back from; it is over with this, whatever follows."""
    state, browser = request.args.get("state", ""), cookie.secret()
    if browser is None:
        raise CookieLost("no cookie came back")
    if _STATE.fullmatch(state) is None or (content := launching.shelf.take(_kept_under(state, browser))) is None:
        raise StateUnknown("no launch of this browser is under way with this state")
    kept = orjson.loads(content)
    return Pending(**{**kept, "scopes": tuple(kept["scopes"])})


def _kept_under(state: str, browser: str) -> str:
    return f"{state}.{browser}"


def _issuer(settings: ServeSettings) -> tuple[str, IssuerSettings]:
    stated = _single("iss")
    if stated is None:
        return next(iter(settings.issuers.items()))
    issuer = stated.rstrip("/")
    known = settings.issuers.get(issuer)
    if known is None:
        raise IssuerUnknown("iss is none of TOCSIN_SERVE__ISSUERS")
    return issuer, known


def _same_issuer(endpoints: Endpoints) -> None:
    """Refuse an answer of another authorisation server than the one that was asked (RFC 9207, 2.4)."""
    stated = _single("iss")
    if (stated is None and endpoints.says_issuer) or (stated is not None and stated != endpoints.issuer):
        raise IssuerMixedUp("iss of the answer is not the issuer that was asked")


def _single(name: str) -> str | None:
    """The request's parameter of this name; None where it has none. Raises LaunchMalformed where it has two, or what no EHR makes."""
    found = request.args.getlist(name)
    if len(found) > 1 or any(_OPAQUE.fullmatch(each) is None for each in found):
        raise LaunchMalformed(f"{name} is stated twice, or is no printable text")
    return found[0] if found else None


def _report() -> str | None:
    ident = request.args.get("report")
    if ident is None:
        return None
    if not is_id(ident):
        raise NotThisWay
    return f"DiagnosticReport/{ident}"


def _wanted(known: IssuerSettings, value: str | None, report: str | None) -> tuple[str, ...]:
    """The scopes to ask for: `launch` from a chart, and `launch/patient` where the clinician has neither chart nor report before them."""
    if value is not None:
        return ("launch", *known.scopes)
    return known.scopes if report is not None else ("launch/patient", *known.scopes)


def _again(pending: Pending) -> str:
    """Our address by which the same launch begins anew, without the chart: the EHR's own launch value is spent."""
    return launch_path(pending.issuer, None if pending.report is None else pending.report.partition("/")[2])


def _leads_to(session: Session) -> str:
    """What the launch was about, as a path of ours; no caller says where it leads. Who opens no report is led to the numbers of all."""
    if session.roles.isdisjoint((Role.READER, Role.LEAD)):
        return NUMBERS
    if session.report is not None:
        return report_path(session.report)
    return WORKLIST if session.patient is None else PATIENT
