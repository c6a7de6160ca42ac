"""Every canonical address and code system that Tocsin knows, in one place: HL7's AI Transparency guide is a ballot and still moves.

HL7 AI Transparency on FHIR (FHIR 4.0.1, STU 1 ballot, snapshot of 2026-08-06); FHIR R4 (4.0.1); FHIR DS4P.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

AI_GUIDE: Final = "http://hl7.org/fhir/uv/aitransparency"
AI_DEVICE_TYPES: Final = f"{AI_GUIDE}/CodeSystem/AIdeviceTypeCS"
AI_INPUTS: Final = f"{AI_GUIDE}/CodeSystem/AIinputsCS"
AI_KIND: Final = f"{AI_GUIDE}/StructureDefinition/aitransparency.AIKind"
AI_MODEL_CARD: Final = f"{AI_GUIDE}/StructureDefinition/aitransparency.modelCardDescription"
AI_CONFIDENCE: Final = f"{AI_GUIDE}/StructureDefinition/AIconfidence"

ALTERNATE_REFERENCE: Final = "http://hl7.org/fhir/StructureDefinition/alternate-reference"
BODY_STRUCTURE: Final = "http://hl7.org/fhir/StructureDefinition/bodySite"
"""Extension of a body site: the BodyStructure that it is (FHIR R4, extension-bodysite)."""
REPORT_RISK: Final = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-risk"
"""Extension of a DiagnosticReport: its RiskAssessment (FHIR R4, extension-diagnosticreport-risk)."""
INTERPRETATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
OBSERVATION_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
PARTICIPANT_TYPES: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
DATA_OPERATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
RISK_PROBABILITY: Final = "http://terminology.hl7.org/CodeSystem/risk-probability"
DIAGNOSTIC_SERVICES: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
NON_ADHERENCE: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
"""Reasons not to follow a recommendation (CDS Hooks 3.0, trial use)."""
AUDIT_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
AUDIT_ENTITIES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
AUDIT_ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
PARTICIPATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
BALP_ENTITIES: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
LOINC: Final = "http://loinc.org"
SNOMED: Final = "http://snomed.info/sct"
DICOM_MODALITY: Final = "http://dicom.nema.org/resources/ontology/DCM"
"""Code system of DICOM modality codes in FHIR R4 (valueset media-modality)."""
UCUM: Final = "http://unitsofmeasure.org"

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    DICOM_MODALITY: ("urn:oid:1.2.840.10008.2.16.4",),
    SNOMED: ("urn:oid:2.16.840.1.113883.6.96",),
}
"""A code system's address -> what else it is called: its object identifier (FHIR R4, terminologies-systems)."""

REPORT_IDENTIFIER: Final = "urn:tocsin:report"
BANDS: Final = "urn:tocsin:band"
OBSTACLES: Final = "urn:tocsin:not-assessable"
SCORES: Final = "urn:tocsin:finding-score"
WITHDRAWALS: Final = "urn:tocsin:withdrawal"
VERDICT_REASONS: Final = "urn:tocsin:verdict-reason"

MARK: Final = "urn:tocsin:mark"
"""Extension of a DiagnosticReport: what Tocsin has to know to recognise its own report (report/resources/mark.py)."""
SUPERSEDED_BY: Final = "urn:tocsin:superseded-by"
"""Extension of a DiagnosticReport that is entered in error: refers to the report that took its place."""
REHEARSED: Final = "urn:tocsin:rehearsed"
"""Extension of a DiagnosticReport that is entered in error: true where that was the end of the rehearsal which made it."""

VERDICT: Final = "urn:tocsin:verdict"
"""Code system of a clinician's acts; and extension of a DiagnosticReport: the last act that stands on it (review/acted.py).

On an element of the report, the extension says that a verdict added the element; on a part, where older versions wrote it, the status that
the part had of its own before.
"""
CLASSES: Final = "urn:tocsin:class"
"""Code system of the model's classes, for the one that a clinician names."""

AI_ASSERTED: Final[dict[str, Any]] = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
"""The security label of every resource that an AI made."""
