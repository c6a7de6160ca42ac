"""Reports as documents, for whoever saves or prints them: /reports/<id>.pdf and /reports/<id>.txt, with the reader's own token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final, Literal

from flask import Blueprint, Response, abort, request

from tocsin.errors import IdentityUnsafe, Refused, ReportOfAnother
from tocsin.paper.desk import Desk, ReportAbsent, Wish
from tocsin.paper.pdf import Size, to_pdf
from tocsin.paper.text import to_text
from tocsin.paper.types import Document
from tocsin.serve.doors import Problem
from tocsin.serve.types import RecordOf, Sessions
from tocsin.telemetry.log import logger
from tocsin.words.catalogue import LANGUAGES

Form = Literal["pdf", "txt"]
TYPES: Final[dict[Form, str]] = {"pdf": "application/pdf", "txt": "text/plain; charset=utf-8"}


class NotOnePatients(Problem):
    """Report, picture and chart are not one patient's."""

    status = HTTPStatus.CONFLICT
    title: ClassVar[str] = "This report is not shown: it is not certain whose it is"
    advice: ClassVar[str] = (
        "Report, picture and the chart you came from do not name the same patient. Tell your IT the number of the report."
    )
    reason = "patient"


@dataclass(frozen=True, slots=True)
class Printer:
    """How documents leave this server."""

    sessions: Sessions
    record_of: RecordOf
    desk: Desk
    size: Size

    def answer(self, ident: str, form: Form) -> Response:
        """The document, in the reader's language; the patient is named where their EHR shows no banner of its own, or `?patient=yes` asks.

        The name of the file is the report's id, which names nobody. Without a session 401, and 404 where the record shows this reader no
        such report. A report that their token opens and that is of another patient than the chart's is 409, as on the page: "there is none"
        would be untrue, and could be taken for "nothing was found". Raises Deferred where the record is away.
        """
        document = self._document(ident)
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

    def _document(self, ident: str) -> Document:
        session = self.sessions.current()
        if session is None:
            abort(HTTPStatus.UNAUTHORIZED)
        wish = Wish(
            report=f"DiagnosticReport/{ident}",
            language=session.language if session.language in LANGUAGES else LANGUAGES[0],
            patient=session.patient,
            names_patient=session.banner or request.args.get("patient") == "yes",
            shows_picture=request.args.get("picture") != "no",
        )
        try:
            return self.desk.document(self.record_of(session), wish)
        except ReportAbsent:
            abort(HTTPStatus.NOT_FOUND)
        except (IdentityUnsafe, ReportOfAnother) as refused:
            logger().warning("a report is not printed", report=wish.report, reason=refused.reason)
            raise NotOnePatients from None
        except Refused as refused:
            logger().warning("a report is not printed", report=wish.report, reason=refused.reason)
            abort(HTTPStatus.NOT_FOUND)


def blueprint(sessions: Sessions, record_of: RecordOf, desk: Desk, size: Size) -> Blueprint:
    """The two documents of a report, to be read by GET; they change nothing."""
    room = Blueprint("paper", __name__)
    printer = Printer(sessions, record_of, desk, size)
    room.add_url_rule("/reports/<ident>.pdf", "pdf", lambda ident: printer.answer(ident, "pdf"), methods=["GET"])
    room.add_url_rule("/reports/<ident>.txt", "text", lambda ident: printer.answer(ident, "txt"), methods=["GET"])
    return room
