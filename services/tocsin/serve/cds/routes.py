"""The addresses of CDS Hooks: GET /cds-services, POST /cds-services/<id> and POST /cds-services/<id>/feedback.

Each call is from a program, proved by its token and by nothing else: cookies count for nothing here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

import orjson
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from tocsin.errors import where
from tocsin.fhir.datatypes import Json
from tocsin.serve.cds.callers import Callers, Issuer, NotTrusted
from tocsin.serve.cds.calls import HOOKS, read_call, read_json
from tocsin.serve.cds.problems import CallProblem, NoSuchService, TooLarge, operation_outcome
from tocsin.serve.cds.service import SERVICE, Service, answer
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import CDS_DURATION, CDS_REFUSALS

PATH: Final = "/cds-services"
PREFLIGHT_KEEP_S: Final = 600
"""How long a browser may go on without asking again whether a page may call."""

_HEADERS: Final = "authorization, content-type"
Routes = Blueprint
View = TypeVar("View", bound=Callable[..., Response])


def blueprint(service: Service, callers: Callers, public_url: str) -> Blueprint:
    """The routes. `public_url` is the address by which EHRs reach this server, without a slash at its end."""
    routes = Blueprint("cds", __name__)

    def caller() -> Issuer:
        return callers.issuer(request.headers.get("Authorization"), public_url + request.path, service.now())

    @routes.before_request
    def _begin() -> None:
        request.max_content_length = service.settings.body_bytes_max
        g.cds_began, g.cds_hook, g.cds_outcome = time.perf_counter(), "other", "failed"

    @routes.get(PATH, provide_automatic_options=False)
    @_of_a_program
    def discovery() -> Response:
        g.cds_hook = "discovery"
        caller()
        return _told("done", service.discovery())

    @routes.post(f"{PATH}/<service_id>", provide_automatic_options=False)
    @_of_a_program
    def hook(service_id: str) -> Response:
        issuer = caller()
        _is_ours(service_id)
        said = read_json(_body())
        g.cds_hook = said["hook"] if said.get("hook") in HOOKS else "other"
        made = service.cards(read_call(said), issuer)
        return _told("cards" if made else "no-cards", answer(made))

    @routes.post(f"{PATH}/<service_id>/feedback", provide_automatic_options=False)
    @_of_a_program
    def feedback(service_id: str) -> Response:
        g.cds_hook = "feedback"
        issuer = caller()
        _is_ours(service_id)
        service.feedback(read_json(_body()), issuer)
        return _told("done", {})

    @routes.route(PATH, methods=["OPTIONS"])
    @routes.route(f"{PATH}/<service_id>", methods=["OPTIONS"])
    @routes.route(f"{PATH}/<service_id>/feedback", methods=["OPTIONS"])
    @_of_a_program
    def preflight(service_id: str = "") -> Response:
        del service_id
        g.cds_hook = ""
        return Response(status=HTTPStatus.NO_CONTENT)

    routes.register_error_handler(NotTrusted, _refused)
    routes.register_error_handler(CallProblem, _not_answered)
    routes.register_error_handler(RequestEntityTooLarge, _too_large)
    routes.register_error_handler(HTTPException, _of_http)
    routes.register_error_handler(Exception, _failed)
    routes.after_request(lambda response: _finished(response, service.settings.origins))
    return routes


def _of_a_program(view: View) -> View:
    """Marks a view that no session is asked of, nor a form's token: serve/doors.py, `without_session`."""
    setattr(view, "tocsin_without_session", True)  # noqa: B010 - a function has no such attribute
    return view


def _is_ours(service_id: str) -> None:
    if service_id != SERVICE:
        raise NoSuchService(f"There is no service of this id; GET {PATH} lists what there is.")


def _body() -> bytes:
    return request.get_data(cache=False)


def _told(outcome: str, said: Json) -> Response:
    g.cds_outcome = outcome
    return Response(orjson.dumps(said), mimetype="application/json")


def _problem(status: int, outcome: str, said: Json) -> Response:
    g.cds_outcome = outcome
    return Response(orjson.dumps(said), status=status, content_type="application/fhir+json")


def _refused(refusal: NotTrusted) -> Response:
    CDS_REFUSALS.add(1, {"reason": refusal.reason})
    response = _problem(HTTPStatus.UNAUTHORIZED, "refused", operation_outcome("login", refusal.sentence, details=refusal.reason))
    response.headers["WWW-Authenticate"] = "Bearer" if refusal.reason == "no-token" else 'Bearer error="invalid_token"'
    return response


def _not_answered(problem: CallProblem) -> Response:
    if problem.outcome == "wrong-patient":
        logger().error("a call of CDS Hooks mixes patients", detail=str(problem), advice="Look at the EHR that calls: nothing was shown.")
    return _problem(problem.status, problem.outcome, operation_outcome(problem.code, str(problem)))


def _too_large(_error: RequestEntityTooLarge) -> Response:
    return _not_answered(TooLarge("The call is larger than TOCSIN_CDS__BODY_BYTES_MAX."))


def _of_http(error: HTTPException) -> Response:
    """What the server itself refuses, such as a method."""
    status = error.code or HTTPStatus.BAD_REQUEST
    return _problem(status, "malformed", operation_outcome("invalid", f"{HTTPStatus(status).phrase}."))


def _failed(error: Exception) -> Response:
    """The border of a request: the caller is told that it failed, and the log where."""
    logger().error("a call of CDS Hooks failed", detail=where(error), advice="This is a defect of Tocsin: report the detail.")
    said = operation_outcome("exception", "Tocsin failed; its log says where.")
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failed", said)


def _finished(response: Response, origins: tuple[str, ...]) -> Response:
    """Counts the call, and says to a browser whether a page of its origin may see the answer."""
    if g.cds_hook:
        CDS_DURATION.record(time.perf_counter() - g.cds_began, {"hook": g.cds_hook, "outcome": g.cds_outcome})
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin is not None and origin in origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_KEEP_S)
    return response
