"""Whatever changes a verdict is in its grounds, and no word of prose is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel
from tocsin.fhir.datatypes import Coding
from tocsin.image.gate import Acceptance, acceptance
from tocsin.image.taken import Days, Taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.model_card import ModelCard, read_card
from tocsin.report.grounds import JUDGING, fingerprint, grounds_by, rule_of
from tocsin.report.types import Grounds
from tocsin.settings import ImageSettings

from tests.builders import card, picture
from tests.support.records import SKLESION
from tests.support.site_files import at_site, site_json

CARD = card()
ACCEPTANCE = acceptance(CARD, ImageSettings())
GROUNDS = grounds_by(CARD, ACCEPTANCE, edition=0)
PICTURE = picture()
WHOLE = read_card(SKLESION)
"""A card that leaves nothing out."""
BY_AN_EVENT = Taken(Days(date(2026, 3, 1), date(2026, 3, 1)), {"DateTime": "2026-03-01T09:30:00Z"}, by_the_media=False)
BORN = Days(date(1970, 1, 1), date(1970, 12, 31))

PROSE = {
    "card_version",
    "title",
    "manufacturer",
    "intended_use",
    "provenance.source",
    "provenance.source_sha256",
    "provenance.trained_on",
    "provenance.licence",
    "accepts.modalities.display",
    "accepts.refused.display",
    "output.features",  # by itself it changes nothing: a site's input gate does, which stands in the site file
    "output.classes.display",
    "output.classes.codings.system",
    "output.classes.codings.code",
    "output.classes.codings.display",
    "arithmetic.allowed",
    "arithmetic.tolerance.score_max",
    "arithmetic.tolerance.score_mean",
    "arithmetic.tolerance.flags_per_1000",
    "operating_point.name",
    "operating_point.chosen",
    "operating_point.bands.display",
    "operating_point.bands.sentence",
    "calibrated_on",
    "limits.condition.kind",
    "limits.condition.codes",
    "limits.condition.fitzpatrick",
    "limits.condition.years_min",
    "limits.condition.years_max",
    "limits.sentence",
    "limits.evidence",
    "translations",
}
"""What a card says to readers. Whoever adds a field to the card names it here, or takes it into report.grounds.Rule."""

NO_FACTS = {"media", "subject", "content_sha256", "content", "as_of", "fetched", "device"}
"""Of a picture: what a report's id is made of, and what puts reports in order."""


def told(of: ModelCard) -> str:
    return fingerprint(rule_of(of, acceptance(of, ImageSettings())))


