"""Who reads, and what the rooms of `serve` give its server."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr

from tocsin.fhir.client import FhirClient


class Role(StrEnum):
    """What a reader may do, by a claim of their token."""

    READER = "reader"
    """Opens reports of patients that their token lets them see, and gives verdicts."""
    LEAD = "lead"
    """Sees the worklist of a whole site besides."""
    OPERATOR = "operator"
    """Sees how the installation does; no patient."""


@dataclass(frozen=True, slots=True)
class Session:
    """A clinician who came by a SMART launch. The token never leaves the server."""

    key: str
    """Hex SHA-256 of the cookie's value: names the session in logs."""
    csrf: str
    """What every form of this session carries."""
    issuer: str
    """Base address of the FHIR server that the token is for; the token goes nowhere else."""
    clinician: str
    """Practitioner/<id> or PractitionerRole/<id>."""
    roles: frozenset[Role]
    token: SecretStr
    until: datetime
    """When the token ends; aware."""
    patient: str | None = None
    """Patient/<id> in whose chart the launch happened."""
    report: str | None = None
    """DiagnosticReport/<id> that the launch named."""
    banner: bool = True
    """Whether the page shows whose picture it is: SMART's need_patient_banner, and true where the EHR does not say, or has no
    patient's chart open: then nobody else shows whose it is.
    """
    language: str = "en"

    @property
    def reader(self) -> str:
        """The clinician, the same at every launch, as a hash that names them to nobody who does not know them."""
        return hashlib.sha256(f"reader {self.issuer} {self.clinician}".encode()).hexdigest()

    @property
    def chart(self) -> str:
        """Tells this launch's pages from another's in an address: it names neither session nor patient to who does not know them."""
        return hashlib.sha256(f"chart {self.key}".encode()).hexdigest()[:16]


class Sessions(Protocol):
    """Sessions of this request's reader."""

    def current(self) -> Session | None:
        """The session of the request that is being answered; None where there is none, or it has ended."""


class RecordOf(Protocol):
    """The record as one reader may see it."""

    def __call__(self, session: Session) -> FhirClient:
        """A client with the reader's own token, which goes to the session's issuer alone."""
