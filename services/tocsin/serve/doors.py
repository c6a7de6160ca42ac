"""Who may come in: the session of a request, the role that a view asks for, and the form that is the reader's own.

Every request but GET, HEAD and OPTIONS is refused without a session whose token the form carries. A view for callers without a browser,
who prove themselves in another way and whose cookies count for nothing, says so with `without_session`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypeVar

from flask import Blueprint, Flask, current_app, g, request

from tocsin.serve.paths import LAUNCH
from tocsin.serve.types import Role, Session, Sessions
from tocsin.words.catalogue import to_say

CSRF_FIELD: Final = "csrf"
"""The field of every form, which holds Session.csrf."""
CSRF_HEADER: Final = "X-CSRF-Token"
"""Where a script states it instead."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SESSIONS: Final = "tocsin.sessions"
_WITHOUT: Final = "tocsin_without_session"

T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any] | Blueprint)


class Problem(Exception):
    """Why a page is not shown: sentences of the catalogue, and never what a caller wrote."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    title: ClassVar[str]
    advice: ClassVar[str]
    """What the reader can do; may name {values}."""
    way: ClassVar[str] = to_say("Try again")
    """What the address is called by which the reader may go on."""
    reason: ClassVar[str] = "refused"
    """Its code in metrics and lines."""

    def __init__(self, *, again: str | None = None, **values: object) -> None:
        """`again` is an address of ours by which the reader may try again; `values` stand in `advice`."""
        super().__init__(type(self).__name__)
        self.again = again
        self.values = values
        self.retry_after_s: float | None = None


class NoSession(Problem):
    """There is no session, or it has ended."""

    status = HTTPStatus.UNAUTHORIZED
    title = "You are not logged in here, or your session has ended"
    advice = "Open the report from the patient's chart again."
    way = to_say("Log in")
    reason = "no-session"

    def __init__(self, *, again: str = LAUNCH, **values: object) -> None:
        super().__init__(again=again, **values)


class LogInEnded(Problem):
    """The EHR takes the reader's token no longer, though their session here has not ended."""

    status = HTTPStatus.UNAUTHORIZED
    title = "Your EHR does not accept your log-in any more"
    advice = "It has run out or was ended there. What you had not sent is not recorded. Log in again, or open the report from the chart."
    way = to_say("Log in again")
    reason = "log-in-ended"


class NotYours(Problem):
    """The reader has a session and not the role."""

    status = HTTPStatus.FORBIDDEN
    title = "This page is not for your role"
    advice = "If you need it for your work, ask your IT for the role: {role}."
    reason = "role"


class FormStale(Problem):
    """The form is not one that this session was given."""

    status = HTTPStatus.FORBIDDEN
    title = "This form is not valid any more"
    advice = "Nothing was changed. Open the page again, and send the form from there."
    reason = "form"


def guard(app: Flask, sessions: Sessions) -> None:
    """Have the app know its sessions, and refuse every form that is not its reader's own."""
    app.extensions[_SESSIONS] = sessions
    app.before_request(_own_forms_alone)
    app.context_processor(lambda: {"session_now": the_session()})


def the_session() -> Session | None:
    """The session of the request; None where there is none, where it has ended, or where the view counts none."""
    if request.endpoint is not None and _counts_none(request.endpoint):
        return None
    if "tocsin_session" not in g:
        g.tocsin_session = None  # an error on the way is told without a session
        sessions: Sessions = current_app.extensions[_SESSIONS]
        g.tocsin_session = sessions.current()
    found: Session | None = g.tocsin_session
    return found


class OfRequest:
    """Sessions, looked up once for a request however often they are asked: a look renews, counts against its reader, and may fail.

    Of a request whose look failed there is no session any more, so that the page which says so can be made.
    """

    def current(self) -> Session | None:
        """See Sessions.current. Raises Unavailable(redis) and TooOften the first time."""
        return the_session()


def forget_session() -> None:
    """Have the rest of the request go on without a session, or with the one that has just begun."""
    g.pop("tocsin_session", None)


def session_of() -> Session:
    """The session of the request. Raises NoSession."""
    found = the_session()
    if found is None:
        raise NoSession
    return found


def requires(*roles: Role) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Has a view answer sessions with one of these roles alone, whatever its method; others get NoSession or NotYours."""

    def decorated(view: Callable[..., T]) -> Callable[..., T]:
        @wraps(view)
        def guarded(*arguments: Any, **named: Any) -> T:
            if session_of().roles.isdisjoint(roles):
                raise NotYours(role=" / ".join(roles))
            return view(*arguments, **named)

        return guarded

    return decorated


def without_session(view: View) -> View:
    """Marks a view, or a whole blueprint, for callers without a browser: it takes any method, and to it there is never a session."""
    setattr(view, _WITHOUT, True)
    return view


def _counts_none(endpoint: str) -> bool:
    marked = current_app.view_functions.get(endpoint), current_app.blueprints.get(request.blueprint or "")
    return any(getattr(each, _WITHOUT, False) for each in marked)


def _own_forms_alone() -> None:
    if request.method in _SAFE or request.endpoint is None or _counts_none(request.endpoint):
        return
    stated = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD) or ""
    if not hmac.compare_digest(session_of().csrf.encode(), stated.encode()):
        raise FormStale
