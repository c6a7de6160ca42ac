"""Stored report -> document, in one language and one time zone. Pure.

What the report says it says in the words of the record and the pages (report/words.py); the sentences here are about the paper alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from tocsin.fhir.datatypes import instant, text
from tocsin.model_card import FindingClass, ModelCard, limits_for
from tocsin.paper.stored import Stored, made, signature
from tocsin.paper.types import Block, Document, Facts, Figure, Heading, Lines, Notice, Paragraph, Result, Table, Tone
from tocsin.report.lesion import UNKNOWN
from tocsin.report.recalled import recalled
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.readback import said_in
from tocsin.report.said import Said, class_code
from tocsin.report.types import IN_ERROR, REVIEWED, StoredReport
from tocsin.report.words import ReportWords, Wording, sentence
from tocsin.review.clinician_words import act_said
from tocsin.review.history import CONTESTED, class_named
from tocsin.review.view import known_of, person

VOID: Final = frozenset({IN_ERROR, "cancelled"})
CHANGED: Final = REVIEWED - {"final"}
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands where the record tells no time at all."""


def compose(stored: Stored, card: ModelCard, wording: Wording, zone: tzinfo, *, names_patient: bool = False) -> Document:
    """The document of a report; `wording` is the card's in the document's language. It names the patient only where that is asked for."""
    return _Composing(stored, card, wording, zone, names_patient).document()


@dataclass(frozen=True, slots=True)
class _About:
    """What is read once of a report."""

    standing: StoredReport
    said: Said
    words: ReportWords


