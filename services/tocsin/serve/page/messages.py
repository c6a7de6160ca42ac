"""What a page says where it shows nothing of a report: a status, a title and what the reader can do. Never what a caller wrote."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from tocsin.errors import Deferred, IdentityUnsafe, ReportOfAnother
from tocsin.fhir.client import NoRight, TokenRefused
from tocsin.serve.doors import LogInEnded
from tocsin.serve.page.reading import NotHere, OfAnotherPatient, SignedOut
from tocsin.words.catalogue import to_say


class NoSession(Exception):
    """There is no session, or it has ended."""


class NotForRole(Exception):
    """The reader's role opens no report."""


class AnotherChart(Exception):
    """The address is of another launch than the one that the reader came by last."""


class PictureUnseen(Exception):
    """The reader is to look at the picture before the result, and the record does not show it to them."""


class FormNotOwn(Exception):
    """The form is not one that this session was given."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message: sentences of the catalogue."""

    status: HTTPStatus
    title: str
    advice: str
    way_out: str = ""
    """What a log-in to the same report is called, where that is the way out; empty where there is none, or it is the log-in as ever."""


_GONE = Message(
    HTTPStatus.NOT_FOUND,
    to_say("There is no such report here"),
    to_say("There is none, or your access in the hospital's record does not cover it. Open it from the patient's chart again."),
)
_NO_SESSION = Message(
    HTTPStatus.UNAUTHORIZED,
    to_say("You are not signed in, or your session has ended"),
    to_say("Open the report from the patient's chart again. What you had not sent is not recorded."),
)
_SIGNED_OUT = Message(HTTPStatus.UNAUTHORIZED, LogInEnded.title, LogInEnded.advice)
_ROLE = Message(
    HTTPStatus.FORBIDDEN,
    to_say("Your role does not open reports"),
    to_say("If you need them for your work, ask your IT for the role of a reader."),
)
_FORM = Message(
    HTTPStatus.FORBIDDEN,
    to_say("This form is not valid any more"),
    to_say("Nothing was recorded. Open the report again and send the form from there."),
)
_PATIENT = Message(
    HTTPStatus.CONFLICT,
    to_say("This report is not shown: it is not certain whose it is"),
    to_say("Report, picture and the chart you came from do not name the same patient. Tell your IT the number of the report."),
)
_OTHERS = Message(
    HTTPStatus.CONFLICT,
    to_say("This is another patient's report than the chart you are in"),
    to_say("Open it from that patient's chart, or log in without a chart."),
    to_say("Log in without a chart"),
)
_CHART = Message(
    HTTPStatus.CONFLICT,
    to_say("Another chart was opened in this browser after this one"),
    to_say("What is shown here follows the chart that was opened last. Open the AI results from this patient's chart again."),
)
_UNSEEN = Message(
    HTTPStatus.FORBIDDEN,
    to_say("The picture of this report is not shown to you"),
    to_say(
        "You look at the picture before you are shown the AI's result. The record does not hold this one any more, or your access does not "
        "cover it. Once a clinician has reviewed the result, it is shown to you."
    ),
)
_AWAY = Message(
    HTTPStatus.SERVICE_UNAVAILABLE,
    to_say("The hospital's record does not answer at the moment"),
    to_say("Nothing was changed. Try again in a moment."),
)


def message_of(error: Exception) -> Message:
    """What is said of an error. Raises the error itself where it is none that a reader can do something about."""
    match error:
        case NotHere() | NoRight():  # what the record keeps from this reader is not here for them
            return _GONE
        case NoSession():
            return _NO_SESSION
        case SignedOut() | TokenRefused():
            return _SIGNED_OUT
        case NotForRole():
            return _ROLE
        case FormNotOwn():
            return _FORM
        case AnotherChart():
            return _CHART
        case PictureUnseen():
            return _UNSEEN
        case OfAnotherPatient():
            return _OTHERS
        case IdentityUnsafe() | ReportOfAnother():
            return _PATIENT
        case Deferred():
            return _AWAY
        case _:
            raise error


TOLD = (
    NotHere, NoSession, SignedOut, NotForRole, FormNotOwn, AnotherChart, OfAnotherPatient, PictureUnseen, IdentityUnsafe, ReportOfAnother,
    Deferred,
)  # fmt: skip
"""The errors of which `message_of` knows what to say."""
