"""Why a call is not answered with cards: a status, and an OperationOutcome that an integrator can act on (CDS Hooks 3.0.0)."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

from tocsin.fhir.datatypes import Json


class CallProblem(Exception):
    """A call that gets no cards; its text names elements and codes, and nothing of what the caller wrote."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    code: ClassVar[str] = "invalid"
    """FHIR R4, issue-type."""
    outcome: ClassVar[str] = "malformed"
    """In metrics."""


class Malformed(CallProblem):
    """The call is not what CDS Hooks says that it is."""


class TooLarge(CallProblem):
    """The call is larger than TOCSIN_CDS__BODY_BYTES_MAX."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "too-long"


class NoSuchService(CallProblem):
    """There is no service of this id, or it does not answer this hook."""

    status = HTTPStatus.NOT_FOUND
    code = "not-found"


class WrongPatient(CallProblem):
    """What came with the call is about another patient than the call: nothing is shown, and somebody has to look at the EHR."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "business-rule"
    outcome = "wrong-patient"


class WithoutData(CallProblem):
    """The patient's reports did not come with the call and cannot be fetched."""

    status = HTTPStatus.PRECONDITION_FAILED
    code = "required"
    outcome = "without-data"


class Busy(CallProblem):
    """Feedback cannot be kept at the moment; the EHR may send it again."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "transient"
    outcome = "busy"


def operation_outcome(code: str, sentence: str, *, details: str | None = None) -> Json:
    """The OperationOutcome; `details` is Tocsin's own code of what failed."""
    told = {} if details is None else {"details": {"coding": [{"system": "urn:tocsin:cds-refusal", "code": details}]}}
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code, **told, "diagnostics": sentence}]}
