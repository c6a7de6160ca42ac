"""What a page says where it cannot be shown: a sentence, what to do, and the trace by which it is found. Never a traceback."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar, Final

from flask import Flask, Response, current_app, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from tocsin.errors import Deferred, where
from tocsin.fhir.client import TokenRefused
from tocsin.serve.doors import LogInEnded, Problem, the_session
from tocsin.serve.paths import launch_path
from tocsin.telemetry.log import logger
from tocsin.telemetry.trace import trace_id
from tocsin.words.catalogue import LANGUAGES, Catalogue, catalogue

RETRY_S: Final = 10
"""What a page that cannot be made now asks its reader to wait, in seconds."""
LANGUAGE: Final = "tocsin.language"


class NoSuchPage(Problem):
    """There is no such page."""

    status = HTTPStatus.NOT_FOUND
    title: ClassVar[str] = "There is no such page here"
    advice: ClassVar[str] = "Open the report from the patient's chart again."


class NotThisWay(Problem):
    """The request is not one that the page takes."""

    status = HTTPStatus.BAD_REQUEST
    title: ClassVar[str] = "This request cannot be answered"
    advice: ClassVar[str] = "Go back to the page before and try again."


class TooLarge(Problem):
    """More was sent than a form of these pages ever has."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title: ClassVar[str] = "More was sent than this page takes"
    advice: ClassVar[str] = "Go back, shorten what you wrote, and send it again."


class Away(Problem):
    """A neighbour is away or busy."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title: ClassVar[str] = "This cannot be shown at the moment"
    advice: ClassVar[str] = "A system that the page needs does not answer ({neighbour}). Try again in a moment."


class Failed(Problem):
    """Tocsin itself failed."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Something went wrong on our side"
    advice: ClassVar[str] = "Your last act may not have been taken: look at the report before you repeat it. If this stays, call your IT."


_OF_HTTP: Final[dict[int, type[Problem]]] = {404: NoSuchPage, 405: NotThisWay, 413: TooLarge}


def install(app: Flask) -> None:
    """Have the app say what is wrong as pages."""
    app.register_error_handler(Problem, page_of)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Deferred, away)
    app.register_error_handler(TokenRefused, _log_in_ended)
    app.register_error_handler(Exception, _failed)


def words() -> Catalogue:
    """The words of the request's reader: the session's language, else the browser's, else the site's."""
    session = the_session()
    if session is not None and session.language in LANGUAGES:
        return catalogue(session.language)
    return catalogue(browsers_language())


def browsers_language() -> str:
    """The language that the browser prefers among those that Tocsin speaks; the site's where it prefers none of them."""
    site: str = current_app.config.get(LANGUAGE, LANGUAGES[0])
    return request.accept_languages.best_match(LANGUAGES, default=site) or site


def page_of(problem: Problem, status: HTTPStatus | None = None) -> Response:
    """The page that says what is wrong, in the reader's words, with the id by which its trace is found; `status` if not its usual one."""
    said = words()
    response = make_response(
        render_template(
            "problem.html",
            say=said.say,
            language=said.language,
            title=said.say(problem.title),
            advice=said.say(problem.advice, **problem.values),
            again=problem.again,
            way=said.say(problem.way),
            trace=trace_id(),
        ),
        status or problem.status,
    )
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(round(problem.retry_after_s))
    return response


def _of_http(error: HTTPException) -> Response:
    if error.code is not None and 300 <= error.code < 400:
        return Response(error.get_body(), error.code, error.get_headers())
    return page_of(_OF_HTTP.get(error.code or 500, NotThisWay)(), HTTPStatus(error.code or 400))


def away(error: Deferred) -> Response:
    """The page that names the neighbour that is away or busy, and says when to try again."""
    logger().warning("a page waits for a neighbour", neighbour=error.neighbour, detail=error.detail)
    problem = Away(neighbour=error.neighbour)
    problem.retry_after_s = error.retry_after_s or RETRY_S
    return page_of(problem)


def _log_in_ended(error: TokenRefused) -> Response:
    session = the_session()
    ident = (request.view_args or {}).get("ident")
    logger().info("a reader's token is refused", neighbour=error.neighbour, detail=error.detail)
    return page_of(LogInEnded(again=launch_path(None if session is None else session.issuer, ident)))


def _failed(error: Exception) -> Response:
    """The border of a request: whoever asked is told by what it is found, and the log where it was raised."""
    logger().error("a page could not be made", detail=where(error), advice="This is a defect of Tocsin: report the detail.")
    return page_of(Failed())
