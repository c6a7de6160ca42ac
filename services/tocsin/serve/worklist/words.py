"""The worklist's sentences, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from tocsin.model_card import ModelCard
from tocsin.review.ages import age
from tocsin.review.types import Act, State
from tocsin.review.worklist import NOT_ASSESSABLE, OTHER, WAITING_STATUSES, Row
from tocsin.words.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Words:
    """What a page of the worklist says."""

    catalogue: Catalogue
    zone: tzinfo
    card: ModelCard
    now: datetime

    @property
    def band_names(self) -> Mapping[str, str]:
        """Code of a band -> what readers call it, the highest first."""
        bands, say = self.card.operating_point.bands, self.catalogue.say
        flagged, others = (
            {band.code: self.card.say(band.display, self.catalogue.language) for band in reversed(bands) if band.flagged is wanted}
            for wanted in (True, False)
        )
        return {**flagged, NOT_ASSESSABLE: say("Not assessable"), **others, OTHER: say("Another model's band")}

    def band(self, row: Row) -> str:
        """The row's band; one that this card does not know by its code."""
        return self.band_names.get(row.band, row.band)

    def age(self, when: datetime) -> str:
        """How long ago that was."""
        return age(self.catalogue, self.now - when)

    def age_of(self, seconds: float) -> str:
        """So many seconds in words."""
        return age(self.catalogue, timedelta(seconds=seconds))

    def moment(self, when: datetime) -> str:
        """The time at the site."""
        return self.catalogue.moment(when, self.zone)

    def state(self, row: Row, status: str, *, by_cards: bool) -> str:
        """What became of the report, in a sentence; `status` as the record has it. `by_cards`: whether answered cards are told of."""
        say, answer = self.catalogue.say, row.answer
        if row.withdrawn:
            return say("Withdrawn: it no longer holds")
        if answer is not None and answer.state is not State.RECORDED:
            match answer.state:
                case State.WAITING:
                    return say("Answered, and not yet in the record")
                case State.OVERTAKEN:
                    return say("Changed meanwhile: decide again")
                case _:
                    return say("The record refused the answer: a person has to look")
        if row.unread and status in WAITING_STATUSES:
            if by_cards and row.unsigned is not None:
                return say("Card answered in the EHR, and not signed")
            return say("Nobody has answered yet")
        if row.unread:
            return say("Answered in the record ({status})", status=status)
        if answer is not None and answer.act is not Act.UNDO:
            return {
                Act.ACCEPT: say("Accepted"),
                Act.OVERRIDE: say("Overridden"),
                Act.CORRECT: say("Corrected"),
                Act.NOT_ASSESSABLE: say("Judged not assessable"),
                Act.WITHDRAW: say("Withdrawn: it no longer holds"),
            }[answer.act]
        return say("Answered in the record ({status})", status=status)

    def ages(self) -> Mapping[str, str]:
        """The choices of how long a report has been there at least."""
        say = self.catalogue.say
        return {
            "": say("any time"),
            "1h": say("1 hour or longer"),
            "8h": say("8 hours or longer"),
            "1d": say("1 day or longer"),
            "3d": say("3 days or longer"),
            "7d": say("7 days or longer"),
        }

    def shown(self, *, by_cards: bool) -> Mapping[str, str]:
        """The choices of which reports are shown; `by_cards`: where an EHR may tell of answered cards."""
        say = self.catalogue.say
        unsigned = {"unsigned": say("card answered in the EHR, not signed")} if by_cards else {}
        return {"unread": say("not answered"), **unsigned, "read": say("answered"), "all": say("all")}

    def sites(self, sites: Sequence[str], chosen: str) -> Mapping[str, str]:
        """The choices of a site, and the chosen one also where no report is of it."""
        return {"": self.catalogue.say("any"), **{site: site for site in (*sites, chosen) if site}}

    def unrecorded(self, state: State, count: int) -> str:
        """How many answers the record does not hold, and why."""
        say_of = self.catalogue.say_of
        match state:
            case State.WAITING:
                return say_of(
                    count, "{number} is on its way and tried again by itself", "{number} are on their way and tried again by themselves"
                )
            case State.OVERTAKEN:
                return say_of(
                    count,
                    "{number} came too late: the report was changed, and its clinician decides again",
                    "{number} came too late: the reports were changed, and their clinicians decide again",
                )
            case _:
                return say_of(
                    count,
                    "{number} was refused by the record: a person has to look",
                    "{number} were refused by the record: a person has to look",
                )
