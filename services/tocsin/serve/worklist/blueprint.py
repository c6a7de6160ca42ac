"""The routes of the worklist. Readers and leads see rows that their own token opens; leads and operators see numbers, of no patient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol

from flask import Blueprint, Response, render_template, request, url_for

from tocsin.errors import Contended, ContentUnusable, Refused
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import text
from tocsin.image.attachment import attachment_of, verify
from tocsin.image.content import Contents
from tocsin.image.thumbnail import thumbnail
from tocsin.image.types import WITHDRAWN_MEDIA
from tocsin.model_card import ModelCard
from tocsin.review.worklist import Row, Worklist
from tocsin.serve.doors import LogInEnded, Problem, requires, session_of, the_session
from tocsin.serve.paths import WORKLIST, is_id, launch_path, report_path
from tocsin.serve.problems import NoSuchPage, words
from tocsin.serve.types import RecordOf, Role, Session
from tocsin.serve.worklist.asked import UNSIGNED, Asked, NotAsked, asked
from tocsin.serve.worklist.reading import NotSearched, SignedOut, rows_for
from tocsin.serve.worklist.words import Words

THUMBNAIL_PX: Final = 144
"""Longer side of a small picture: 72 CSS pixels, on a screen of twice as many."""
THUMBNAILS_AT_ONCE: Final = 2
THUMBNAIL_WAIT_S: Final = 2.0
"""Longest wait for one of those places: a row without its picture is better than a page that waits."""
AGAIN_S: Final = 5.0


class Being(Protocol):
    """How the list is."""

    @property
    def whole(self) -> bool:
        """Whether it was read to its end since the start."""

    @property
    def behind_s(self) -> float:
        """Seconds since it was known to be current."""


class NotYet(Problem):
    """The list is still being read from the bus."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title: ClassVar[str] = "The list is being put together"
    advice: ClassVar[str] = "It is read anew after each start. Try again in a moment."
    reason = "list-not-whole"


class Unsearched(Problem):
    """The record does not let the reader search what the list is made of."""

    status = HTTPStatus.FORBIDDEN
    title: ClassVar[str] = "Your EHR does not let you search what this list shows"
    advice: ClassVar[str] = "Whether anything waits for you is not known here. Ask your IT for the right to search {kind}."
    reason = "not-searched"


class OddAddress(Problem):
    """The address asks for what the list does not have."""

    title: ClassVar[str] = "This address is not one of the list's"
    advice: ClassVar[str] = "Open the list again, and choose there."
    reason = "address"


@dataclass(frozen=True, slots=True)
class Ports:
    """What the worklist asks."""

    record_of: RecordOf
    worklist: Worklist
    being: Being
    contents_of: Callable[[FhirClient], Contents]
    """Reads a picture's bytes as this reader: their token goes to their FHIR server alone."""
    now: Callable[[], datetime]
    """The time, aware."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a site sets; times in seconds."""

    zone: tzinfo
    card: ModelCard
    """Of the model whose bands the list knows."""
    page_rows: int
    looked_at_max: int
    stale_after_s: float
    pixels_max: int
    by_cards: bool = False
    """Whether there is an EHR that may tell of answered cards."""
    blind: frozenset[Role] = frozenset()
    """Roles whose readers say what they see before they are told what the AI or others made of a report."""

    def looks_first(self, session: Session) -> bool:
        """Whether no result is told to this reader in the list."""
        return not session.roles.isdisjoint(self.blind)

    def tells_of_cards(self, session: Session) -> bool:
        """Whether this reader is told that a card was answered in the EHR."""
        return self.by_cards and not self.looks_first(session)


