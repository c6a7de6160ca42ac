"""What a report says of a clinician's act, in the report's own language and in the place of "not yet reviewed"; and how that is undone."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from tocsin.fhir.datatypes import Json, an_object, text
from tocsin.report.review import NOT_REVIEWED
from tocsin.review.reasons import reason_of
from tocsin.review.rules import Acted
from tocsin.review.types import Act, Verdict
from tocsin.words.catalogue import LANGUAGES, Catalogue, catalogue, to_say

_SAID: Final[Mapping[Act, str]] = {
    Act.ACCEPT: to_say("AI result. A clinician agreed with it on {when}."),
    Act.OVERRIDE: to_say("AI result. A clinician disagreed with it on {when}: {why}."),
    Act.CORRECT: to_say("AI result. A clinician corrected it on {when}: {why}."),
    Act.NOT_ASSESSABLE: to_say("AI result. A clinician found on {when} that the picture allows no judgement: {why}."),
    Act.WITHDRAW: to_say("AI result. A clinician withdrew it on {when}: {why}. Do not use it."),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conclusion says whether it was reviewed, and in which language."""

    sentence: str
    """What stands there; empty where the conclusion says nothing of it."""
    words: Catalogue


def place(conclusion: str, acted: Acted | None, language: str) -> Place:
    """The place in a conclusion for what clinicians did; `language` is that of a conclusion which does not tell its own."""
    for words in map(catalogue, LANGUAGES):
        unreviewed = words.say(NOT_REVIEWED)
        if acted is None and unreviewed in conclusion:
            return Place(unreviewed, words)
        if acted is not None and unreviewed == acted.instead_of:
            return Place(acted.sentence, words)
    return Place("" if acted is None else acted.sentence, catalogue(language))


def sentence(verdict: Verdict, classes: Mapping[str, str], words: Catalogue, zone: tzinfo) -> str:
    """What the report is to say of the verdict, which is no undo; `classes` names, in that language, whatever a correction may name."""
    return words.say(_SAID[verdict.act], when=words.moment(verdict.decided_at, zone), why=_why(verdict, classes, words))


def _why(verdict: Verdict, classes: Mapping[str, str], words: Catalogue) -> str:
    if verdict.act is Act.CORRECT:
        return classes[verdict.code or ""]
    reason = reason_of(verdict.act, verdict.code)
    return "" if reason is None else words.say(reason.display)


def resaid(resource: Json, before: str, after: str) -> Json:
    """The resource with the sentence `before` replaced in its conclusion and narrative.

    Where `before` is empty, `after` is added at the end of the conclusion; where `after` is, `before` is taken away.
    """
    conclusion = text(resource.get("conclusion"))
    changed = dict(resource)
    if "conclusion" in resource or resource.get("resourceType") == "DiagnosticReport":
        if new := _replaced(conclusion, before, after):
            changed["conclusion"] = new
        else:
            changed.pop("conclusion", None)
    narrative = an_object(resource.get("text"))
    if before and after and (div := text(narrative.get("div"))):
        changed["text"] = narrative | {"div": div.replace(html.escape(before, quote=False), html.escape(after, quote=False))}
    return changed


def _replaced(whole: str, before: str, after: str) -> str:
    if not before:
        return f"{whole} {after}" if whole else after
    if not after:
        return whole.replace(f" {before}", "").replace(before, "")
    return whole.replace(before, after)
