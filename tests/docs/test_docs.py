"""What the documents say is so: their commands exist, their links lead somewhere, their settings are settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tocsin.cli.commands import app
from tocsin.environment import variables
from tocsin.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "deploy").glob("[!R]*.md")),
    *sorted(ROOT.glob("[!.]*/README.md")),
    ROOT / "services" / "GLOSSARY.md",
    *sorted((ROOT / "deploy" / "decisions").glob("*.md")),
]


def names(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_link_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [target for target in targets if "://" not in target and not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "services/tocsin/errors/refusals.py"], ids=names)
def test_every_setting_a_text_names_exists(document: Path) -> None:
    named = set(re.findall(r"TOCSIN_[A-Z]+__[A-Z_]+", document.read_text()))
    assert named - variables(Settings).keys() == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_command_a_document_names_exists(document: Path) -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    named = set(re.findall(r"`(?:\.venv/bin/)?tocsin ([a-z-]+)", document.read_text()))
    assert named - commands == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=names)
def test_every_test_a_document_names_exists(document: Path) -> None:
    tests = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r"`(test_\w+)`", document.read_text())) - tests == set()


def test_every_word_of_the_glossary_is_a_name_in_the_code_it_points_to() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| [^|]+ \| `(tocsin/[^`]+)`", (ROOT / "services/GLOSSARY.md").read_text(), re.MULTILINE)
    assert len(rows) > 25
    for words, path in rows:
        text = (ROOT / "services" / path).read_text().lower()
        assert [word for word in words.split(", ") if word not in text] == [], path


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 180
    assert all(f"<!-- {kind} command -->\n```\npython3 -m venv .venv && " in text for kind in ("demo", "test"))


def test_the_readme_and_the_reference_card_say_that_it_is_not_for_clinical_use() -> None:
    card = yaml.safe_load((ROOT / "deploy/triton/sklesion/card.yaml").read_text())
    assert "not for clinical use without local validation" in " ".join(card["intended_use"].split())
    assert "Not for clinical use without local validation" in (ROOT / "README.md").read_text()
