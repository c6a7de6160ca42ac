"""The AuditEvent of a verdict, in the shape of IHE's Basic Audit Log Patterns (BALP 1.1): a patient's resource was updated. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from tocsin.fhir.canonical import (
    AUDIT_ENTITIES,
    AUDIT_ROLES,
    AUDIT_TYPES,
    BALP_ENTITIES,
    DICOM_MODALITY,
    INTERACTIONS,
    PARTICIPATIONS,
)
from tocsin.fhir.datatypes import Json, as_instant
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.identity import part_id
from tocsin.review.types import Verdict

_NETWORK_URI: Final = "5"
"""AuditEvent.agent.network.type: the address is a URI (FHIR R4, network-type)."""


def audit_event(verdict: Verdict, source: str, base: ServiceBase, now: datetime) -> Json:
    """Who changed which report of which patient, through which installation (`source`), when; `now` is aware. No token is in it."""
    ours = {"identifier": {"value": source}, "display": "Tocsin"}
    return {
        "resourceType": "AuditEvent",
        "id": part_id(verdict.report.removeprefix("DiagnosticReport/"), f"audit {verdict.id}"),
        "type": {"system": AUDIT_TYPES, "code": "rest", "display": "Restful Operation"},
        "subtype": [{"system": INTERACTIONS, "code": "update", "display": "update"}],
        "action": "U",
        "recorded": as_instant(now),
        "outcome": "0",
        "agent": [
            {"type": _role("110153", "Source Role ID"), "who": ours, "requestor": False},
            {
                "type": _role("110152", "Destination Role ID"),
                "who": {"identifier": {"value": base.urls[0] if base.urls else source}},
                "requestor": False,
                "network": {"address": base.urls[0] if base.urls else source, "type": _NETWORK_URI},
            },
            {
                "type": {"coding": [{"system": PARTICIPATIONS, "code": "IRCP", "display": "information recipient"}]},
                "who": {"identifier": {"system": verdict.issuer, "value": verdict.clinician}},
                "requestor": True,
            },
        ],
        "source": {"observer": ours},
        "entity": [
            _entity({"reference": verdict.subject}, (AUDIT_ENTITIES, "1", "Person"), ("1", "Patient")),
            _entity({"reference": verdict.report}, (AUDIT_ENTITIES, "2", "System Object"), ("4", "Domain Resource")),
            {"what": {"identifier": {"value": verdict.id}}, "type": {"system": BALP_ENTITIES, "code": "XrequestId"}},
        ],
    }


def _role(code: str, display: str) -> Json:
    return {"coding": [{"system": DICOM_MODALITY, "code": code, "display": display}]}


def _entity(what: Json, kind: tuple[str, str, str], role: tuple[str, str]) -> Json:
    system, code, display = kind
    of_role, meaning = role
    return {
        "what": what,
        "type": {"system": system, "code": code, "display": display},
        "role": {"system": AUDIT_ROLES, "code": of_role, "display": meaning},
    }
