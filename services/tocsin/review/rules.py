"""Which acts are allowed on a report, and what it becomes. Pure, so that page, card, command and retry decide alike.

Silence is never agreement: a report on which nobody acted stays preliminary for good.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from tocsin.report.types import IN_ERROR, PRELIMINARY
from tocsin.review.reasons import reason_of, reasons_for
from tocsin.review.types import Act, Verdict

FINAL: Final = "final"
AMENDED: Final = "amended"

OPEN: Final = frozenset({PRELIMINARY, FINAL, AMENDED, "corrected", "appended"})
"""Statuses of a report that a clinician may decide on; a withdrawn one can only be taken back."""


class Bar(StrEnum):
    """Why an act does not go into the record: the codes of Standing.reason. A person has to look, or the clinician decides again."""

    NOT_OPEN = "not-open"
    """The report is withdrawn or in a status of which Tocsin knows nothing."""
    GAVE_WAY = "gave-way"
    """The report gave way to one on a newer picture or by a newer version of the model: decide on that one."""
    IN_OTHER_WORDS = "in-other-words"
    """Another program wrote another conclusion or dropped Tocsin's mark: act where that was written."""
    NOTHING_TO_UNDO = "nothing-to-undo"
    """The act to be undone is not the last that stands on the report."""
    NOT_YOURS = "not-yours"
    """Another clinician's act is theirs to take back."""
    ANOTHER_ACTED = "another-acted"
    """Another clinician has acted as well: decide anew instead of taking back."""
    CODE_UNKNOWN = "code-unknown"
    """The code is none that this act may give, or no class of the model."""
    OF_ANOTHER = "of-another"
    """The report is about another patient or picture than the clinician saw."""
    REPORT_ABSENT = "report-absent"
    """The record has no such report, or it was deleted."""
    ID_TAKEN = "id-taken"
    """Another act with this id stands on the report."""
    FHIR_REJECTED = "fhir-rejected"
    """The FHIR server finds fault with the transaction; it is tried again, seldom."""
    CHANGED = "changed"
    """The report was changed after the clinician had read it."""
    AWAY = "fhir-away"
    """The FHIR server is away, busy, or does not let Tocsin write."""
    CONTENDED = "contended"
    """Others write the same report at the same moment."""


@dataclass(frozen=True, slots=True)
class Acted:
    """The last act that stands on a report, as the report itself says it."""

    verdict: str
    """Id of the verdict."""
    act: Act
    code: str | None
    clinician: str
    issuer: str
    at: datetime
    """When the clinician decided; aware."""
    shared: bool
    """Whether another clinician, or another program, had acted on the report before."""
    sentence: str
    """What the conclusion says of the act."""
    instead_of: str
    """What the conclusion said in its place before anybody had acted; empty where it said nothing."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Type/<id> of each part that the act moved -> the status that it had before anybody had acted on it by way of the report."""

    def is_by(self, clinician: str, issuer: str) -> bool:
        """Whether this clinician, for whom this server vouches, acted."""
        return (self.clinician, self.issuer.rstrip("/")) == (clinician, issuer.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Before:
    """A report as far as the rules look at it."""

    status: str
    """FHIR diagnostic-report-status."""
    acted: Acted | None = None
    verbatim: bool = True
    """Whether the report still says what Tocsin wrote, as in StoredReport."""
    gave_way: bool = False

    @property
    def is_touched(self) -> bool:
        """Whether somebody has acted on the report, here or elsewhere."""
        return self.acted is not None or self.status != PRELIMINARY


_BECOMES: Final[Mapping[Act, str]] = {
    Act.ACCEPT: FINAL,
    Act.OVERRIDE: FINAL,
    Act.CORRECT: AMENDED,
    Act.NOT_ASSESSABLE: AMENDED,
    Act.WITHDRAW: IN_ERROR,
    Act.UNDO: PRELIMINARY,
}


def becomes(act: Act, status: str) -> str:
    """The status of a report after the act. What was amended once is never merely final again, unless that is undone."""
    after = _BECOMES[act]
    return AMENDED if after == FINAL and status not in (PRELIMINARY, FINAL) else after


def bar(act: Act, before: Before, clinician: str, issuer: str) -> Bar | None:
    """Why this clinician may not do this to the report now; None where they may."""
    if before.gave_way:
        return Bar.GAVE_WAY
    if not before.verbatim:
        return Bar.IN_OTHER_WORDS
    if act is Act.UNDO:
        return _bar_to_undo(before, clinician, issuer)
    return None if before.status in OPEN else Bar.NOT_OPEN


def _bar_to_undo(before: Before, clinician: str, issuer: str) -> Bar | None:
    if before.acted is None or before.status != _after(before.acted, before.status):
        return Bar.NOTHING_TO_UNDO
    if not before.acted.is_by(clinician, issuer):
        return Bar.NOT_YOURS
    return Bar.ANOTHER_ACTED if before.acted.shared else None


def _after(acted: Acted, status: str) -> str:
    """The status in which this act left a report that now has `status`: final and amended both follow an acceptance."""
    after = _BECOMES[acted.act]
    return AMENDED if (after, status) == (FINAL, AMENDED) else after


def allowed(before: Before, clinician: str, issuer: str) -> frozenset[Act]:
    """What this clinician may do with the report now."""
    return frozenset(act for act in Act if bar(act, before, clinician, issuer) is None)


def bar_to(verdict: Verdict, before: Before, classes: Collection[str]) -> Bar | None:
    """Why the verdict may not go into the record; None where it may. `classes` are the codes that a correction may name."""
    found = bar(verdict.act, before, verdict.clinician, verdict.issuer)
    if found is not None:
        return found
    if verdict.act is Act.UNDO:
        named = before.acted is not None and before.acted.verdict == verdict.undoes
        return None if named else Bar.NOTHING_TO_UNDO
    return None if _code_is_known(verdict, classes) else Bar.CODE_UNKNOWN


def _code_is_known(verdict: Verdict, classes: Collection[str]) -> bool:
    if verdict.act is Act.CORRECT:
        return verdict.code in classes
    return not reasons_for(verdict.act) or reason_of(verdict.act, verdict.code) is not None


def is_shared(before: Before, verdict: Verdict) -> bool:
    """Whether, once the verdict stands, somebody else has acted on the report too: then it cannot be taken back."""
    if before.acted is None:
        return before.is_touched
    return before.acted.shared or not before.acted.is_by(verdict.clinician, verdict.issuer)
