"""What the service answers, without HTTP: discovery, cards for a call, feedback."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tocsin.errors import Unavailable
from tocsin.fhir.datatypes import Json, an_object, coding_of, instant, objects, text
from tocsin.report.resources.compose import Issuer as Writer
from tocsin.review.cards import Card, Kind, Presentation, cards
from tocsin.review.feedback import CODE, UUID, Feedback, Feedbacks, Outcome, Reason, feedback_id
from tocsin.review.orders import counts, orders, selections, subject_of
from tocsin.serve.cds.callers import Issuer
from tocsin.serve.cds.calls import HOOKS, ORDER_HOOKS, Call
from tocsin.serve.cds.once import Cards
from tocsin.serve.cds.problems import Busy, Malformed, WrongPatient
from tocsin.serve.cds.records import PREFETCH, Connections, records
from tocsin.settings import CdsSettings
from tocsin.telemetry.metrics import CDS_CARDS, CDS_FEEDBACK

SERVICE: Final = "tocsin-flags"
"""Id of the service under every hook: an EHR may then replace the cards of one hook with those of the next."""
SPECIFICATION: Final = "3.0.0"
HOOK_VERSION: Final = "1.0"

_UUID: Final = re.compile(UUID)
_CODE: Final = re.compile(CODE)
_SYSTEM: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Service:
    """CDS Hooks of one installation. Safe for threads."""

    settings: CdsSettings
    how: Presentation
    writer: Writer
    connections: Connections
    feedbacks: Feedbacks
    known: Cards
    now: Callable[[], datetime]

    def discovery(self) -> Json:
        """The services, one entry for each hook."""
        say = self.how.words.catalogue.say
        told = {
            "title": say("AI findings on skin lesions"),
            "description": say(
                "Shows what an AI found on a patient's dermoscopy pictures, as it stands in the record, and opens picture and result."
            ),
            "id": SERVICE,
            "prefetch": PREFETCH,
            "version": SPECIFICATION,
        }
        return {"services": [{"hook": hook, "hookVersion": HOOK_VERSION, **told} for hook in HOOKS]}

    def cards(self, call: Call, caller: Issuer) -> list[Card]:
        """The cards for a call. Raises CallProblem."""
        if call.hook in ORDER_HOOKS and not self._is_about_skin(call, caller):
            return []
        found = records(call, caller.agreed, caller.base, self.connections)
        made = cards(found.reports, found.beside, call.patient, found.base, self.writer, self.how)
        self.known.remember({each.uuid: f"{each.report} {each.report_version or ''}" for each in made})
        for each in made:
            CDS_CARDS.add(1, {"band": self._label(each)})
        return made

    def feedback(self, said: Json, caller: Issuer) -> None:
        """Keep what an EHR tells of cards. Raises Malformed, and Busy where it cannot be kept."""
        told = said.get("feedback")
        if not isinstance(told, list) or len(told) > self.settings.feedback_max or not all(isinstance(each, dict) for each in told):
            raise Malformed(f"feedback is no array of at most {self.settings.feedback_max} objects (TOCSIN_CDS__FEEDBACK_MAX).")
        read = [self._feedback(each, caller) for each in told]
        try:
            self.feedbacks.keep(read)
        except Unavailable as away:
            raise Busy(f"Feedback cannot be kept at the moment ({away.neighbour}): send it again.") from None
        for each in read:
            CDS_FEEDBACK.add(1, {"outcome": each.outcome})

    def _label(self, card: Card) -> str:
        """A code of this model card, or why it is not assessable; what an older version wrote is `other`."""
        bands = {each.code for each in self.writer.card.operating_point.bands}
        return card.band if card.band in bands else "not-assessable" if card.kind is Kind.NOT_ASSESSABLE else "other"

    def _is_about_skin(self, call: Call, caller: Issuer) -> bool:
        selected = selections(call.selections) if call.hook == "order-select" else None
        codes = frozenset(map(coding_of, self.settings.order_codes))
        wanted = [each for each in orders(call.draft_orders, selected) if counts(each, codes)]
        for each in wanted:
            subject = subject_of(each, caller.base)
            if subject is not None and subject != call.patient:
                raise WrongPatient("An order among context.draftOrders has another subject than context.patientId.")
        return bool(wanted)

    def _feedback(self, said: Json, caller: Issuer) -> Feedback:
        card, stated = text(said.get("card")).lower().removeprefix("urn:uuid:"), text(said.get("outcomeTimestamp"))
        when, outcome = instant(stated), said.get("outcome")
        if not _UUID.fullmatch(card) or when is None:
            raise Malformed("Each feedback needs card (a UUID) and outcomeTimestamp (RFC 3339).")
        if outcome not in ("accepted", "overridden"):
            raise Malformed("cds-fb-1: outcome is neither accepted nor overridden.")
        if outcome == "accepted" and not objects(said.get("acceptedSuggestions")):
            raise Malformed("cds-fb-2: accepted needs acceptedSuggestions.")
        reason, commented = _reason(said.get("overrideReason"))
        report, _, version = (self.known.recall(card) or "").partition(" ")
        return Feedback(
            version=1,
            id=feedback_id(caller.name, card, outcome, reason, when.astimezone(UTC).isoformat()),
            source=self.writer.source,
            issuer=caller.name,
            card=card,
            report=report or None,
            report_version=version or None,
            outcome=_outcome(outcome),
            reason=reason,
            commented=commented,
            answered_at=when,
            received_at=self.now(),
        )


def _outcome(outcome: Any) -> Outcome:
    return "accepted" if outcome == "accepted" else "overridden"


def _reason(stated: object) -> tuple[Reason | None, bool]:
    """The coded reason, and whether there was a comment, whose words go no further. Raises Malformed."""
    if stated is None:
        return None, False
    said = an_object(stated)
    coded, commented = an_object(said.get("reason")), bool(text(said.get("userComment")))
    if not coded and not commented:
        raise Malformed("cds-fb-3: overrideReason needs reason, userComment, or both.")
    system, code = text(coded.get("system")), text(coded.get("code"))
    kept = _SYSTEM.fullmatch(system) and _CODE.fullmatch(code)
    return (Reason(system=system, code=code) if kept else None), commented


def answer(made: Sequence[Card]) -> Json:
    """The answer to a hook."""
    return {"cards": [each.content for each in made]}
