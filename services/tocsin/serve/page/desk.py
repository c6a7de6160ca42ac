"""What each route of the review page does. Everything is read with the reader's own token, each time anew."""

from __future__ import annotations

import hmac
import uuid
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple

from flask import Response, make_response, redirect, render_template, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response as AnyResponse

from tocsin.errors import FHIR, Deferred, Refused, Unavailable
from tocsin.fhir.client import FhirClient, NoRight
from tocsin.report.words import Wording
from tocsin.review.history import act_told, history, standing_act
from tocsin.review.shown import Sources, View
from tocsin.review.types import Act
from tocsin.review.view import person, view
from tocsin.serve.page import forms, pictures
from tocsin.serve.page.listing import rows
from tocsin.serve.page.looks import Impression, Look
from tocsin.serve.page.messages import TOLD, AnotherChart, FormNotOwn, NoSession, NotForRole, PictureUnseen, message_of
from tocsin.serve.page.notices import merged, notices, settled
from tocsin.serve.page.ports import Kept, Ports, Rules
from tocsin.serve.page.prepared import prepared
from tocsin.serve.page.reading import NotHere, OfAnotherPatient, read_picture_of, read_report, read_reports
from tocsin.serve.page.scale import scale
from tocsin.serve.page.submissions import AnotherAct, Submissions
from tocsin.serve.page.words import ACTS, IMPRESSIONS, Words
from tocsin.serve.paths import WORKLIST, launch_path
from tocsin.serve.problems import away
from tocsin.serve.types import Role, Session
from tocsin.telemetry.log import logger
from tocsin.telemetry.trace import trace_id
from tocsin.words.catalogue import LANGUAGES, to_say

_READERS = frozenset({Role.READER, Role.LEAD})


class _Read(NamedTuple):
    """A report as its page needs it."""

    sources: Sources
    view: View
    fhir: FhirClient
    """The record by the reader's token."""
    looks_first: bool
    """Whether the reader is one who looks first, and neither said what they see nor saw the result yet."""


