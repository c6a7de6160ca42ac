"""The codes of Tocsin's own as FHIR CodeSystem resources, made from the code and the reference card that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson
from tocsin.fhir.canonical import BANDS, OBSTACLES, SCORES, VERDICT_REASONS, WITHDRAWALS
from tocsin.model_card import ModelCard, read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.obstacles import DISPLAYS
from tocsin.report.resources.readback import MALIGNANCY
from tocsin.report.resources.supersede import REASONS
from tocsin.report.said import class_code
from tocsin.review.reasons import CARDS, NOT_ASSESSABLE
from tocsin.review.reasons import WITHDRAWALS as REASONS_TO_WITHDRAW
from tocsin.words.catalogue import LANGUAGES, catalogue

Concept = dict[str, Any]

OTHERS: Final = LANGUAGES[1:]


def code_systems() -> dict[str, dict[str, Any]]:
    """Name of the file -> resource."""
    card = read_card(packaged(REFERENCE_CARD))
    own = "A fragment: the codes of the reference model's card. Another card has codes of its own."
    return {
        "bands": _system("tocsin-bands", BANDS, "Bands of the score", own, "fragment", _bands(card)),
        "finding-scores": _system("tocsin-finding-scores", SCORES, "Scores of a model", own, "fragment", _scores(card)),
        "not-assessable": _system(
            "tocsin-not-assessable",
            OBSTACLES,
            "Why a picture is not assessable",
            "None of these says anything about the patient's risk.",
            "complete",
            _said(DISPLAYS),
        ),
        "verdict-reasons": _system(
            "tocsin-verdict-reasons",
            VERDICT_REASONS,
            "Why a clinician answers a result or a card so",
            "Codes of Provenance.reason, and of a card's override reasons.",
            "complete",
            _said({each.code: each.display for each in (*CARDS, *NOT_ASSESSABLE, *REASONS_TO_WITHDRAW)}),
        ),
        "withdrawals": _system(
            "tocsin-withdrawals", WITHDRAWALS, "Why a report is in error", "Codes of Provenance.reason.", "complete", _said(REASONS)
        ),
    }


def files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of fhir/."""
    for name, resource in code_systems().items():
        yield f"fhir/CodeSystem-{name}.json", orjson.dumps(resource, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _system(id_: str, url: str, title: str, description: str, content: str, concepts: Iterable[Concept]) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "id": id_,
        "language": LANGUAGES[0],
        "url": url,
        "version": "1",
        "name": "".join(each.capitalize() for each in id_.split("-")),
        "title": f"Tocsin: {title}",
        "status": "active",
        "experimental": False,
        "publisher": "Tocsin",
        "description": description,
        "caseSensitive": True,
        "content": content,
        "concept": list(concepts),
    }


def _bands(card: ModelCard) -> Iterator[Concept]:
    for each in card.operating_point.bands:
        yield _concept(each.code, each.display, {tag: card.say(each.display, tag) for tag in OTHERS}, each.sentence)


def _scores(card: ModelCard) -> Iterator[Concept]:
    name = "Malignancy score"
    total = "Sum of the scores of the model's malignant classes, 0 to 1; a probability only where the Observation's unit is per cent."
    yield _concept(MALIGNANCY, name, {tag: catalogue(tag).say(name) for tag in OTHERS}, total)
    for each in card.output.classes:
        counts = "Counts towards malignancy." if each.malignant else "Does not count towards malignancy."
        yield _concept(class_code(card, each), each.display, {tag: card.say(each.display, tag) for tag in OTHERS}, counts)


def _said(displays: Mapping[str, str]) -> Iterator[Concept]:
    for code, display in displays.items():
        yield _concept(code, display, {tag: catalogue(tag).say(display) for tag in OTHERS})


def _concept(code: str, display: str, translated: Mapping[str, str], definition: str | None = None) -> Concept:
    designations = [{"language": tag, "value": words} for tag, words in translated.items()]
    defined = {} if definition is None else {"definition": definition}
    return {"code": code, "display": display, **defined, "designation": designations}
