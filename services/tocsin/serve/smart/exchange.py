"""Gets the token for the code that a clinician brings back, and reads what the launch was about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import SecretStr

from tocsin.fhir.secret import TOKEN
from tocsin.serve.paths import is_id
from tocsin.serve.smart.asking import Asking, Json, NotJson
from tocsin.serve.smart.client import proof
from tocsin.serve.smart.discovery import Endpoints
from tocsin.serve.smart.refusals import CodeRefused, TokenAnswerMalformed
from tocsin.settings import IssuerSettings

ROUTE: Final = "token"
CODES: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
        "access_denied", "unsupported_response_type", "server_error", "temporarily_unavailable", "login_required", "consent_required",
        "interaction_required", "account_selection_required", "invalid_target",
    }
)  # fmt: skip
"""Error codes of RFC 6749 (4.1.2.1, 5.2), RFC 8707 and OpenID Connect Core (3.1.2.6); what is written beside them is never repeated."""
LIFE_S_WHEN_UNSAID: Final = 300
"""What a token of an issuer that does not say when it ends is used for; SMART recommends that it says so."""
LIFE_S_MAX: Final = 86_400
CONTEXT_MAX: Final = 64
"""Entries of fhirContext that are looked at."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What an issuer granted: a token, and the context of the launch (SMART App Launch 2.2, scopes and launch context)."""

    token: SecretStr
    id_token: SecretStr
    life_s: int
    scopes: tuple[str, ...]
    patient: str | None
    """Patient/<id> of the issuer's server."""
    report: str | None
    """DiagnosticReport/<id>, where the EHR names one by fhirContext or appContext."""
    banner: bool


def told_code(code: object) -> str:
    """The error code where it is one of the standards', else a word for all others."""
    return code if isinstance(code, str) and code in CODES else "another reason"


def redeem(asking: Asking, settings: IssuerSettings, endpoints: Endpoints, code: str, verifier: str, redirect_uri: str) -> Grant:
    """The grant for a code. The code, the verifier and the client's proof go to the issuer's token endpoint alone.

    Raises Unavailable(ehr), CodeRefused, TokenAnswerMalformed, and ConfigurationError over the client's files.
    """
    fields, headers = proof(settings, str(endpoints.token))
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier, **fields}
    try:
        status, said = asking.post(endpoints.token, ROUTE, asked, headers)
    except NotJson as what:
        raise TokenAnswerMalformed(f"token endpoint: {what}") from None
    if status != 200:
        raise CodeRefused(f"token endpoint: HTTP {status}, {told_code(said.get('error'))}")
    return grant(said)


def grant(said: Json) -> Grant:
    """What a token response says. Raises TokenAnswerMalformed: nothing of it is guessed."""
    token, id_token, scope = said.get("access_token"), said.get("id_token"), said.get("scope")
    if not isinstance(token, str) or TOKEN.match(token) is None:
        raise TokenAnswerMalformed("access_token is missing or is none")
    if str(said.get("token_type", "")).lower() != "bearer":
        raise TokenAnswerMalformed("token_type is not Bearer")
    if not isinstance(id_token, str) or not id_token:
        raise TokenAnswerMalformed("id_token is missing: are openid and fhirUser granted?")
    if not isinstance(scope, str):
        raise TokenAnswerMalformed("scope is missing")
    return Grant(
        SecretStr(token),
        SecretStr(id_token),
        _life_s(said.get("expires_in")),
        tuple(scope.split()),
        _patient(said.get("patient")),
        _report(said),
        said.get("need_patient_banner") is not False,
    )


def _life_s(stated: object) -> int:
    if stated is None:
        return LIFE_S_WHEN_UNSAID
    seconds = int(stated) if isinstance(stated, str) and re.fullmatch(r"\d{1,9}", stated) else stated
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise TokenAnswerMalformed("expires_in is no number of seconds")
    return min(seconds, LIFE_S_MAX)


def _patient(stated: object) -> str | None:
    if stated is None:
        return None
    if not isinstance(stated, str) or not is_id(stated):
        raise TokenAnswerMalformed("patient is no id")
    return f"Patient/{stated}"


def _report(said: Json) -> str | None:
    """The report that the launch is about; None where none is named, or more than one."""
    found = {each for each in [*_of_context(said.get("fhirContext")), _of_app(said.get("appContext"))] if each is not None}
    return found.pop() if len(found) == 1 else None


def _of_context(stated: object) -> list[str | None]:
    entries = stated[:CONTEXT_MAX] if isinstance(stated, list) else []
    return [_report_reference(each.get("reference")) for each in entries if isinstance(each, Mapping)]


def _of_app(stated: object) -> str | None:
    """What a CDS Hooks card or a Task said of the report that it opens: {"report": "<id>"}; in older Tasks DiagnosticReport/<id>."""
    try:
        content: Any = orjson.loads(stated) if isinstance(stated, str) else stated
    except orjson.JSONDecodeError:
        return None
    ident = content.get("report") if isinstance(content, Mapping) else None
    return _report_reference(f"DiagnosticReport/{ident.removeprefix('DiagnosticReport/')}") if isinstance(ident, str) else None


def _report_reference(stated: object) -> str | None:
    kind, _, ident = stated.partition("/") if isinstance(stated, str) else ("", "", "")
    return f"DiagnosticReport/{ident}" if kind == "DiagnosticReport" and is_id(ident) else None
