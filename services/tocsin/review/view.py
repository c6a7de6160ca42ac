"""What the review page shows of one report: FHIR R4 resources in, a frozen view out. Pure, and without words: the page has those.

Nothing is shown unless report, picture and patient are one patient's (`check_one_patient`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Final

from tocsin.errors import ReportOfAnother, SubjectMismatch
from tocsin.fhir.canonical import BANDS, OBSTACLES, SNOMED
from tocsin.fhir.datatypes import DateTime, Json, an_object, codings, date_time, instant, objects, reference_to, text
from tocsin.fhir.reference import ServiceBase
from tocsin.image.identity import check_subject, was_merged
from tocsin.image.kind import kind_of
from tocsin.image.taken import Days, ages, birth, taken
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.model_card import ModelCard
from tocsin.model_limits import Known
from tocsin.report.recalled import recalled
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.readback import said_by_model
from tocsin.report.types import IN_ERROR, StoredReport
from tocsin.review.acted import before
from tocsin.review.shown import Finding, Made, Person, Shown, Sources, View

EARLIER_MAX: Final = 12
"""The most earlier pictures that are offered beside one."""
CONCLUSION_CHARACTERS_MAX: Final = 2_000
"""The most of another program's conclusion that is shown."""

BODY_SITE: Final = "http://hl7.org/fhir/StructureDefinition/bodySite"
"""FHIR R4's extension that names the BodyStructure, and so the lesion, that a body site stands for."""
TRACKING_UID: Final = "urn:dicom:uid"
"""System of an identifier that is a DICOM UID (FHIR R4, imagingstudy.html); on a Media, the lesion's Tracking UID (0062,0021)."""

_NO_END: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Stands for when a picture was stored, where nobody says until when it may have been taken."""


def check_one_patient(report: Json, media: Json | None, patient: str | None, base: ServiceBase) -> str:
    """The Patient/<id> whose report and picture these are; `patient` is the one in whose chart the reader is, None: in nobody's.

    Raises IdentityUnsafe where they are not all the same certain patient, and ReportOfAnother where the picture is another than the
    report's.
    """
    reference = reference_to(report)
    subject = patient or base.local(report.get("subject"))
    check_subject(report.get("subject"), subject, base, reference)
    if not subject.startswith("Patient/"):
        raise SubjectMismatch("the subject is no patient of this server", reference=reference)
    if media is not None:
        check_subject(media.get("subject"), subject, base, reference_to(media))
        if reference_to(media) != stored_report(report, base).media:
            raise ReportOfAnother("the picture that was read is another than the report's", reference=reference)
    return subject


def view(sources: Sources, base: ServiceBase, card_of: Callable[[str], ModelCard | None]) -> View:
    """The view of a report. `card_of` gives the card of a model version; call `check_one_patient` first."""
    report = sources.report
    stored = stored_report(report, base)
    card = None if stored.mark is None else card_of(stored.mark.model_version)
    picture = _current(sources.media)
    said = said_by_model(report, sources.results, sources.media)
    if said is not None and card is not None:
        said = recalled(said, card)
    known = known_of(report, sources.media, sources.patient)
    return View(
        report=stored.reference,
        version=stored.version,
        status=stored.status,
        subject=stored.subject,
        media=stored.media,
        patient=None if sources.patient is None else person(sources.patient),
        known=known if said is None else replace(known, calibrated=said.calibrated is not False),
        picture=None if stored.status == IN_ERROR else picture,
        earlier=() if stored.status == IN_ERROR else _earlier(sources, stored.subject, base),
        finding=_finding(stored, card),
        said=said,
        made=_made(report, stored, card, base),
        superseded_by=stored.superseded_by,
        card=card,
        conclusion=_concluded(report, stored, base),
    )


def person(patient: Json) -> Person:
    """The patient as a banner names them: a medical record number before other identifiers."""
    born = date_time(patient.get("birthDate"))
    return Person(
        name=name_of(patient),
        sex=text(patient.get("gender")),
        born=born.first if born is not None and born.first == born.last else None,
        identifier=_identifier(in_use(patient.get("identifier"))),
        in_doubt=was_merged(patient) or patient.get("active") is False,
    )


def known_of(report: Json, media: Json | None, patient: Json | None) -> Known:
    """What picture and patient say that a limit of the model may ask for. Where the Media states no time, the report does."""
    if media is None:
        return Known()
    days = taken(media, announced=instant(report.get("effectiveDateTime")), stored=_NO_END).days
    return Known(
        ages=ages(None if patient is None else birth(patient.get("birthDate")), days),
        body_site_codes=frozenset(each.code for each in codings(media.get("bodySite")) if each.system == SNOMED),
        modality_codes=frozenset(each.code for each in kind_of(media).codings),
    )


def name_of(person: Json) -> str:
    """The name of a Patient or Practitioner, official or usual before others; empty where none is stated."""
    return _name(name_in_use(person))


def name_in_use(person: Json) -> Json:
    """The HumanName by which the record calls somebody now: official or usual before others; empty where none is stated."""
    names = sorted(in_use(person.get("name")), key=lambda each: (_ended(each), _rank(text(each.get("use")), ("official", "usual", ""))))
    return next(iter(names), {})


def in_use(stated: object) -> list[Json]:
    """A person's names or identifiers but for old ones (FHIR R4, name-use, identifier-use); those that are stated to end come last."""
    return sorted((each for each in objects(stated) if each.get("use") != "old"), key=_ended)


def _ended(each: Json) -> bool:
    return bool(an_object(each.get("period")).get("end"))