def leaves(value: object, path: str = "") -> Iterator[str]:
    """Every place of a card that holds a value, by its fields' names."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), f"{path}.{name}".lstrip("."))
    elif isinstance(value, tuple):
        for each in value:
            yield from leaves(each, path)
    else:
        yield path


def changed(value: Any, path: list[str]) -> Any:
    """The card with something else at this place, in each of several that have the name."""
    if isinstance(value, BaseModel):
        if path[0] not in type(value).model_fields:  # one of several kinds of condition, which has no such field
            return value
        return value.model_copy(update={path[0]: changed(getattr(value, path[0]), path[1:])})
    if isinstance(value, tuple):
        return tuple(changed(each, path) for each in value)
    if isinstance(value, Mapping):
        return {**value, "elsewhere": ("1",)}
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else f"{value}-else"


@pytest.mark.parametrize("path", sorted(set(leaves(WHOLE))))
def test_a_cards_field_either_changes_a_verdict_and_its_grounds_or_is_declared_prose(path: str) -> None:
    other = changed(WHOLE, path.split("."))
    assert other != WHOLE
    assert (told(other) == told(WHOLE)) is (path in PROSE)


def test_what_a_card_says_of_arithmetic_makes_no_report_unknown() -> None:
    silent = WHOLE.model_copy(update={"arithmetic": None})
    assert silent != WHOLE
    assert grounds_by(silent, ACCEPTANCE, edition=0)(PICTURE) == grounds_by(WHOLE, ACCEPTANCE, edition=0)(PICTURE)


def test_nothing_is_declared_prose_that_no_card_has() -> None:
    assert set(leaves(WHOLE)) >= PROSE


PICTURE_CHANGES: dict[str, Any] = {
    "version": "2",
    "modality": (Coding(None, "DMS"),),
    "modality_stated": False,
    "body_site": {"text": "arm"},
    "taken": Taken(Days(date(2026, 3, 1), date(2026, 3, 31)), {"DateTime": "2026-03"}),
    "born": BORN,
    "facts": PatientFacts("male", 55.0, ("22943007",)),
    "media": "Media/m2",
    "subject": "Patient/p2",
    "content_sha256": "cd" * 32,
    "content": b"other",
    "as_of": PICTURE.as_of.replace(hour=23),
    "fetched": PICTURE.as_of,
    "device": "Device/d2",
}


@pytest.mark.parametrize("name", [each.name for each in fields(Picture)])
def test_another_fact_of_the_picture_is_other_grounds(name: str) -> None:
    other = GROUNDS(replace(PICTURE, **{name: PICTURE_CHANGES[name]}))
    assert (other.fingerprint == GROUNDS(PICTURE).fingerprint) is (other.facts == GROUNDS(PICTURE).facts) is (name in NO_FACTS)


@pytest.mark.parametrize(
    ("name", "value"), [("sex", None), ("age_years", None), ("body_site_codes", ()), ("ages_open", (17, 18))], ids=lambda each: str(each)
)
def test_another_fact_of_the_patient_is_other_grounds(name: str, value: Any) -> None:
    assert name in {each.name for each in fields(PatientFacts)}
    assert GROUNDS(replace(PICTURE, facts=replace(PICTURE.facts, **{name: value}))) != GROUNDS(PICTURE)


def test_where_only_events_say_when_a_picture_was_taken_its_verdict_rests_on_none_of_them() -> None:
    """Else a picture told again, by whom its time is not known, would lose the verdict it has."""
    told_again = Taken(Days(None, date(2026, 3, 2)), by_the_media=False)
    facts = PatientFacts("female", None, ("22943007",), ages_open=(0, 55))
    judged = replace(PICTURE, taken=BY_AN_EVENT, facts=PatientFacts("female", 55.0, ("22943007",)))
    assert GROUNDS(judged) == GROUNDS(replace(PICTURE, taken=told_again, facts=facts))
    assert GROUNDS(judged) != GROUNDS(PICTURE)


SITES: dict[str, dict[str, Any]] = {
    "modalities_also_accepted": {"modalities_also_accepted": ("urn:site|photo",)},
    "modality_when_absent": {"modality_when_absent": "DMS"},
}

NO_VERDICT = {
    "url_origins_allowed",
    "origin_credentials",
    "tls_ca_file",
    "proxy_url",
    "check_urls",
    "content_bytes_max",
    "pixels_max",
    "in_flight_bytes_max",
    "in_flight_pictures_max",
    "in_flight_wait_s",
}
"""Settings that decide whether a picture is fetched and decoded at all, and never what is said of it."""


def test_a_setting_of_the_image_stage_either_changes_a_verdict_or_is_declared_to_change_none() -> None:
    assert set(ImageSettings.model_fields) == SITES.keys() | NO_VERDICT


@pytest.mark.parametrize("settings", SITES.values(), ids=SITES)
def test_what_the_site_accepts_and_vouches_for_is_part_of_the_grounds(settings: dict[str, Any]) -> None:
    site = grounds_by(CARD, acceptance(CARD, ImageSettings(**settings)), edition=0)
    assert site(PICTURE).fingerprint != GROUNDS(PICTURE).fingerprint
    assert site(PICTURE).facts == GROUNDS(PICTURE).facts


ACCEPTED: dict[str, Any] = {
    "modalities": frozenset({Coding("urn:site", "photo")}),
    "refused": frozenset({Coding("urn:site", "video")}),
    "limits": ACCEPTANCE.limits.model_copy(update={"side_px_min": 999}),
    "modality_when_absent": Coding(None, "photo"),
}


@pytest.mark.parametrize("name", [each.name for each in fields(Acceptance)])
def test_whatever_the_gate_goes_by_is_part_of_the_grounds(name: str) -> None:
    other = replace(ACCEPTANCE, **{name: ACCEPTED[name]})
    assert grounds_by(CARD, other, edition=0)(PICTURE).fingerprint != GROUNDS(PICTURE).fingerprint


def test_a_gate_or_judge_that_was_mended_judges_again() -> None:
    mended = grounds_by(CARD, ACCEPTANCE, edition=0, judging=JUDGING + 1)(PICTURE)
    assert mended.fingerprint != GROUNDS(PICTURE).fingerprint
    assert mended.rank > GROUNDS(PICTURE).rank


def test_the_number_of_a_deployment_puts_it_in_order_and_is_no_grounds() -> None:
    later = grounds_by(CARD, ACCEPTANCE, edition=1)(PICTURE)
    assert later.fingerprint == GROUNDS(PICTURE).fingerprint
    assert later.rank > GROUNDS(PICTURE).rank


def test_the_order_in_which_codings_are_listed_is_no_grounds() -> None:
    one, two = Coding("urn:a", "x"), Coding(None, "y")
    assert GROUNDS(replace(PICTURE, modality=(one, two))) == GROUNDS(replace(PICTURE, modality=(two, one)))


FACTS_OF_TODAY = "2940a1730f52750959bbef18e6fd9d6f86a7e75a851a3897731de27a86044adc"
GROUNDS_OF_TODAY = "69b7d8e375454bd2a1e707e8b18f71084acdb2e44e66805c9088f0c54a30f4dd"


def test_no_update_changes_the_fingerprints_of_what_stands_by_accident() -> None:
    """Where one has to change, raise JUDGING: each report is then judged again when its picture is announced again."""
    made = GROUNDS(PICTURE)
    assert (JUDGING, made.facts, made.fingerprint) == (3, FACTS_OF_TODAY, GROUNDS_OF_TODAY)


def test_grounds_are_the_same_in_every_process() -> None:
    """Sets are kept in an order of the process's own."""
    code = (
        "from tests.unit.report.test_grounds import *; two = card(accepts=CARD.accepts.model_dump() | {'refused': "
        "[{'system': 's', 'code': str(n), 'display': 'd'} for n in range(9)]}); "
        "print(grounds_by(two, acceptance(two, ImageSettings()), edition=0)(PICTURE).fingerprint)"
    )
    said = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop().strip()) == 64


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, "bfc7f8b683b40401f3b88c88a2cbcc388845e1e304f3b6038933e1bc50e5f075"),
        ({"calibration": "probability", "calibrated_on": "x"}, "97d2f443f7f9501a44d52b08df1feee4cfbba88994bf917d4f2fd3f7d60a28fb"),
    ],
    ids=["score", "calibrated"],
)
def test_without_a_site_file_the_grounds_are_what_they_were_before_there_were_any(changes: dict[str, Any], known: str) -> None:
    """Golden, of the release before there were any, whose JUDGING was 2."""
    grounds = grounds_by(card(**changes), ACCEPTANCE, edition=7, judging=2)(PICTURE)
    assert grounds.fingerprint == known
    assert grounds.facts == FACTS_OF_TODAY