def blueprint(ports: Ports, rules: Rules) -> Blueprint:
    """The routes. Reaches out to nobody."""
    made = Blueprint("worklist", __name__, url_prefix=WORKLIST, template_folder="templates", static_folder="static")
    room = threading.BoundedSemaphore(THUMBNAILS_AT_ONCE)

    @made.get("")
    @requires(Role.READER, Role.LEAD)
    def rows() -> str:
        _check_whole(ports.being)
        wanted, session, said = _asked(), session_of(), _words(ports, rules)
        by_cards = rules.tells_of_cards(session)
        hidden = rules.looks_first(session)
        if (wanted.show == UNSIGNED and not by_cards) or (wanted.band and hidden):
            raise _odd()
        try:
            seen = rows_for(
                ports.record_of(session),
                ports.worklist,
                wanted.wanted(said.now),
                wanted.after,
                rules.page_rows,
                rules.looked_at_max,
            )
        except SignedOut:
            raise LogInEnded(again=launch_path(session.issuer)) from None
        except NotSearched as refused:
            raise Unsearched(again=url_for("worklist.rows"), kind=str(refused)) from None
        return _page(
            "worklist/rows.html",
            said,
            ports,
            rules,
            asked=wanted,
            by_cards=by_cards,
            hidden=hidden,
            seen=seen,
            sites=ports.worklist.sites(),
            report_path=report_path,
            numbers=Role.LEAD in session.roles,
            next=None if seen.after is None else url_for("worklist.rows", **wanted.query(seen.after)),  # type: ignore[arg-type] # of strings
            first=url_for("worklist.rows", **wanted.query()) if wanted.after else None,  # type: ignore[arg-type] # of strings
        )

    @made.get("/numbers")
    @requires(Role.LEAD, Role.OPERATOR)
    def numbers() -> str:
        _check_whole(ports.being)
        session = session_of()
        return _page(
            "worklist/numbers.html",
            _words(ports, rules),
            ports,
            rules,
            totals=ports.worklist.totals(),
            sites=ports.worklist.sites(),
            waiting=ports.worklist.waiting(),
            list=not session.roles.isdisjoint((Role.READER, Role.LEAD)),
        )

    @made.get("/pictures/<ident>")
    @requires(Role.READER, Role.LEAD)
    def picture(ident: str) -> Response:
        row = ports.worklist.row(f"DiagnosticReport/{ident}") if is_id(ident) else None
        if row is None:
            raise NoSuchPage
        try:
            content = _picture(ports, rules, row, room)
        except Contended:
            raise
        except Refused as why:  # damaged, withdrawn, or not this reader's: the row says enough without it
            return Response(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE if isinstance(why, ContentUnusable) else HTTPStatus.NOT_FOUND)
        return Response(content, HTTPStatus.OK, {"Content-Type": "image/jpeg", "Content-Disposition": "inline"})

    return made


def _picture(ports: Ports, rules: Rules, row: Row, room: threading.BoundedSemaphore) -> bytes:
    """The row's small picture by the reader's token, once the record has said that it is the row's patient's."""
    fhir = ports.record_of(session_of())
    media = fhir.read(row.media, unknown=lambda: NoSuchPage())
    if fhir.service_base.local(media.get("subject")) != row.subject or text(media.get("status")) in WITHDRAWN_MEDIA:
        raise NoSuchPage
    if not room.acquire(timeout=THUMBNAIL_WAIT_S):
        raise Contended("memory", "too many small pictures are made at the same time")
    try:
        attachment = attachment_of(media, row.media)
        content = ports.contents_of(fhir).read(attachment, row.media, media.get("meta"))
        verify(attachment, content, row.media)
        return thumbnail(content, side_px=THUMBNAIL_PX, pixels_max=rules.pixels_max, reference=row.media)
    finally:
        room.release()


def _check_whole(being: Being) -> None:
    if not being.whole:
        problem = NotYet(again=url_for("worklist.rows"))
        problem.retry_after_s = AGAIN_S
        raise problem


def _asked() -> Asked:
    try:
        return asked(request.args)
    except NotAsked:
        raise _odd() from None


def _odd() -> OddAddress:
    return OddAddress(again=url_for("worklist.rows"))


def _words(ports: Ports, rules: Rules) -> Words:
    return Words(words(), rules.zone, rules.card, ports.now())


def _page(template: str, said: Words, ports: Ports, rules: Rules, **more: Any) -> str:
    session, behind_s = the_session(), ports.being.behind_s
    return render_template(
        template,
        say=said.catalogue.say,
        said=said,
        language=said.catalogue.language,
        csrf=None if session is None else session.csrf,
        stale=behind_s > rules.stale_after_s,
        behind=said.age_of(behind_s),
        left_out=ports.worklist.left_out,
        **more,
    )