class Desk:
    """Answers the requests of the page. Safe for threads; keeps no patient."""

    def __init__(self, ports: Ports, rules: Rules) -> None:
        self._ports = ports
        self._rules = rules
        self._submissions = Submissions()

    def report(self, id_: str) -> AnyResponse:
        """The page of one report; only the picture and a question where the reader is to look first."""
        session = self._reader()
        return self._page(session, self._read(session, id_))

    def picture(self, id_: str, media_id: str | None = None) -> AnyResponse:
        """The bytes of the report's picture, or of another picture of its patient."""
        session = self._reader()
        fhir = self._ports.record_of(session)
        try:
            return pictures.picture(fhir, self._ports.contents_of(fhir), session, id_, media_id)
        except Refused as error:
            if not isinstance(error, TOLD):
                logger().warning("a picture is not shown", reason=error.reason, media=error.reference)
            return Response("", message_of(error).status if isinstance(error, TOLD) else pictures.status_of(error))
        except TOLD as error:
            return Response("", pictures.status_of(error) if isinstance(error, pictures.Changed) else message_of(error).status)

    def patient(self) -> AnyResponse:
        """The reports of the patient in whose chart the reader is.

        The address says of which launch it is, and holds for that alone: in the window of a chart that was opened before, the same address
        read again would else show the patient of the chart that was opened last.
        """
        session = self._reader()
        if session.patient is None:
            raise NotHere
        stated = request.args.get("chart")
        if stated is None:
            return redirect(url_for(".patient", chart=session.chart), HTTPStatus.SEE_OTHER)
        if stated != session.chart:
            raise AnotherChart
        fhir = self._ports.record_of(session)
        listed = read_reports(fhir, session, session.patient)
        whose = None if listed.patient is None else person(listed.patient)
        if session.banner and whose is None:
            raise NotHere  # as of one report: whose results these are cannot be told
        found = rows(listed.reports, listed.pictures, fhir.service_base, self._ports.card_of, hidden=self._is_blind(session))
        banner = whose if session.banner else None
        return self._rendered(session, "patient.html", rows=found, whole=listed.whole, patient=banner, whose=whose)

    def first_look(self, id_: str) -> AnyResponse:
        """Keep what the reader says before the result is shown, and show it."""
        session = self._sender()
        stated = request.form.get("impression")
        impression = next((each for each in Impression if each.value == stated), None)
        shown = self._identified(session, id_)[0]
        if impression is not None:
            self._ports.looks.said(session.reader, shown.report, impression)
        return redirect(url_for(".report", id_=shown.id), HTTPStatus.SEE_OTHER)

    def verdict(self, id_: str) -> AnyResponse:
        """Take a verdict, once for each submission; a withdrawal is asked for twice, and a first look before any, where the site asks."""
        session = self._sender()
        shown, look = self._identified(session, id_)
        if self._is_blind(session) and look.is_none and _can_be_asked(shown):
            return self._page(session, self._read(session, id_), forms.Unreadable(forms.NO_FIRST_LOOK))
        classes = [each.code for each in self._wording(session).card.output.classes]
        try:
            asked = forms.asked(request.form, self._ports.reasons_for, classes)
            if asked.act is Act.WITHDRAW and not asked.confirmed:
                return self._asked_again(session, self._read(session, id_).view, asked)
            return self._submitted(session, shown, asked, look)
        except forms.Unreadable as problem:
            return self._page(session, self._read(session, id_), problem)

    def undo(self, id_: str) -> AnyResponse:
        """Take back the reader's own last verdict."""
        session = self._sender()
        shown, look = self._identified(session, id_)
        try:
            asked, undoes = forms.undo_asked(request.form)
            return self._submitted(session, shown, asked, look, undoes)
        except forms.Unreadable as problem:
            return self._page(session, self._read(session, id_), problem)

    def said(self, error: Exception) -> AnyResponse:
        """The page that says why nothing of a report is shown."""
        if isinstance(error, Deferred) and error.neighbour != FHIR:
            return away(error)
        message = message_of(error)
        number = "" if request.view_args is None else request.view_args.get("id_", "")
        if isinstance(error, Deferred) and not isinstance(error, NoRight):
            logger().warning("a page waits for a neighbour", neighbour=error.neighbour, detail=error.detail)
        elif isinstance(error, Refused):
            logger().warning("a report is not shown", reason=error.reason, report=error.reference)
        elif isinstance(error, OfAnotherPatient):
            logger().info("a report of another patient than the chart's is not shown", report=f"DiagnosticReport/{number}")
        session = None if isinstance(error, NoSession) else self._ports.sessions.current()
        logs_in = message.way_out or message.status is HTTPStatus.UNAUTHORIZED
        again = launch_path(None if session is None else session.issuer, number) if logs_in else None
        answer = self._rendered(session, "message.html", message.status, message=message, trace=trace_id(), number=number, again=again)
        if message.status is HTTPStatus.SERVICE_UNAVAILABLE and isinstance(error, Deferred):
            answer.headers["Retry-After"] = str(round(error.retry_after_s or 10))
        return answer

    def _reader(self) -> Session:
        """The reader. Raises NoSession or NotForRole."""
        session = self._ports.sessions.current()
        if session is None:
            raise NoSession
        if session.roles.isdisjoint(_READERS):
            raise NotForRole
        return session

    def _sender(self) -> Session:
        """The reader who sent a form of their own session. Raises FormNotOwn besides."""
        session = self._reader()
        if not hmac.compare_digest(request.form.get("csrf", "").encode(), session.csrf.encode()):
            raise FormNotOwn
        return session

    def _read(self, session: Session, id_: str) -> _Read:
        fhir = self._ports.record_of(session)
        reference = f"DiagnosticReport/{id_}"
        looks_first = self._is_blind(session) and self._ports.looks.at(session.reader, reference).is_none
        sources = read_report(fhir, session, id_, looks_first=looks_first)
        return _Read(sources, view(sources, fhir.service_base, self._ports.card_of), fhir, looks_first)

    def _identified(self, session: Session, id_: str) -> tuple[View, Look]:
        """The report as a verdict needs it, and the reader's look at it: read anew with their token, and one patient's."""
        fhir = self._ports.record_of(session)
        report, media = read_picture_of(fhir, session, id_, None)
        shown = view(Sources(report, media, None), fhir.service_base, self._ports.card_of)
        return shown, self._ports.looks.at(session.reader, shown.report)

    def _is_blind(self, session: Session) -> bool:
        return not session.roles.isdisjoint(self._rules.blind)

    def _asked_again(self, session: Session, shown: View, asked: forms.Asked) -> AnyResponse:
        """A withdrawal is asked for twice, and the second time names whose result it is, too."""
        _named(session, shown)
        return self._rendered(session, "confirm.html", view=shown, asked=asked, reason=self._reason(asked))

    def _page(self, session: Session, read: _Read, problem: forms.Unreadable | None = None) -> AnyResponse:
        sources, shown, fhir, looks_first = read
        _named(session, shown)
        if looks_first and shown.unread and sources.media is None:
            raise PictureUnseen  # of a picture that was read and is withdrawn the result is shown: nobody can look at that any more
        status = HTTPStatus.OK if problem is None else HTTPStatus.UNPROCESSABLE_ENTITY
        if looks_first and _can_be_asked(shown):
            return self._rendered(session, "first.html", status, view=_without_result(shown), impressions=IMPRESSIONS, problem=problem)
        look = self._ports.looks.opened(session.reader, shown.report, self._ports.now())
        choices = self._ports.choices_of(sources.report, fhir.service_base, session)
        entries = () if sources.history is None else history(sources.history, sources.people, fhir.service_base)
        kept, answered = self._kept(sources, shown), self._ports.in_ehr(shown.report)
        beside = next((each for each in shown.earlier if each.id == request.args.get("with")), None)
        return self._rendered(
            session,
            "report.html",
            status,
            view=shown,
            scale=scale(shown, self._wording(session)),
            history=entries,
            stands=None if shown.conclusion else standing_act(entries, shown.status) or act_told(sources.report, fhir.service_base),
            history_known=sources.history is not None,
            answered=answered,
            prepared=prepared(answered, shown, kept) if Act.OVERRIDE in choices.acts else None,
            earlier_known=sources.pictures is not None,
            earlier_whole=sources.pictures_whole,
            notices=notices(kept, session, request.args.get("verdict"), entries),
            look=look,
            impressions=IMPRESSIONS,
            beside=beside,
            choices=choices if shown.version and sources.media is not None else type(choices)(),
            acts=ACTS,
            reasons_for=self._ports.reasons_for,
            field_of=forms.field_of,
            problem=problem,
            form=request.form,
            submission=str(uuid.uuid4()),
        )

    def _kept(self, sources: Sources, shown: View) -> list[Kept]:
        """The verdicts on the report, and what became of them by what is known here, on the bus, and in the record."""
        found = merged(self._submissions.of(shown.report), self._ports.standings(shown.report))
        return [settled(each, sources.report, shown.version, sources.history) for each in found.values()]

    def _reason(self, asked: forms.Asked) -> str:
        return next(each.display for each in self._ports.reasons_for(asked.act) if each.code == asked.code)

    def _submitted(self, session: Session, shown: View, asked: forms.Asked, look: Look, undoes: str | None = None) -> AnyResponse:
        """Hand the verdict in and lead to the page that says what became of it; a bus that does not take it is told with the form."""
        try:
            given = forms.verdict_of(asked, shown, session, look, source=self._rules.source, now=self._ports.now(), undoes=undoes)
            verdict = self._submissions.once(asked.submission, given)
        except ValidationError:
            raise forms.Unreadable(forms.INCOMPLETE, asked.act) from None
        except AnotherAct:
            raise forms.Unreadable(
                to_say("This form was sent before with another verdict. Look at what stands now, and choose again.")
            ) from None
        try:
            self._submissions.told(asked.submission, verdict, self._ports.verdicts.submit(verdict))
        except Unavailable as error:
            logger().warning("a verdict was not taken", neighbour=error.neighbour, detail=error.detail, report=shown.report)
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return self._rendered(session, "again.html", status, view=shown, asked=asked, undoes=undoes, field_of=forms.field_of)
        return redirect(url_for(".report", id_=shown.id, verdict=verdict.id), HTTPStatus.SEE_OTHER)

    def _rendered(self, session: Session | None, template: str, status: HTTPStatus = HTTPStatus.OK, **more: object) -> Response:
        words = Words(self._wording(session), self._rules.zone, self._ports.phrases)
        lists = session is not None and not session.roles.isdisjoint(_READERS)
        page = render_template(
            f"page/{template}", words=words, say=words.say, session=session, Act=Act, lists=lists, worklist=WORKLIST, **more
        )
        return make_response(page, status)

    def _wording(self, session: Session | None) -> Wording:
        return self._ports.wording_of(self._language(session))

    def _language(self, session: Session | None) -> str:
        if session is not None and session.language in LANGUAGES:
            return session.language
        return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def _named(session: Session, shown: View) -> None:
    """Raises NotHere where the EHR wants to see whose picture it is, and that cannot be told."""
    if session.banner and shown.patient is None:
        raise NotHere


def _can_be_asked(shown: View) -> bool:
    """Whether there is a picture to look at, and a result that nobody has reviewed."""
    return shown.unread and shown.picture is not None


def _without_result(shown: View) -> View:
    """The view without anything that the model made of the picture: what is not here cannot slip into a page."""
    return replace(shown, finding=None, said=None, conclusion=())
