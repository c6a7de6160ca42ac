"""A setting that a site has set is never passed over: it is a setting still, or the start is refused with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from tocsin.environment import Gone, read, variables
from tocsin.errors import ConfigurationError
from tocsin.settings import Settings
from tocsin.settings.gone import GONE

EVER = frozenset(Path(__file__).with_name("settings.txt").read_text().split())


def test_every_variable_that_was_ever_a_setting_is_one_or_is_refused_with_what_to_do() -> None:
    assert EVER - variables(Settings).keys() - GONE.keys() == set()


def test_every_setting_is_on_the_list() -> None:
    assert (variables(Settings).keys() | GONE.keys()) - EVER == set()


def test_nothing_is_gone_that_is_a_setting_nor_replaced_by_what_is_none() -> None:
    known = variables(Settings).keys()
    assert GONE.keys() & known == set()
    assert {each.instead for each in GONE.values() if each.instead is not None} - known == set()


def refusal(name: str, gone: dict[str, Gone] | None = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(Settings, {name: "5"}, GONE if gone is None else gone)
    return str(refused.value)


def test_a_renamed_setting_is_refused_with_its_new_name() -> None:
    said = refusal("TOCSIN_RECONCILE__IMAGES_MAX")
    assert "TOCSIN_RECONCILE__IMAGES_MAX is a setting no more: TOCSIN_RECONCILE__SLICE_MAX took its place" in said


def test_a_removed_setting_is_refused_with_the_advice_to_take_it_away() -> None:
    assert "TOCSIN_BACKFILL__SAME_INSTANT_MAX is a setting no more: take it away" in refusal("TOCSIN_BACKFILL__SAME_INSTANT_MAX")


def test_the_file_of_a_renamed_secret_is_refused_with_the_new_files_name() -> None:
    gone = {"TOCSIN_KAFKA__PASSPHRASE": Gone("TOCSIN_KAFKA__SASL_PASSWORD", "it is SASL's")}
    assert "TOCSIN_KAFKA__SASL_PASSWORD_FILE took its place" in refusal("TOCSIN_KAFKA__PASSPHRASE_FILE", gone)
