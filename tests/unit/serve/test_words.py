"""Whatever the doors and the launch say to a clinician, they say in each language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tocsin.serve import app, doors
from tocsin.serve.doors import Problem
from tocsin.serve.smart import launch
from tocsin.serve.smart.refusals import LAUNCH_REFUSALS, LaunchRefused
from tocsin.words.catalogue import LANGUAGES, catalogue

TEMPLATES = Path(doors.__file__).parent / "templates"
MADE = (app, launch)
"""Imported so that every kind of problem is known."""


def kinds(of: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for each in of.__subclasses__():
        yield each
        yield from kinds(each)


def ours() -> list[type[Problem]]:
    return [
        each
        for each in kinds()
        if each.__module__.startswith(("tocsin.serve.doors", "tocsin.serve.limits", "tocsin.serve.problems", "tocsin.serve.smart"))
    ]


def sentences() -> set[str]:
    of_templates = {found for file in TEMPLATES.glob("*.html") for found in re.findall(r'say\("([^"]+)"', file.read_text())}
    return of_templates | {each for kind in ours() for each in (kind.title, kind.advice)}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_sentence_has_its_translation_with_the_same_values(language: str) -> None:
    said = catalogue(language).translations
    assert len(sentences()) > 30
    assert [each for each in sorted(sentences()) if said.gettext(each) == each] == []
    values = re.compile(r"\{\w+\}")
    assert [each for each in sentences() if sorted(values.findall(said.gettext(each))) != sorted(values.findall(each))] == []


def test_the_reasons_of_refused_launches_are_a_closed_set_and_explained() -> None:
    assert set(LAUNCH_REFUSALS) == set(kinds(LaunchRefused))
    page = (Path(__file__).parents[3] / "deploy" / "serve.md").read_text()
    assert [each.reason for each in LAUNCH_REFUSALS if f"| `{each.reason}` |" not in page] == []
    assert len({each.reason for each in LAUNCH_REFUSALS}) == len(LAUNCH_REFUSALS)
