"""Why a clinician overrides, withdraws or does not judge a result: closed sets of codes, each with its sentence and HL7's code beside it.

The CodeSystem non-adherence-reason-codes is CDS Hooks 3.0's (HL7/cds-hooks, input/vocabulary, trial use); its codes stand beside ours
where they mean the same, and never in their place: a card's override reasons and the page's are one list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tocsin.fhir.canonical import NON_ADHERENCE, VERDICT_REASONS
from tocsin.fhir.datatypes import Coding
from tocsin.review.types import Act
from tocsin.words.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason that a clinician may give."""

    code: str
    display: str
    """English; `said` gives it in another language."""
    hl7: Coding | None = None
    """HL7's code for the same, where there is one."""

    @property
    def codings(self) -> tuple[Coding, ...]:
        """Tocsin's code, then HL7's."""
        return Coding(VERDICT_REASONS, self.code), *(() if self.hl7 is None else (self.hl7,))


def said(reason: Reason, words: Catalogue) -> str:
    """The reason's display in a language."""
    return words.say(reason.display)


def _hl7(code: str) -> Coding:
    return Coding(NON_ADHERENCE, code)


OVERRIDES: Final = (
    Reason("clinically-benign", "Looks benign on examination", _hl7("recipient-does-not-trust")),
    Reason("clinically-suspicious", "Looks suspicious on examination", _hl7("recipient-does-not-trust")),
    Reason("known-lesion", "Already examined or removed", _hl7("action-completed")),
    Reason("unchanged", "Unchanged over time", _hl7("cds-not-applicable")),
    Reason("outside-intended-use", "Patient or lesion is outside what the model is made for", _hl7("patient-ineligible")),
    Reason("needs-more", "More is needed first: another picture, a biopsy or a colleague's opinion", _hl7("need-more-info")),
    Reason("patient-declines", "The patient declines", _hl7("patient-refuses")),
    Reason("other", "Another reason"),
)
"""Why a clinician disagrees with a result that is about the right lesion of the right patient."""

NOT_ASSESSABLE: Final = (
    Reason("out-of-focus", "Out of focus"),
    Reason("too-dark-or-bright", "Too dark or too bright"),
    Reason("partly-shown", "The lesion is not wholly on the picture"),
    Reason("covered", "Covered by hair, ink, gel or a dressing"),
    Reason("other", "Another reason"),
)
"""Why a picture allows no judgement."""

WITHDRAWALS: Final = (
    Reason("wrong-patient", "Wrong patient"),
    Reason("wrong-lesion", "Wrong lesion"),
    Reason("wrong-picture", "Wrong picture"),
)
"""Why a result may not stand."""

CARDS_ALONE: Final = (
    Reason("not-mine-to-decide", "I am not the one to decide this", _hl7("inappropriate-recipient")),
    Reason("no-time-now", "No time now", _hl7("limited-time")),
)
"""Why a reader puts a card away without a word on the result: no verdict takes them."""

CARDS: Final = (*OVERRIDES, *CARDS_ALONE)
"""Why a reader puts a card away: as they disagree on the page, and what is about the card alone.

CDS Hooks has room for one coding a reason (3.0.0, "Override reasons"), which is Tocsin's own.
"""

_OF: Final[Mapping[Act, tuple[Reason, ...]]] = {
    Act.OVERRIDE: OVERRIDES,
    Act.NOT_ASSESSABLE: NOT_ASSESSABLE,
    Act.WITHDRAW: WITHDRAWALS,
}


def reasons_for(act: Act) -> tuple[Reason, ...]:
    """The reasons from which this act chooses one, as they are to be offered; empty for an act that gives none."""
    return _OF.get(act, ())


def reason_of(act: Act, code: str | None) -> Reason | None:
    """The reason with this code that this act may give; None where there is none such."""
    return next((each for each in reasons_for(act) if each.code == code), None)


def reason_on_card(system: str, code: str) -> Reason | None:
    """The reason of CARDS with this coding; None where it is none of Tocsin's."""
    return next((each for each in CARDS if (system, code) == (VERDICT_REASONS, each.code)), None)


def override_for(system: str, code: str) -> Reason | None:
    """The reason by which an override says what this one said of a card; None where a verdict has none such."""
    found = reason_on_card(system, code)
    return None if found is None or found in CARDS_ALONE else reason_of(Act.OVERRIDE, found.code)
