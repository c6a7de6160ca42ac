"""What an OperationOutcome says in codes; its words, and whatever else might quote a patient, stay out (FHIR R4, OperationOutcome)."""

from __future__ import annotations

import codecs
import re
from typing import Final

import orjson

from tocsin.fhir.datatypes import Json, an_object, objects, text

_SEVERITIES: Final = ("fatal", "error", "warning", "information", "success")
_CODES: Final = frozenset(
    {
        *("invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden", "suppressed"),
        *("processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long", "code-invalid", "extension"),
        *("too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store", "exception", "timeout", "incomplete"),
        *("throttled", "informational", "success", "limited-filter"),
    }
)
"""Code systems issue-severity and issue-type (FHIR R4 and R5); another word may be anything."""
_KINDS: Final = (
    "Bundle|Media|Patient|Binary|ImagingStudy|DiagnosticReport|Observation|RiskAssessment|Device|Provenance|OperationOutcome|Parameters"
)
_NOTE: Final = r"(?:/\*[A-Za-z]{1,40}/[A-Za-z0-9.-]{1,64}\*/)?"
"""The resource's kind and id, which HAPI writes behind an entry: Bundle.entry[0].resource/*DiagnosticReport/1*/.status."""
_STEP: Final = rf"\.[a-z][A-Za-z0-9]{{0,40}}(?:\[[0-9]{{1,4}}\])?{_NOTE}(?:\(\))?"
_ELEMENT: Final = re.compile(rf"(?:{_KINDS}|[a-z][A-Za-z]{{0,40}})(?:{_STEP}){{0,12}}")
"""A FHIRPath to an element: names and numbers alone. A condition in it may hold what the element says."""


def outcome_codes(body: bytes) -> str:
    """Severity, code and element of the first five issues, errors before others."""
    told = sorted(issues(body), key=lambda issue: text(issue.get("severity")) not in ("fatal", "error"))
    return "; ".join(_issue(each) for each in told[:5]) or "no OperationOutcome"


def issues(body: bytes) -> list[Json]:
    """The issues of an OperationOutcome; none where the body holds no OperationOutcome."""
    try:
        return objects(an_object(orjson.loads(body.removeprefix(codecs.BOM_UTF8))).get("issue"))
    except orjson.JSONDecodeError:
        return []


def _issue(issue: Json) -> str:
    where = issue.get("expression")
    words = [
        *(each for each in (text(issue.get("severity")),) if each in _SEVERITIES),
        *(each for each in (text(issue.get("code")),) if each in _CODES),
        *(each for each in map(text, where[:5] if isinstance(where, list) else []) if len(each) <= 200 and _ELEMENT.fullmatch(each)),
    ]
    return " ".join(words)