class _Composing:
    def __init__(self, stored: Stored, card: ModelCard, wording: Wording, zone: tzinfo, names_patient: bool) -> None:
        self._stored = stored
        self._card = card
        self._wording = wording
        self._zone = zone
        self._names_patient = names_patient
        self.say = wording.catalogue.say
        said = recalled(said_in(stored.report, stored.results, stored.media), card)
        self._by = signature(stored)
        self._about = _About(stored_report(stored.report, stored.base), said, wording.of(said))
        codes = {class_code(card, each) for each in card.output.classes}
        self._own = said.model_version == card.version and all(each.code in codes for each in said.classes)
        """Whether the card is that of the model that judged."""

    def document(self) -> Document:
        standing, words = self._about.standing, self._about.words
        return Document(
            language=words.language,
            title=self.say("AI image analysis"),
            subtitle=f"{self._where()}, {words.when}",
            blocks=tuple(self._blocks()),
            foot=tuple(filter(None, (words.review, self._report_name(), self._name_of_patient()))),
            page=self.say("Page {page} of {pages}", page="{page}", pages="{pages}"),
            missing=self.say("Letters that cannot be printed stand here as their Unicode numbers, for example [U+65E5]."),
            key=f"{standing.reference} {standing.version} {self._zone} {self._names_patient}",
            made=made(self._stored.report) or NEVER,
        )

    def _where(self) -> str:
        """Which lesion; one that a hidden Media alone would tell is not said to be unstated."""
        if self._about.said.lesion == UNKNOWN and self._stored.media is None and self._stored.picture_hidden:
            return self.say("Body site not shown")
        return self._about.words.where

    def _blocks(self) -> Iterator[Block]:
        if self._names_patient and self._stored.patient is not None:
            yield Facts(tuple(self._patient()))
        yield Notice(tuple(self._notices()), self._tone())
        if self._about.standing.status not in VOID:
            yield self._result()
            yield from self._classes()
            yield from self._limits()
        yield Heading(self.say("How this result was made"))
        yield Facts(tuple(self._facts()))

    def _tone(self) -> Tone:
        status = self._about.standing.status
        return Tone.VOID if status in VOID else Tone.SIGNED if status in REVIEWED else Tone.OPEN

    def _notices(self) -> Iterator[str]:
        status = self._about.standing.status
        yield self._about.words.review
        if status in REVIEWED | VOID:
            yield from self._signature()
        if self._stored.acts_hidden:
            yield self.say(
                "The record does not show who acted on this result to the account that this document was made with: "
                "more may have been done than is told here."
            )
        if status in CHANGED:
            yield self.say("A clinician has changed the report since the AI wrote it.")
        if (newer := self._about.standing.superseded_by) is not None:
            yield self.say("A newer report took its place: {report}.", report=newer)
        if status not in VOID and not (self._own and self._about.said.calibrated):
            yield self.say("Not for clinical use without local validation.")

    def _signature(self) -> Iterator[str]:
        by = self._by
        if said := act_said(by.act, self._class_named(), self._wording.catalogue):
            yield said
        if by.who and by.when is not None:
            yield self.say("By {who}, {when}.", who=by.who, when=self._moment(by.when))
        elif by.who:
            yield self.say("By {who}; the record does not say when.", who=by.who)
        elif self._about.standing.superseded_by is None and not self._stored.acts_hidden:
            yield self.say("The record does not say who did this, or when.")
        if by.reason:
            yield self.say("Reason: {reason}", reason=self._wording.catalogue.of_record(by.reason))

    def _class_named(self) -> str:
        named = class_named(self._stored.report)
        return self._card.say(named, self._about.words.language) if named else self.say("not recorded")

    def _result(self) -> Result:
        said, words = self._about.said, self._about.words
        figure = self._figure()
        if self._about.standing.mark is None:
            lost = self.say("What Tocsin reads a report by is gone from this one: another program changed it. Its own words are printed.")
            return Result(said.display or self.say("No result"), (*_paragraphs(said.conclusion or ""), Paragraph(lost)), figure)
        if not said.code:
            return Result(self.say("The clinician's conclusion"), (*_paragraphs(words.result), *self._before()), figure)
        rest = (Paragraph(sentence(each)) for each in (words.numbers, words.scale) if each)
        if self._about.standing.status in REVIEWED and self._may_be_contested():
            return Result(self.say("The AI had said: {result}", result=words.result), tuple(rest), figure)
        return Result(words.result, (*(Paragraph(each, strong=True) for each in (words.meaning,) if each), *rest), figure)

    def _may_be_contested(self) -> bool:
        """Whether a clinician disagreed, or may have: what they did is kept from this reader."""
        return self._by.act in CONTESTED or (self._stored.acts_hidden and not self._by.act)

    def _before(self) -> Iterator[Paragraph]:
        """What the model had said, where a clinician wrote another conclusion."""
        mark = self._about.standing.mark
        if mark is not None and mark.score is not None:
            score = self._wording.number(mark.score, calibrated=self._about.said.calibrated is True)
            yield Paragraph(self.say("The AI had scored the picture {score} for malignancy.", score=score))

    def _figure(self) -> Figure | None:
        if self._stored.picture is None:
            return None
        words = self._about.words
        return Figure(
            self._stored.picture,
            self.say("The picture that was judged: {where}, {when}", where=words.where, when=words.when),
            self.say("The picture that was judged, turned upright."),
        )

    def _classes(self) -> Iterator[Block]:
        words, said = self._about.words, self._about.said
        if not said.assessed:
            return
        rows = [(each.name, each.score) for each in words.classes]
        if self._own:
            held = {each.code for each in words.classes}
            rows += [(self._name(each), self.say("not recorded")) for each in self._card.output.classes if each.code not in held]
        yield Heading(self.say("All classes that the model tells apart"))
        yield Table((self.say("Class"), words.column), tuple(rows))
        if words.class_scale:
            yield Paragraph(sentence(words.class_scale))

    def _name(self, finding: FindingClass) -> str:
        display = self._card.say(finding.display, self._about.words.language)
        return self.say("{name} (malignant)", name=display) if finding.malignant else display

    def _limits(self) -> Iterator[Block]:
        if not self._about.said.assessed:
            return
        if not self._own:
            yield Paragraph(self.say("The card of the model that judged is not at hand here: what it is bad at cannot be told."))
            return
        known = self._stored.known or known_of(self._stored.report, self._stored.media, self._stored.patient)
        limits = limits_for(self._card, replace(known, calibrated=self._about.said.calibrated is not False))
        if limits:
            yield Heading(self.say("What this model is known to be bad at, on pictures like this one"))
            yield Lines(tuple(self._card.say(each.sentence, self._about.words.language) for each in limits))
            yield from (Paragraph(sentence(each)) for each in (self._about.words.limits, self._about.words.calibrated) if each)

    def _facts(self) -> Iterator[tuple[str, str]]:
        standing, report = self._about.standing, self._stored.report
        if (moment := instant(report.get("effectiveDateTime"))) is not None:
            yield self.say("Picture taken"), self._moment(moment)
        if self._about.words.model:
            model = f" ({self._card.model})" if self._own else ""
            yield self.say("Model"), f"{self._about.words.model}{model}"
        if standing.issued is not None:
            yield self.say("Report issued"), self._moment(standing.issued)
        yield self.say("Report"), self._report_name()
        if standing.media:
            yield self.say("Picture"), standing.media
        if standing.mark is not None:
            yield "SHA-256", standing.mark.content_sha256
            if standing.mark.trace_id is not None:
                yield self.say("Trace"), standing.mark.trace_id
        if self._stored.picture is None and standing.status not in VOID:
            yield self.say("Not shown"), self._why_no_picture()

    def _why_no_picture(self) -> str:
        if self._stored.picture_hidden:
            return self.say("The picture: the record does not show it to the account that this document was made with.")
        return self.say("The picture: it was not asked for, it cannot be read, or another one stands in its place by now.")

    def _name_of_patient(self) -> str:
        """Whose document it is, for each of its pages: the number first, as a long name may be cut. Empty where it names nobody."""
        if not self._names_patient or self._stored.patient is None:
            return ""
        whose = person(self._stored.patient)
        return ", ".join(filter(None, (whose.identifier, whose.name)))

    def _patient(self) -> Iterator[tuple[str, str]]:
        whose = person(self._stored.patient or {})
        yield self.say("Patient"), whose.name or self.say("without a name in the record")
        if whose.born is not None:
            yield self.say("Born"), self._wording.catalogue.date(whose.born)
        if whose.identifier:
            yield self.say("Identifier"), whose.identifier

    def _report_name(self) -> str:
        standing = self._about.standing
        if standing.version is None:
            return standing.reference
        return self.say("{report}, version {version}", report=standing.reference, version=standing.version)

    def _moment(self, when: datetime) -> str:
        return self._wording.catalogue.moment(when, self._zone)


def _paragraphs(words: str) -> Iterator[Paragraph]:
    yield from (Paragraph(each) for each in words.splitlines() if text(each).strip())
