"""What a reader sends: the form of a verdict, read into closed sets. A form that cannot be read says what is wrong with it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.review.shown import View
from tocsin.review.types import Act, Surface, Verdict
from tocsin.serve.page.looks import Look
from tocsin.serve.page.ports import Reason
from tocsin.serve.types import Session
from tocsin.words.catalogue import to_say

INCOMPLETE: Final = to_say("The form was not complete. Choose again.")
NO_FIRST_LOOK: Final = to_say(
    "Your verdict was not taken: no first look of yours at this picture is known. "
    "Say what you see; then the AI's result is shown, and you can give your verdict."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A verdict as the form states it."""

    submission: str
    """UUID that the page made: the same act sent twice in it is one verdict."""
    report_version: str
    act: Act
    code: str | None
    confirmed: bool


class Unreadable(Exception):
    """The form does not say what it has to; `sentence` is one of the catalogue's."""

    def __init__(self, sentence: str, act: Act | None = None) -> None:
        """`act` is what was chosen, where something was."""
        super().__init__("the form of a verdict cannot be read")
        self.sentence = sentence
        self.act = act


def field_of(act: Act) -> str:
    """The name of the field that holds an act's code."""
    return f"code-{act.value}"


def asked(form: Mapping[str, str], reasons_for: Callable[[Act], Sequence[Reason]], classes: Collection[str]) -> Asked:
    """The verdict in a form; `classes` are the codes that a correction may name, by the card in use. Raises Unreadable.

    Whether the act is allowed is for who takes the verdict to say: of a form that is sent twice the second finds another report.
    """
    act = next((each for each in Act if each.value == form.get("act") and each is not Act.UNDO), None)
    if act is None:
        raise Unreadable(to_say("Choose one of the verdicts."))
    code = form.get(field_of(act)) or None
    known = classes if act is Act.CORRECT else {each.code for each in reasons_for(act)}
    if known and code not in known:
        raise Unreadable(to_say("Choose the class.") if act is Act.CORRECT else to_say("Choose a reason."), act)
    return Asked(
        submission=uuid_of(form.get("submission")),
        report_version=_version(form),
        act=act,
        code=code if known else None,
        confirmed=form.get("confirmed") == "yes",
    )


def undo_asked(form: Mapping[str, str]) -> tuple[Asked, str]:
    """An undo in a form, and the id of the verdict that it takes back. Raises Unreadable."""
    asked = Asked(uuid_of(form.get("submission")), _version(form), Act.UNDO, None, confirmed=True)
    return asked, uuid_of(form.get("undoes"))


def _version(form: Mapping[str, str]) -> str:
    """The version of the report that the reader had before their eyes. Raises Unreadable."""
    if not (version := form.get("report_version")):
        raise Unreadable(INCOMPLETE)
    return version


def uuid_of(text: str | None) -> str:
    """The UUID as RFC 9562 writes it. Raises Unreadable."""
    try:
        return str(uuid.UUID(text or ""))
    except ValueError:
        raise Unreadable(INCOMPLETE) from None


def verdict_of(asked: Asked, view: View, session: Session, look: Look, *, source: str, now: datetime, undoes: str | None = None) -> Verdict:
    """The verdict that goes to the bus: about the report and patient as they were read now, on the version that the reader saw.

    Its id follows from the form and the act in it. A process knows no form that another one took: what is sent again to it is the same
    verdict by its id, and another choice in the same form is another verdict, of which the record takes one.
    """
    chosen = (view.report, asked.report_version, session.clinician, session.issuer, asked.act.value, asked.code or "", undoes or "")
    return Verdict(
        id=str(uuid.uuid5(uuid.UUID(asked.submission), "\n".join(chosen))),
        source=source,
        report=view.report,
        report_version=asked.report_version,
        media=view.media,
        subject=view.subject,
        act=asked.act,
        code=asked.code,
        undoes=undoes,
        clinician=session.clinician,
        issuer=session.issuer,
        surface=Surface.PAGE,
        first_look=None if look.impression is None else look.impression.value,
        opened_at=look.opened_at,
        decided_at=now,
    )
