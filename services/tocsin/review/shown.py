"""What the review page knows of one report: frozen values, made by review/view.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from tocsin.fhir.datatypes import Json
from tocsin.image.taken import Days
from tocsin.model_card import Band, ModelCard
from tocsin.model_limits import Known
from tocsin.report.said import Said
from tocsin.report.types import IN_ERROR, PRELIMINARY, REVIEWED


@dataclass(frozen=True, slots=True)
class Sources:
    """The resources of one report, as the reader's own token gave them; None where the reader may not read that kind, or not now."""

    report: Json
    media: Json | None
    patient: Json | None
    results: Sequence[Json] = ()
    history: Sequence[Json] | None = ()
    people: Mapping[str, Json] = field(default_factory=dict)
    """Reference -> Practitioner."""
    pictures: Sequence[Json] | None = ()
    """Media of the same patient, in any order."""
    pictures_whole: bool = True
    """Whether these are all that the record has of the patient's, as far as the reader may know."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whose picture it is, as the banner says it."""

    name: str
    sex: str
    """FHIR administrative-gender code; empty where none is stated."""
    born: date | None
    identifier: str
    """What the hospital calls the patient by: the medical record number where one is typed so; empty where there is none."""
    in_doubt: bool = False
    """Whether the record says that this Patient was merged into another, or is not active: of such Tocsin judges no picture."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that may be shown."""

    media: str
    """Media/<id>."""
    taken: Days | None
    """The days on which it may have been taken; None where nobody says."""
    moment: datetime | None
    """When it was taken, where that is stated to the moment."""
    site: Json
    """Media.bodySite; empty where none is stated."""
    same_lesion: bool
    """Whether the record itself says that it shows the lesion of the report; else the body site alone is the same."""

    @property
    def id(self) -> str:
        """The Media's id."""
        return self.media.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the model made of the picture."""

    band: Band | None
    """None where the card of the model that judged is not at hand."""
    score: float | None
    """The score for malignancy, or the probability, 0..1; None where the picture is not assessable."""
    flagged: bool

    @property
    def assessable(self) -> bool:
        """Whether the model could judge the picture."""
        return self.score is not None


@dataclass(frozen=True, slots=True)
class Made:
    """Who made the result, and when."""

    title: str
    model: str
    """The model's name and version, as Triton knows them; the version alone where the card is not at hand."""
    issued: datetime | None
    trace_id: str | None
    device: str
    """Device/<id>; empty where the report does not say."""


@dataclass(frozen=True, slots=True)
class View:
    """One report as the page shows it."""

    report: str
    """DiagnosticReport/<id>."""
    version: str | None
    """Version as the server counts it; None where it counts none, and then nobody can act on it safely."""
    status: str
    subject: str
    media: str
    """Media/<id>; empty where the report names none of this server's."""
    patient: Person | None
    known: Known
    picture: Shown | None
    """None where there is none that may be shown."""
    earlier: tuple[Shown, ...]
    """Newest first."""
    finding: Finding | None
    """None where the report cannot be read as one of Tocsin's."""
    said: Said | None
    """The same as the words of a report are made of; None where `finding` is."""
    made: Made
    superseded_by: str | None
    card: ModelCard | None
    """The card of the model that judged; None where it is not at hand."""
    conclusion: tuple[str, ...] = ()
    """What another program wrote as the report's conclusion, line by line and cut; empty where it concludes what Tocsin wrote."""

    @property
    def id(self) -> str:
        """The DiagnosticReport's id."""
        return self.report.partition("/")[2]

    @property
    def unread(self) -> bool:
        """Whether no clinician has acted on it."""
        return self.status == PRELIMINARY

    @property
    def reviewed(self) -> bool:
        """Whether a clinician has acted on it, here or by another program, and it holds."""
        return self.status in REVIEWED

    @property
    def in_error(self) -> bool:
        """Whether it was withdrawn, or gave way to a newer one."""
        return self.status == IN_ERROR
