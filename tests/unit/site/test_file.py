"""A site file is read as strictly as a card, is used with its own card alone, and leaves the card as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.operate import preflights
from tocsin.errors import ConfigurationError
from tocsin.model_card import ModelCard, read_card
from tocsin.settings import ModelSettings, Settings
from tocsin.site.file import card_sha256, fits, localised, original, read_site_file, site_of, site_sha256
from tocsin.site.parts import SiteFile

from tests.builders import card
from tests.support.records import SKLESION
from tests.support.site_files import at_site, site_file, site_json, written

CARD = card()


def spoilt(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    whole = site_json(CARD)
    change(whole)
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(whole), "utf-8")
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_site_file(written(tmp_path, CARD)) == site_file(CARD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: whole.pop("prevalence"), "prevalence is missing"),
        (lambda whole: whole.update(prevalance={}), "prevalance is no key here: did you mean prevalence?"),
        (lambda whole: whole["calibration"].update(slope=0), "calibration.slope must be above 0"),
        (lambda whole: whole["calibration"].update(intercept=float("nan")), "calibration.intercept must be a number"),
        (lambda whole: whole["calibration"].update(kind="isotonic"), "calibration.kind must be"),
        (lambda whole: whole["operating_point"]["bands"][1].update(at_least=0.9), "operating_point bands must begin at 0 and rise"),
        (lambda whole: whole["prevalence"].update(assumed=0), "prevalence.assumed must be above 0"),
        (lambda whole: whole["evaluation"].update(carried_on="2026-05-04T08:00:00"), "evaluation.carried_on"),
    ],
)
def test_what_is_wrong_with_it_is_said_and_where(change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"the site file .*site\.yaml: ") as raised:
        read_site_file(spoilt(tmp_path, change))
    assert said in str(raised.value)


def test_a_file_that_is_not_there_or_no_yaml_is_said_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read .*put it back, or name another in TOCSIN_MODEL__SITE_FILE"):
        read_site_file(tmp_path / "none.yaml")
    (tmp_path / "no.yaml").write_text("a: [", "utf-8")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_site_file(tmp_path / "no.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "reader/4"}, "it was made for reader/4"),
        ({"card_sha256": "0" * 64}, "it was made for another card of reader/3"),
        ({"limits": (0.03, 0.9999999)}, "no probability reaches the band high"),
    ],
)
def test_a_file_for_something_else_does_not_fit(changes: dict[str, Any], said: str) -> None:
    site = site_file(CARD, **changes)
    assert said in fits(CARD, site)[0]
    with pytest.raises(ConfigurationError, match="the site file st-elsewhere/3 does not fit the card of reader/3"):
        localised(CARD, site)


@pytest.mark.parametrize("change", [{"code": "other"}, {"display": "Low"}, {"sentence": "All is well."}, {"flagged": True}])
def test_bands_are_the_cards_but_for_where_they_begin(change: dict[str, Any]) -> None:
    whole = site_json(CARD)
    whole["operating_point"]["bands"][0] |= change
    assert "its bands must be the card's" in fits(CARD, SiteFile.model_validate(whole))[0]


def test_the_hash_of_a_card_follows_what_moves_scores_and_no_prose() -> None:
    known, changed = card_sha256(CARD), card_sha256(CARD.model_copy(update={"title": "Other", "limits": ("None.",), "arithmetic": None}))
    assert known == changed == card_sha256(at_site(CARD))
    served = CARD.provenance.model_copy(update={"served_sha256": "2" * 64})
    assert card_sha256(CARD.model_copy(update={"provenance": served})) != known
    quality = CARD.accepts.quality.model_copy(update={"detail_min": 2})
    assert card_sha256(CARD.model_copy(update={"accepts": CARD.accepts.model_copy(update={"quality": quality})})) != known


def test_the_hash_of_the_reference_card_is_what_site_files_of_this_release_name() -> None:
    """Golden: another hash makes every site file in use unfit, and so is another version of the hash."""
    assert card_sha256(read_card(SKLESION)) == "350309057d3a0abff271df5223f82d8cba3a870bac1f7373bfd3d2c25a8b37f8"


def test_the_card_at_a_site_says_whose_numbers_these_are_and_the_card_stays() -> None:
    here, site = at_site(CARD), site_file(CARD)
    assert (here.is_calibrated, CARD.is_calibrated) == (True, False)
    assert here.operating_point.name == "sensitivity-95 (st-elsewhere/3)"
    assert [each.at_least for each in here.operating_point.bands] == [0, 0.03, 0.2]
    assert here.calibrated_on == (
        "200 pictures of st-elsewhere, 48 of them malignant, labelled from 2026-01-07 to 2026-04-30; reckoned with 3.4 % malignant among "
        "the pictures that are judged (the clinic's own count of 2025)."
    )
    assert (original(here), original(CARD), site_of(here), site_of(CARD)) == (CARD, CARD, site, None)
    assert localised(here, site) == here
    assert "site" not in ModelCard.model_json_schema()["properties"]


def test_a_site_files_hash_follows_all_that_it_says() -> None:
    assert site_sha256(site_file(CARD)) == site_sha256(SiteFile.model_validate(site_json(CARD)))
    assert site_sha256(site_file(CARD, version=4)) != site_sha256(site_file(CARD))


class TestInUse:
    """By which card a process judges."""

    def test_without_a_site_file_the_card_alone(self) -> None:
        assert type(card_in_use(ModelSettings(card=SKLESION))) is ModelCard

    def test_with_one_the_card_at_that_site(self, tmp_path: Path) -> None:
        alone = read_card(SKLESION)
        used = card_in_use(ModelSettings(card=SKLESION, site_file=written(tmp_path, alone)))
        assert (original(used), site_of(used)) == (alone, site_file(alone))

    def test_one_that_was_not_promoted_is_refused_and_what_to_do_is_said(self, tmp_path: Path) -> None:
        path = written(tmp_path, read_card(SKLESION), evaluation=None)
        with pytest.raises(ConfigurationError, match=r"st-elsewhere/3\) was not promoted.*unset TOCSIN_MODEL__SITE_FILE"):
            card_in_use(ModelSettings(card=SKLESION, site_file=path))

    def test_check_says_which_one_is_used_and_refuses_one_that_was_not_promoted(self, tmp_path: Path) -> None:
        alone = read_card(SKLESION)
        used = Settings(model=ModelSettings(card=SKLESION, site_file=written(tmp_path, alone)))
        [_, found] = preflights(used, {})[0].look()
        assert found.passed
        assert "st-elsewhere/3" in found.found
        assert "fits sklesion/1: intercept-and-slope, sensitivity at least 0.951 shown, in use since 2026-05-04" in found.found
        not_promoted = written(tmp_path / "other", alone, evaluation=None)
        with pytest.raises(ConfigurationError, match="was not promoted"):
            preflights(Settings(model=ModelSettings(card=SKLESION, site_file=not_promoted)), {})

    def test_one_for_another_card_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="it was made for reader/3"):
            card_in_use(ModelSettings(card=SKLESION, site_file=written(tmp_path, CARD)))


def test_a_process_has_what_it_read_first_whatever_becomes_of_the_file(tmp_path: Path) -> None:
    """Each task of `tocsin work` and each room of `tocsin serve` asks anew."""
    alone = read_card(SKLESION)
    used = ModelSettings(card=SKLESION, site_file=written(tmp_path, alone))
    first = card_in_use(used)
    written(tmp_path, alone, version=4)
    assert card_in_use(used) is first
    (tmp_path / "site.yaml").unlink()
    assert card_in_use(ModelSettings(card=SKLESION, site_file=tmp_path / "site.yaml")) is first


@pytest.mark.parametrize("what", ["it vanished", "it is torn", "it is empty", "it may not be read"])
def test_where_one_is_set_and_cannot_be_read_nothing_is_judged_by_the_card_alone(tmp_path: Path, what: str) -> None:
    path = written(tmp_path, read_card(SKLESION))
    whole = path.read_bytes()
    match what:
        case "it vanished":
            path.unlink()
        case "it may not be read":
            path.unlink()
            path.mkdir()
        case _:
            path.write_bytes(whole[: len(whole) // 2] if what == "it is torn" else b"")
    with pytest.raises(ConfigurationError, match=rf"site file {path}.*"):
        card_in_use(ModelSettings(card=SKLESION, site_file=path))


def test_a_card_at_a_site_is_as_frozen_as_a_card() -> None:
    with pytest.raises(ValidationError):
        at_site(CARD).site = site_file(CARD, version=4)  # type: ignore[misc]  # what must fail