def lesion_of(media: Json, base: ServiceBase) -> str:
    """What the record calls the lesion of a picture: its BodyStructure, or DICOM's tracking UID; empty where it does not say."""
    site = an_object(media.get("bodySite"))
    structure = next((each for each in objects(site.get("extension")) if each.get("url") == BODY_SITE), {})
    tracked = (each for each in objects(media.get("identifier")) if each.get("system") == TRACKING_UID)
    return base.local(structure.get("valueReference")) or next((text(each.get("value")) for each in tracked), "")


def when_taken(media: Json) -> tuple[Days | None, datetime | None]:
    """The days on which a picture may have been taken, and the moment where it is stated; None each where it is not."""
    stated = media.get("createdDateTime")
    moment: DateTime | None = date_time(stated)
    if moment is None and not isinstance(media.get("createdPeriod"), dict):
        return None, None
    days = taken(media, announced=None, stored=_NO_END).days
    return days, instant(stated)


def display_of(concept: object) -> str:
    """A CodeableConcept as the record displays it; empty where it does not."""
    stated = an_object(concept)
    displays = (text(each.get("display")) for each in objects(stated.get("coding")))
    return text(stated.get("text")) or next(filter(None, displays), "")


def _rank(value: str, order: Sequence[str]) -> int:
    return order.index(value) if value in order else len(order)


def _name(name: Json) -> str:
    if stated := text(name.get("text")):
        return stated
    stated_given = name.get("given")
    given = " ".join(filter(None, map(text, stated_given))) if isinstance(stated_given, list) else ""
    return " ".join(filter(None, (given, text(name.get("family")))))


def _identifier(identifiers: Sequence[Json]) -> str:
    def is_record_number(identifier: Json) -> bool:
        return any(text(each.get("code")) == "MR" for each in objects(an_object(identifier.get("type")).get("coding")))

    values = [text(each.get("value")) for each in sorted(identifiers, key=lambda each: not is_record_number(each))]
    return next(filter(None, values), "")


def _current(media: Json | None) -> Shown | None:
    if media is None or text(media.get("status")) in WITHDRAWN_MEDIA:
        return None
    days, moment = when_taken(media)
    return Shown(reference_to(media), days, moment, an_object(media.get("bodySite")), same_lesion=True)


def _earlier(sources: Sources, subject: str, base: ServiceBase) -> tuple[Shown, ...]:
    """The patient's earlier pictures of the same lesion, and of the same body site where the record does not tell lesions apart."""
    if sources.media is None:
        return ()
    this, lesion, site = reference_to(sources.media), lesion_of(sources.media, base), _sites(sources.media)
    latest = _last(sources.media)
    found = []
    for media in sources.pictures or ():
        sound = text(media.get("status")) not in WITHDRAWN_MEDIA and base.local(media.get("subject")) == subject
        if not sound or reference_to(media) in ("", this) or _last(media) > latest:
            continue
        its = lesion_of(media, base)
        same = its == lesion != ""
        if same or (not (its and lesion) and site & _sites(media)):
            found.append(Shown(reference_to(media), *when_taken(media), an_object(media.get("bodySite")), same))
    found.sort(key=lambda each: (each.same_lesion, (each.taken and each.taken.last) or date.min, each.media), reverse=True)
    return tuple(found[:EARLIER_MAX])


def _last(media: Json) -> date:
    days, _ = when_taken(media)
    return date.max if days is None or days.last is None else days.last


def _sites(media: Json) -> frozenset[tuple[str | None, str]]:
    return frozenset((each.system, each.code) for each in codings(media.get("bodySite")))


def _finding(stored: StoredReport, card: ModelCard | None) -> Finding | None:
    """What the model made of it, by the mark, which a clinician's act leaves as it was."""
    mark = stored.mark
    if mark is None:
        return None
    bands = () if card is None else card.operating_point.bands
    return Finding(next((each for each in bands if each.code == mark.code), None), mark.score, mark.flagged)


def _concluded(report: Json, stored: StoredReport, base: ServiceBase) -> tuple[str, ...]:
    """What another program concluded, where it left the mark: its codes in the record's words, then its text as that stands."""
    mark = stored.mark
    if mark is None or before(report, base).verbatim:
        return ()
    written = text(report.get("conclusion"))
    others = (each for each in objects(report.get("conclusionCode")) if not _is_of_tocsin(each, mark.code))
    coded = (display_of(each) or next((one.code for one in codings(each)), "") for each in others)
    lines = (*(each for each in coded if each not in written), *written.splitlines())
    whole = "\n".join(filter(None, map(str.strip, lines)))
    cut = whole if len(whole) <= CONCLUSION_CHARACTERS_MAX else f"{whole[:CONCLUSION_CHARACTERS_MAX].rstrip()}…"
    return tuple(cut.splitlines())


def _is_of_tocsin(concept: Json, code: str) -> bool:
    """Whether a conclusion is the one with this code that Tocsin wrote by itself."""
    return any(each.system in (BANDS, OBSTACLES) and each.code == code for each in codings(concept))


def _made(report: Json, stored: StoredReport, card: ModelCard | None, base: ServiceBase) -> Made:
    mark = stored.mark
    performer = next(iter(objects(report.get("performer"))), {})
    by = (base.local(each.get("valueReference")) for each in objects(performer.get("extension")))
    version = "" if mark is None else mark.model_version
    return Made(
        title=card.title if card is not None else text(performer.get("display")),
        model=version if card is None else str(card.model),
        issued=stored.issued,
        trace_id=None if mark is None else mark.trace_id,
        device=next((each for each in by if each.startswith("Device/")), ""),
    )
