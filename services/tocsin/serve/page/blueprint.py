"""The routes of the review page, and what each answer says to the browser."""

from __future__ import annotations

from flask import Blueprint, Response, request

from tocsin.serve.page.desk import Desk
from tocsin.serve.page.messages import TOLD
from tocsin.serve.page.ports import Ports, Rules

STATIC = "static"


def blueprint(ports: Ports, rules: Rules) -> Blueprint:
    """The review page at /reports/<id>, its pictures and its verdicts, and the list of the patient in context at /reports, or
    /patients/current.

    Every answer but style and script is `no-store` and `nosniff`; no address holds more than ids.
    """
    page = Blueprint("page", __name__, template_folder="templates", static_folder="static", static_url_path="/page")
    desk = Desk(ports, rules)
    for path in ("/reports", "/patients/current"):
        page.add_url_rule(path, "patient", desk.patient)
    page.add_url_rule("/reports/<id_>", "report", desk.report)
    page.add_url_rule("/reports/<id_>/picture", "picture", desk.picture)
    page.add_url_rule("/reports/<id_>/earlier/<media_id>", "earlier", desk.picture)
    page.add_url_rule("/reports/<id_>/first-look", "first_look", desk.first_look, methods=["POST"])
    page.add_url_rule("/reports/<id_>/verdict", "verdict", desk.verdict, methods=["POST"])
    page.add_url_rule("/reports/<id_>/undo", "undo", desk.undo, methods=["POST"])
    for error in TOLD:
        page.register_error_handler(error, desk.said)
    page.after_request(_kept_nowhere)
    return page


def _kept_nowhere(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    if (request.endpoint or "").rpartition(".")[2] != STATIC:
        response.headers["Cache-Control"] = "no-store"
    return response
