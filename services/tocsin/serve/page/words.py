"""The page's words for codes, days and names, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final, NamedTuple

from tocsin.fhir.datatypes import Json
from tocsin.image.taken import Days
from tocsin.model_card import ModelCard
from tocsin.report.review import review
from tocsin.report.said import Said
from tocsin.report.words import ReportWords, Wording
from tocsin.review.answered import CardAnswer
from tocsin.review.history import Entry
from tocsin.review.reasons import reason_on_card
from tocsin.review.shown import Shown, View
from tocsin.review.types import Act, State
from tocsin.serve.page.looks import Impression
from tocsin.serve.page.ports import Phrases
from tocsin.words.catalogue import Catalogue, to_say

ACTS: Final[Mapping[Act, tuple[str, str]]] = {
    Act.ACCEPT: (to_say("Agree"), to_say("The result becomes final.")),
    Act.OVERRIDE: (to_say("Disagree"), to_say("The result becomes final and says that you disagree, and why.")),
    Act.CORRECT: (to_say("Name another class"), to_say("The result is amended with the class that you name.")),
    Act.NOT_ASSESSABLE: (to_say("The picture cannot be assessed"), to_say("The result is amended: this picture allows no judgement.")),
    Act.WITHDRAW: (
        to_say("Withdraw: wrong patient, lesion or picture"),
        to_say("The result is entered in error. You are asked once more."),
    ),
}
"""Act -> what it is called, and what it does."""

DONE: Final[Mapping[Act, str]] = {
    Act.ACCEPT: to_say("Agreed"),
    Act.OVERRIDE: to_say("Disagreed"),
    Act.CORRECT: to_say("Named another class"),
    Act.NOT_ASSESSABLE: to_say("Called the picture not assessable"),
    Act.WITHDRAW: to_say("Withdrew the result"),
    Act.UNDO: to_say("Took back the last verdict"),
}

STATES: Final[Mapping[State, tuple[str, str]]] = {
    State.RECORDED: (to_say("Your verdict is in the record."), ""),
    State.WAITING: (
        to_say("Your verdict is kept, and not yet in the record."),
        to_say("It is tried again by itself; you need not give it again. This page shows when it is recorded."),
    ),
    State.OVERTAKEN: (
        to_say("Your verdict was not recorded: the result had changed since you opened it."),
        to_say("Look at what was done below, and decide again."),
    ),
    State.REFUSED: (
        to_say("Your verdict is kept, but the record refuses it."),
        to_say("It is not lost. A person has to look at it: tell your IT the number of your verdict."),
    ),
}
"""What became of a verdict -> what the reader is told, and what follows from it."""

IMPRESSIONS: Final[Mapping[Impression, str]] = {
    Impression.SUSPICIOUS: to_say("Suspicious of malignancy"),
    Impression.BENIGN: to_say("Benign"),
    Impression.UNSURE: to_say("I cannot tell from this picture"),
}

SEXES: Final[Mapping[str, str]] = {
    "female": to_say("female"),
    "male": to_say("male"),
    "other": to_say("other"),
    "unknown": to_say("unknown"),
}


class ClassRow(NamedTuple):
    """One row of the table of classes."""

    name: str
    malignant: bool | None
    """None where the card of that model is not at hand."""
    number: str
    """Empty where the report does not hold it."""
    share: float | None
    """The same for a bar, 0..1."""


@dataclass(frozen=True, slots=True)
class Words:
    """One reader's words."""

    wording: Wording
    """Of the card in use."""
    zone: tzinfo
    phrases: Phrases

    @property
    def catalogue(self) -> Catalogue:
        """The language."""
        return self.wording.catalogue

    @property
    def language(self) -> str:
        """BCP 47 tag of the page."""
        return self.catalogue.language

    def say(self, sentence: str, **values: object) -> str:
        """See Catalogue.say."""
        return self.catalogue.say(sentence, **values)

    def say_of(self, number: int, one: str, many: str, **values: object) -> str:
        """See Catalogue.say_of."""
        return self.catalogue.say_of(number, one, many, **values)

    def card(self, card: ModelCard | None, sentence: str) -> str:
        """A sentence or display of a card."""
        return sentence if card is None or not sentence else self.phrases.of_card(card, sentence, self.language)

    def site(self, site: Json) -> str:
        """A body site; says so where none is stated."""
        return self.phrases.of_site(site, self.catalogue) or self.say("Body site not stated")

    def limits(self, view: View) -> list[str]:
        """What the model is bad at on this picture."""
        card = view.card
        return [] if card is None else [self.card(card, each) for each in self.phrases.limits_for(card, view.known)]

    def told(self, said: Said) -> ReportWords:
        """What a report says of the model's result, as the record, the cards and the paper say it."""
        return self.wording.of(said)

    def had_said(self, said: Said) -> str:
        """The model's result, where a clinician has reviewed it and it is no longer what a reader is to go by."""
        return self.say("The AI had said: {result}", result=self.told(said).result)

    def classes(self, view: View) -> list[ClassRow]:
        """Every class that the report tells, the highest first, and then those of the card that it does not."""
        said = view.said
        if said is None or not said.assessed:
            return []
        told = self.told(said).classes
        rows = [ClassRow(each.plain, each.malignant, each.score, of.score) for each, of in zip(told, said.classes, strict=True)]
        held = {each.code for each in told}
        others = () if view.card is None else (each for each in view.card.output.classes if each.code not in held)
        return [*rows, *(ClassRow(self.card(view.card, each.display), each.malignant, "", None) for each in others)]

    def together(self, view: View) -> str:
        """The number of all malignant classes together, of the same kind as theirs; empty where it is not known."""
        said, rows = view.said, [each for each in self.classes(view) if each.malignant]
        if said is None or not rows or any(each.share is None for each in rows):
            return ""
        if said.calibrated == said.classes_calibrated:
            return self.told(said).number
        return self.wording.number(min(1.0, sum(each.share or 0 for each in rows)), calibrated=said.classes_calibrated)

    def moment(self, when: datetime | None, *, seconds: bool = False) -> str:
        """A time in the site's zone; to the second where that is asked for."""
        return self.say("at an unknown time") if when is None else self.catalogue.moment(when, self.zone, seconds=seconds)

    def taken(self, shown: Shown) -> str:
        """When a picture was taken, as exactly as the record says."""
        if shown.moment is not None:
            return self.catalogue.moment(shown.moment, self.zone)
        return self.days(shown.taken)

    def days(self, days: Days | None) -> str:
        """A day, or a span of days of which either end may be open."""
        first, last = (None, None) if days is None else (days.first, days.last)
        if first is not None and last is not None:
            if first == last:
                return self.catalogue.date(first)
            if (first, last) == (date(first.year, 1, 1), date(first.year, 12, 31)):
                return str(first.year)
            return self.say("between {first} and {last}", first=self.catalogue.date(first), last=self.catalogue.date(last))
        return self.say("on an unknown day")

    def sex(self, code: str) -> str:
        """An administrative gender."""
        return self.say(SEXES.get(code, "unknown"))

    def status(self, status: str) -> str:
        """What a report of this status says of its review."""
        return review(status, self.catalogue)

    def entry(self, entry: Entry) -> str:
        """What was done, in a few words."""
        if entry.act is not None:
            return self.say(DONE[entry.act])
        return self.say("Made the result") if entry.made else self.say("Changed the result")

    def why(self, entry: Entry, card: ModelCard | None) -> str:
        """The reason that was given, or the class that was named; empty where there is none."""
        if entry.act is Act.CORRECT:
            classes = () if card is None else card.output.classes
            return next((self.card(card, each.display) for each in classes if each.code == entry.code), entry.reason or entry.code)
        return self.catalogue.of_record(entry.reason) if entry.act else entry.reason

    def answered(self, answer: CardAnswer) -> str:
        """What was done to a card in the EHR, in a few words."""
        return self.say("Card accepted") if answer.outcome == "accepted" else self.say("Card put away")

    def card_reason(self, answer: CardAnswer) -> str:
        """Why a card was put away; a code that is none of Tocsin's as it stands; empty where none was given."""
        if answer.reason is None:
            return ""
        known = reason_on_card(answer.reason.system, answer.reason.code)
        return self.say(known.display) if known else self.say("code {code} of the EHR", code=answer.reason.code)

    def actor(self, entry: Entry) -> str:
        """Who did it."""
        if entry.name:
            return entry.name
        if entry.who.startswith("Device/"):
            return self.say("the model")
        return entry.who or self.say("unknown")
