"""The call of a hook, read strictly where a patient's identity is at stake (CDS Hooks 3.0.0, "HTTP Request")."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import SecretStr

from tocsin.fhir.datatypes import Json, an_object, fhir_id, text
from tocsin.serve.cds.problems import Malformed, WrongPatient

HOOKS: Final = ("patient-view", "order-select", "order-sign")
ORDER_HOOKS: Final = frozenset({"order-select", "order-sign"})

_BEARER: Final = re.compile(r"[!-~]{1,8192}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_SCOPE: Final = re.compile(r"(?:patient|user|system)/(?:\*|DiagnosticReport)\.(?:read|\*|(?P<acts>c?r?u?d?s?))(?:\?[!-~]*)?", re.ASCII)
"""SMART App Launch 1 (.read) and 2 (.rs, with or without a search that limits it); a search needs the s."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a hook."""

    hook: str
    patient: str
    """Patient/<id> of the context."""
    fhir_server: str | None
    """As the caller states it."""
    token: SecretStr | None = field(repr=False)
    """For the caller's FHIR server alone, and for this call alone."""
    prefetch: Mapping[str, Any] = field(repr=False)
    draft_orders: Json = field(repr=False)
    selections: object = field(repr=False)


def read_json(body: bytes) -> Json:
    """The body as a JSON object. Raises Malformed."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("The body is no JSON.") from None
    if not isinstance(said, dict):
        raise Malformed("The body is no JSON object.")
    return said


def read_call(said: Json) -> Call:
    """The call. Raises Malformed, and WrongPatient where its token is for another patient than its context."""
    hook, context = text(said.get("hook")), an_object(said.get("context"))
    if hook not in HOOKS:
        raise Malformed(f"hook is none of {', '.join(HOOKS)}.")
    if not _is_uuid(said.get("hookInstance")):
        raise Malformed("hookInstance is no UUID.")
    patient = fhir_id(context.get("patientId"))
    if patient is None:
        raise Malformed("context.patientId is no id of a FHIR Patient.")
    server, prefetch = said.get("fhirServer"), said.get("prefetch")
    if server is not None and not text(server):
        raise Malformed("fhirServer is no address.")
    if prefetch is not None and not isinstance(prefetch, dict):
        raise Malformed("prefetch is no JSON object.")
    return Call(
        hook,
        f"Patient/{patient}",
        server,
        _token(said, patient),
        prefetch or {},
        an_object(context.get("draftOrders")),
        context.get("selections"),
    )


def _token(said: Json, patient: str) -> SecretStr | None:
    authorization = said.get("fhirAuthorization")
    if authorization is None:
        return None
    if not isinstance(authorization, dict):
        raise Malformed("fhirAuthorization is no JSON object.")
    if said.get("fhirServer") is None:
        raise Malformed("fhirAuthorization came without fhirServer.")
    stated = authorization.get("patient")
    if stated is not None and stated != patient:
        raise WrongPatient("fhirAuthorization.patient is another patient than context.patientId.")
    token = text(authorization.get("access_token"))
    if not _BEARER.fullmatch(token) or text(authorization.get("token_type")).lower() != "bearer":
        raise Malformed("fhirAuthorization holds no bearer token.")
    lives = _lives(authorization.get("expires_in"))
    return SecretStr(token) if lives and may_search_reports(authorization.get("scope")) else None


def _lives(stated_s: object) -> bool:
    """Whether a token has time left. One that states none is taken for its call alone, and so for TOCSIN_CDS__ANSWER_WITHIN_S at most:
    no token is ever held beyond its call, whatever it states.
    """
    if stated_s is None:
        return True
    stated = int(stated_s) if isinstance(stated_s, str) and _SECONDS.fullmatch(stated_s) else stated_s
    return isinstance(stated, int | float) and not isinstance(stated, bool) and stated > 0


def may_search_reports(scope: object) -> bool:
    """Whether one of these scopes lets a client search DiagnosticReports, in the words of SMART App Launch 1 or 2."""
    matches = (_SCOPE.fullmatch(each) for each in text(scope).split())
    return any(each is not None and (each["acts"] is None or "s" in each["acts"]) for each in matches)


def _is_uuid(value: object) -> bool:
    try:
        return bool(uuid.UUID(text(value).removeprefix("urn:uuid:")))
    except ValueError:
        return False
