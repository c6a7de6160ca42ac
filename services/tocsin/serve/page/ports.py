"""What the page needs of the rest of Tocsin, and what a site sets of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.fhir.reference import ServiceBase
from tocsin.image.content import Contents
from tocsin.model_card import ModelCard
from tocsin.model_limits import Known
from tocsin.report.words import Wording
from tocsin.review.answered import Answered
from tocsin.review.types import Act, State, Verdicts
from tocsin.review.view import display_of
from tocsin.serve.page.looks import Looks
from tocsin.serve.types import RecordOf, Role, Session, Sessions
from tocsin.words.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict that the bus has, and what became of it last."""

    verdict: str
    """Its id."""
    act: Act
    state: State
    by: tuple[str, str] | None = None
    """The clinician's reference and the issuer that vouches for them; None where it is not known here."""
    report_version: str | None = None
    """The version of the report that the clinician saw; None where it is not known here."""
    decided_at: datetime | None = None
    """When the clinician decided, aware; None where it is not known here."""


class Standings(Protocol):
    """What became of verdicts, also of those that the record does not hold. Safe for threads."""

    def __call__(self, report: str) -> Sequence[Kept]:
        """Verdicts on this DiagnosticReport/<id>, the last one at least, oldest first, as far as they are known here. Never raises."""


class Reason(Protocol):
    """A coded reason that a clinician may choose."""

    @property
    def code(self) -> str:
        """As a Verdict carries it."""

    @property
    def display(self) -> str:
        """In English; the catalogue has it in other languages."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What one clinician may do with a report now."""

    acts: frozenset[Act] = frozenset()
    undoes: str | None = None
    """Id of the verdict that an undo would take back; None where there is none of this clinician's own."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the record and a model's card say, in a reader's language; by default as it stands there."""

    limits_for: Callable[[ModelCard, Known], Sequence[str]]
    """What the model is bad at on the picture of which this is known: sentences of the card."""
    of_card: Callable[[ModelCard, str, str], str] = lambda _card, sentence, _language: sentence
    """Card, a sentence or display of it, language -> the same in that language."""
    of_site: Callable[[Json, Catalogue], str] = lambda site, _catalogue: display_of(site)
    """A body site (a CodeableConcept) in that language; empty where none is stated."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Whatever the page asks."""

    sessions: Sessions
    record_of: RecordOf
    verdicts: Verdicts
    standings: Standings
    in_ehr: Callable[[str], Answered | None]
    """What EHRs tell of answers to the cards of this DiagnosticReport/<id>; None where that is not known yet. Never raises."""
    choices_of: Callable[[Json, ServiceBase, Session], Choices]
    """What the reader may do with a DiagnosticReport that was read at that server, by the rules of verdicts."""
    reasons_for: Callable[[Act], Sequence[Reason]]
    """The reasons from which an act chooses one; empty where it needs none, and for a correction, which names a class."""
    card_of: Callable[[str], ModelCard | None]
    """The card of a model version; None where it is not at hand."""
    contents_of: Callable[[FhirClient], Contents]
    """Reads a picture's bytes as this reader: the reader's token goes to their FHIR server alone."""
    looks: Looks
    wording_of: Callable[[str], Wording]
    """Language -> the words of reports, by the card in use."""
    phrases: Phrases
    now: Callable[[], datetime]
    """The time, aware."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site sets."""

    source: str
    """URI of the installation."""
    zone: tzinfo
    """Zone of the times on the page."""
    blind: frozenset[Role] = frozenset()
    """Roles whose readers say what they see before the AI's result is shown to them."""
