"""Makes the web application of its rooms' blueprints: measured, guarded, limited, with the same headers on every answer."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, Flask

from tocsin.serve import headers, measures, problems
from tocsin.serve.doors import guard
from tocsin.serve.limits import Limit, caller, refuse_beyond
from tocsin.serve.types import Sessions
from tocsin.settings import ServeSettings
from tocsin.words.catalogue import catalogue

Room = Blueprint
"""What a room gives."""


def make_app(blueprints: Iterable[Blueprint], sessions: Sessions, settings: ServeSettings) -> Flask:
    """The application of these rooms, whose readers have these sessions. Reaches out to nobody."""
    app = Flask(__name__, static_url_path="/static")
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = settings.body_bytes_max
    app.config[problems.LANGUAGE] = settings.language
    app.url_map.merge_slashes = False  # such an address is none of ours, and is led nowhere by a name that its caller wrote
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.add_url_rule("/favicon.ico", endpoint="static", defaults={"filename": "icon.svg"})  # browsers ask for it of themselves
    measures.install(app)
    _limit(app, settings)
    guard(app, sessions)
    problems.install(app)
    headers.install(app, settings)
    app.jinja_env.globals["catalogue"] = catalogue
    for each in blueprints:
        app.register_blueprint(each)
    return app


def _limit(app: Flask, settings: ServeSettings) -> None:
    """Refuse what one address asks for too often; what one session asks for is counted where it is known (serve/sessions)."""
    callers = Limit(settings.caller_requests_per_minute_max)

    def check() -> None:
        refuse_beyond(callers, caller(settings.proxies))

    app.before_request(check)
