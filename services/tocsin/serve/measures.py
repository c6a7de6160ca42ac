"""What is measured of each request, and its span: by the route's template, never by an address, which holds ids."""

from __future__ import annotations

import time
from contextlib import ExitStack
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, g, request
from opentelemetry.trace import SpanKind, get_current_span

from tocsin.telemetry.metrics import SERVED
from tocsin.telemetry.trace import ENDING, fail, note, root_span

METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"})
NO_ROUTE: Final = "(none)"
_DONE: Final = "done"
"""What sampling takes for an ending as hoped (telemetry/trace.py)."""
_FAILED: Final = "failed"


def install(app: Flask) -> None:
    """Measure and trace every request; to be installed first, so that it is around all else."""
    app.before_request(_begin)
    app.after_request(_answered)
    app.teardown_request(_end)


def _begin() -> None:
    method = request.method if request.method in METHODS else "_OTHER"
    g.tocsin_began, g.tocsin_labels = time.perf_counter(), {"http.request.method": method, "http.route": _route()}
    g.tocsin_span = ExitStack()
    g.tocsin_span.enter_context(root_span(f"{method} {_route()}", SpanKind.SERVER, dict(g.tocsin_labels)))


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else NO_ROUTE


def _answered(response: Response) -> Response:
    g.tocsin_status = response.status_code
    return response


def _end(_error: BaseException | None) -> None:
    stack: ExitStack | None = g.pop("tocsin_span", None)
    if stack is None:
        return
    status = g.get("tocsin_status", HTTPStatus.INTERNAL_SERVER_ERROR.value)
    get_current_span().set_attribute("http.response.status_code", status)
    note(ENDING, _FAILED if status >= 500 else _DONE)
    if status >= 500:
        fail(get_current_span(), str(status))
    stack.close()
    SERVED.record(time.perf_counter() - g.tocsin_began, {**g.tocsin_labels, "http.response.status_code": str(status)})
