"""Whatever a verdict rests on besides the pixels is in its grounds, so that nothing is recognised that would be judged otherwise."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from PIL import Image
from tocsin.image.gate import acceptance
from tocsin.image.taken import Days, Taken
from tocsin.image.types import Coding, PatientFacts
from tocsin.report.grounds import JUDGING, grounds
from tocsin.settings import ImageSettings

from tests.builders import card, picture

CARD = card()
ACCEPTANCE = acceptance(CARD, ImageSettings())
PICTURE = picture()
BANDS = CARD.operating_point.model_dump()["bands"]
STRICTER = {"name": "test-point", "chosen": "By hand.", "bands": [BANDS[0], BANDS[1] | {"at_least": 0.05}, BANDS[2]]}


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2"},
        {"modality": ()},
        {"modality": (Coding(None, "DMS"),)},
        {"body_site": {"text": "arm"}},
        {"taken": Taken(Days(date(2026, 3, 1), date(2026, 3, 31)), {"DateTime": "2026-03"})},
        {"modality_stated": False},
        {"born": Days(date(1970, 1, 1), date(1970, 12, 31))},
        {"facts": PatientFacts("male", 55.0, ("22943007",))},
        {"facts": PatientFacts("female", None, ("22943007",))},
        {"facts": PatientFacts("female", 55.0, ())},
    ],
    ids=["media-version", "no-modality", "modality", "body-site", "time", "words", "birthday", "sex", "age", "site-codes"],
)
def test_another_picture_of_the_facts_is_other_grounds(changes: dict[str, Any]) -> None:
    assert grounds(replace(PICTURE, **changes), ACCEPTANCE, CARD) != grounds(PICTURE, ACCEPTANCE, CARD)


def test_where_only_events_say_when_a_picture_was_taken_its_verdict_rests_on_none_of_them() -> None:
    """Else a picture told again, by whom its time is not known, would lose the verdict it has."""
    live = Taken(Days(date(2026, 3, 1), date(2026, 3, 1)), {"DateTime": "2026-03-01T09:30:00Z"}, by_the_media=False)
    told_again = Taken(Days(None, date(2026, 3, 2)), by_the_media=False)
    facts = PatientFacts("female", None, ("22943007",), ages_open=(0, 55))
    judged = replace(PICTURE, taken=live, facts=PatientFacts("female", 55.0, ("22943007",)))
    assert grounds(judged, ACCEPTANCE, CARD) == grounds(replace(PICTURE, taken=told_again, facts=facts), ACCEPTANCE, CARD)
    assert grounds(judged, ACCEPTANCE, CARD) != grounds(PICTURE, ACCEPTANCE, CARD)


@pytest.mark.parametrize(
    "changes",
    [{"operating_point": STRICTER}, {"title": "Another"}, {"limits": ["It knows little."]}],
    ids=["operating-point", "title", "limits"],
)
def test_any_change_of_the_card_is_other_grounds(changes: dict[str, Any]) -> None:
    assert grounds(PICTURE, ACCEPTANCE, card(**changes)) != grounds(PICTURE, ACCEPTANCE, CARD)


def test_what_the_site_refuses_is_part_of_the_grounds() -> None:
    stricter = replace(ACCEPTANCE, refused=ACCEPTANCE.refused | {Coding("urn:a", "video")})
    assert grounds(PICTURE, stricter, CARD) != grounds(PICTURE, ACCEPTANCE, CARD)


def test_a_gate_or_judge_that_was_mended_judges_again() -> None:
    assert grounds(PICTURE, ACCEPTANCE, CARD, judging=JUDGING + 1) != grounds(PICTURE, ACCEPTANCE, CARD)


def test_what_the_site_vouches_for_is_part_of_the_grounds() -> None:
    vouched = acceptance(CARD, ImageSettings(modality_when_absent="DMS"))
    assert grounds(PICTURE, vouched, CARD) != grounds(PICTURE, ACCEPTANCE, CARD)


def test_pixels_and_the_time_of_the_fetch_are_no_grounds() -> None:
    other = picture(Image.new("RGB", (8, 8)), content_sha256="cd" * 32, as_of=PICTURE.as_of.replace(hour=23), fetched=PICTURE.as_of)
    assert grounds(other, ACCEPTANCE, CARD) == grounds(PICTURE, ACCEPTANCE, CARD)


def test_the_order_in_which_codings_are_listed_is_no_grounds() -> None:
    one, two = Coding("urn:a", "x"), Coding(None, "y")
    assert grounds(replace(PICTURE, modality=(one, two)), ACCEPTANCE, CARD) == grounds(
        replace(PICTURE, modality=(two, one)), ACCEPTANCE, CARD
    )


def test_grounds_are_the_same_in_every_process() -> None:
    """Sets are kept in an order of the process's own."""
    code = (
        "from tests.unit.report.test_grounds import *; two = card(accepts=CARD.accepts.model_dump() | {'refused': "
        "[{'system': 's', 'code': str(n), 'display': 'd'} for n in range(9)]}); "
        "print(grounds(PICTURE, acceptance(two, ImageSettings()), two))"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop().strip()) == 64