def here(**changes: Any) -> Grounds:
    return grounds_by(at_site(CARD, **changes), ACCEPTANCE, edition=0)(PICTURE)


CALIBRATION = site_json(CARD)["calibration"]


@pytest.mark.parametrize(
    "changes",
    [{"limits": (0.04, 0.2)}, {"calibration": CALIBRATION | {"intercept": -1.4}}, {"calibration": CALIBRATION | {"slope": 0.7}}],
    ids=["threshold", "intercept", "slope"],
)
def test_another_map_or_threshold_of_a_site_file_is_another_rule(changes: dict[str, Any]) -> None:
    assert here(**changes).fingerprint != here().fingerprint
    assert here(**changes).facts == here().facts


def test_a_site_file_is_another_rule_than_the_card_alone_even_where_it_changes_no_number() -> None:
    same = CALIBRATION | {"kind": "none", "intercept": 0.0, "slope": 1.0}
    assert here(limits=(0.1, 0.5), calibration=same).fingerprint != GROUNDS(PICTURE).fingerprint


@pytest.mark.parametrize("changes", [{"version": 4}, {"name": "elsewhere"}, {"guarantee": None}, {"evaluation": None}], ids=str)
def test_what_a_site_file_says_besides_judges_no_report_again(changes: dict[str, Any]) -> None:
    assert here(**changes) == here()


def test_a_site_files_version_is_no_rank_the_edition_alone_says_which_deployment_is_later() -> None:
    assert here(version=9).rank == here().rank == GROUNDS(PICTURE).rank
