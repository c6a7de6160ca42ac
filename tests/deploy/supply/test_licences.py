"""No licence comes into the product unseen."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

import pytest
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.component import Component

from deploy.supply.archives import Pin, pins
from deploy.supply.licences import LISTING, Policy, Row, judged, listing, permitted, policy, stale
from deploy.supply.sbom import known_library

ROOT: Final = Path(__file__).resolve().parents[3]
LOCKED: Final = pins(ROOT / "requirements/product.txt")
MIT_ALONE: Final = Policy(frozenset({"MIT"}), {}, {})


def part(name: str, *said: str) -> Component:
    return Component(name=name, version="1", licenses=[LicenseFactory().make_from_string(each) for each in said])


def listed() -> dict[str, tuple[str, str]]:
    """Name -> version and licence, as licences.md lists them."""
    rows = [line.strip("|").split("|") for line in LISTING.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    return {name.strip(): (version.strip(), licence.strip()) for name, version, licence, *_ in rows}


def here(pin: Pin) -> Distribution | None:
    """The pinned version as it is installed here; None where this environment has another or none."""
    try:
        found = distribution(pin.name)
    except PackageNotFoundError:
        return None
    return found if found.version == pin.version else None


def test_the_list_names_each_pinned_package_in_its_version() -> None:
    assert {name: version for name, (version, _) in listed().items()} == {pin.name: pin.version for pin in LOCKED}


def test_each_licence_of_the_list_is_allowed_to_all_or_to_that_package_for_a_reason() -> None:
    rules = policy()
    for name, (_, licence) in listed().items():
        row = rules.rows.get(name)
        assert row.licence == licence if row else permitted(licence, rules.allowed), name
    assert set(rules.rows) <= set(listed())
    assert [name for name, row in rules.rows.items() if len(row.why) < 20] == []


def test_what_is_installed_here_says_the_licence_that_is_listed() -> None:
    expressions = {pin.name: found.metadata.json.get("license_expression") for pin in LOCKED if (found := here(pin))}
    said = {name: text for name, text in expressions.items() if text}
    assert len(said) > 25
    assert said == {name: listed()[name][1] for name in said}


def test_a_licence_that_nobody_allowed_is_a_problem() -> None:
    [verdict] = judged([part("new", "AGPL-3.0-only")], MIT_ALONE)
    assert verdict.problem
    assert "add a row with the reason, or do without" in verdict.problem


@pytest.mark.parametrize(("said", "words"), [((), "names no licence"), (("Some words",), "no SPDX expression")])
def test_a_package_that_states_no_licence_that_can_be_read_is_a_problem(said: tuple[str, ...], words: str) -> None:
    [verdict] = judged([part("new", *said)], MIT_ALONE)
    assert verdict.problem
    assert words in verdict.problem


def test_a_package_whose_words_have_changed_since_they_were_read_is_a_problem() -> None:
    rules = Policy(frozenset({"MIT"}), {"old": Row("BSD License", "BSD-3-Clause", "read")}, {})
    [same] = judged([part("old", "BSD License")], rules)
    [other] = judged([part("old", "GPL-3.0-only")], rules)
    assert (same.problem, same.licence) == (None, "BSD-3-Clause")
    assert other.problem
    assert "read its licence again" in other.problem


def test_a_row_that_no_package_needs_any_more_is_said() -> None:
    rules = Policy(frozenset({"MIT"}), {"gone": Row("X", "MIT", "read")}, {})
    assert stale(judged([part("new", "MIT")], rules), rules) == ["gone"]


@pytest.mark.parametrize(
    ("expression", "met"),
    [("MIT", True), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("MIT AND (GPL-3.0-only OR MIT)", True)],
)
def test_of_a_choice_one_licence_must_be_allowed_and_of_a_sum_all(expression: str, met: bool) -> None:
    assert permitted(expression, frozenset({"MIT"})) is met


def test_the_list_leaves_out_what_is_not_the_products() -> None:
    verdicts = judged([part("one", "MIT"), part("pip", "MIT"), part("tocsin", "MIT")], MIT_ALONE)
    assert listing(verdicts, [Pin(verdicts[0].name, "1", frozenset())]).endswith("|---|---|---|---|\n| one | 1 | MIT |  |\n")  # type: ignore[arg-type] # a plain text


def test_every_library_that_an_installed_wheel_brings_along_has_a_row() -> None:
    files = [
        file for pin in LOCKED if (found := here(pin)) for file in found.files or () if f"{pin.name.replace('-', '_')}.libs" in file.parts
    ]
    assert len(files) > 30
    assert [file.name for file in files if known_library(file.name, policy().bundled) is None] == []
