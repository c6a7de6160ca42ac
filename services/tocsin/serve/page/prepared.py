"""The verdict that an answer to the report's card makes ready: its reader still gives it, and until then nothing is signed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.review.answered import Answered, CardAnswer
from tocsin.review.reasons import override_for
from tocsin.review.shown import View
from tocsin.review.types import State
from tocsin.serve.page.ports import Kept, Reason


@dataclass(frozen=True, slots=True)
class Prepared:
    """An override, ready to be given."""

    reason: Reason
    answer: CardAnswer
    """What it rests on."""


def prepared(answered: Answered | None, view: View, kept: Iterable[Kept]) -> Prepared | None:
    """The override by the reason for which the card of this very version was put away last; None where there is none such.

    None too where somebody has acted on the report: on another version, or by a verdict that is on its way to the record.
    """
    last = None if answered is None else answered.last
    if last is None or last.reason is None or last.outcome != "overridden" or not view.unread or last.report_version != view.version:
        return None
    if any(each.state is State.WAITING for each in kept):
        return None
    reason = override_for(last.reason.system, last.reason.code)
    return None if reason is None else Prepared(reason, last)
