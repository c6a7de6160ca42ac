"""Reports as documents, for whoever saves or prints them: /reports/<id>.pdf and /reports/<id>.txt, with the reader's own token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final, Literal

from flask import Blueprint, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from tocsin.errors import IdentityUnsafe, Refused, ReportOfAnother
from tocsin.paper.desk import Desk, PatientNotShown, ReportAbsent, ResultsHidden, Wish
from tocsin.paper.pdf import Size, to_pdf
from tocsin.paper.text import to_text
from tocsin.paper.types import Document
from tocsin.serve.doors import NoSession, NotYours, Problem, the_session
from tocsin.serve.paths import is_id, launch_path, report_path
from tocsin.serve.types import RecordOf, Role, Session
from tocsin.telemetry.log import logger
from tocsin.words.catalogue import LANGUAGES

Form = Literal["pdf", "txt"]
TYPES: Final[dict[Form, str]] = {"pdf": "application/pdf", "txt": "text/plain; charset=utf-8"}
READERS: Final = (Role.READER, Role.LEAD)

LooksFirst = Callable[[Session, str], bool]
"""Whether this reader is to say what they see on the picture of DiagnosticReport/<id> before the AI's result is shown."""


class NotOnePatients(Problem):
    """Report, picture and chart are not one patient's."""

    status = HTTPStatus.CONFLICT
    title: ClassVar[str] = "This report is not shown: it is not certain whose it is"
    advice: ClassVar[str] = (
        "Report, picture and the chart you came from do not name the same patient. Tell your IT the number of the report."
    )
    reason = "patient"


class NotCovered(Problem):
    """The reader's own rights reach the report, and not what a true document of it needs."""

    status = HTTPStatus.FORBIDDEN
    title: ClassVar[str] = "This document cannot be made with your access"
    advice: ClassVar[str] = (
        "The hospital's record shows you this report, and not the numbers that belong to it: without them the document would be untrue. "
        "If you need it for your work, ask your IT for access to the report's results (Observation)."
    )
    reason = "rights"


@dataclass(frozen=True, slots=True)
class Printer:
    """How documents leave this server."""

    record_of: RecordOf
    desk: Desk
    size: Size
    looks_first: LooksFirst

    def answer(self, ident: str, form: Form) -> AnyResponse:
        """The document, in the reader's language; the patient is named where their EHR shows no banner of its own, or `?patient=yes` asks.

        The name of the file is the report's id, which names nobody. Without a session 401, without a reader's role 403, and 404 where the
        record shows this reader no such report, or not the patient whom the document is to name. Results that are kept from them are 403: a
        document without would read as if there were none. A report that their token opens and that is of another patient than the chart's
        is 409, as on the page: "there is none" would be untrue, and could be taken for "nothing was found". Who is to look first is led to
        the page.
        Raises Deferred where the record is away.
        """
        session = _reader(ident)
        if not is_id(ident):
            abort(HTTPStatus.NOT_FOUND)
        if self.looks_first(session, f"DiagnosticReport/{ident}"):
            return redirect(report_path(f"DiagnosticReport/{ident}"), HTTPStatus.SEE_OTHER)
        document = self._document(session, ident)
        made: dict[Form, Callable[[], bytes]] = {
            "pdf": lambda: to_pdf(document, self.size),
            "txt": lambda: to_text(document).encode(),
        }
        answer = Response(made[form](), content_type=TYPES[form])
        answer.headers["Content-Disposition"] = f'inline; filename="report-{ident}.{form}"'
        answer.headers["Content-Language"] = document.language
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def _document(self, session: Session, ident: str) -> Document:
        wish = Wish(
            report=f"DiagnosticReport/{ident}",
            language=session.language if session.language in LANGUAGES else LANGUAGES[0],
            patient=session.patient,
            names_patient=session.banner or request.args.get("patient") == "yes",
            shows_picture=request.args.get("picture") != "no",
        )
        try:
            return self.desk.document(self.record_of(session), wish)
        except (ReportAbsent, PatientNotShown):
            abort(HTTPStatus.NOT_FOUND)
        except ResultsHidden as hidden:
            logger().info("a report is not printed: its results are kept from this reader", report=wish.report, detail=str(hidden))
            raise NotCovered from None
        except (IdentityUnsafe, ReportOfAnother) as refused:
            logger().warning("a report is not printed", report=wish.report, reason=refused.reason)
            raise NotOnePatients from None
        except Refused as refused:
            logger().warning("a report is not printed", report=wish.report, reason=refused.reason)
            abort(HTTPStatus.NOT_FOUND)


def _reader(ident: str) -> Session:
    """The request's reader. Raises NoSession, which leads back to the same report, and NotYours."""
    session = the_session()
    if session is None:
        raise NoSession(again=launch_path(ident=ident))
    if session.roles.isdisjoint(READERS):
        raise NotYours(role=" / ".join(READERS))
    return session


def blueprint(record_of: RecordOf, desk: Desk, size: Size, looks_first: LooksFirst) -> Blueprint:
    """The two documents of a report, to be read by GET; they change nothing."""
    room = Blueprint("paper", __name__)
    printer = Printer(record_of, desk, size, looks_first)
    room.add_url_rule("/reports/<ident>.pdf", "pdf", lambda ident: printer.answer(ident, "pdf"), methods=["GET"])
    room.add_url_rule("/reports/<ident>.txt", "text", lambda ident: printer.answer(ident, "txt"), methods=["GET"])
    return room
