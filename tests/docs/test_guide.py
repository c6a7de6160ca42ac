"""What the pages for a hospital say is so: their commands and options exist, their tables are current, their examples are the files."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from tocsin import environment
from tocsin.cli.commands import COMMANDS, command
from tocsin.image.types import ObstacleCode
from tocsin.kafka.preflight import NEEDED, NEEDED_ON_GROUP, Role, rights_of
from tocsin.settings import KafkaSettings, Settings

from tests.deploy.guide.blocks import ROOT, Block, anchor, blocks
from tests.docs.made import PARTS, with_part
from tests.support.absent import absent

DEPLOY: Final = ROOT / "deploy"
EXAMPLES: Final = DEPLOY / "examples"
PAGES: Final = [ROOT / "README.md", *sorted(DEPLOY.glob("*.md"))]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_of(page: Path) -> str:
    """What a page sets as code: fenced, indented or between backticks."""
    text = page.read_text("utf-8")
    fenced, indented = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), re.findall(r"^    (.+)$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall("`([^`\n]+)`", text)])


def commands_in(text: str) -> Iterator[list[str]]:
    for found in re.findall(r"(?:^|[ /])tocsin ((?!-)[a-z-]+(?: [^\n|;&#>`]*)?)", text, re.MULTILINE):
        yield found.split()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_option_of_tocsin_that_a_page_names_exists(page: Path) -> None:
    unknown = [" ".join(words) for words in commands_in(code_of(page)) if not _is_known(words)]
    assert unknown == []


def _is_known(words: list[str]) -> bool:
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    if words[0] not in COMMANDS:
        return not options  # prose; that commands exist is another test's
    told, words = command(words[0]), words[1:]
    while words and words[0] in getattr(told, "commands", {}):
        told, words = told.commands[words[0]], words[1:]
    known = {each for parameter in told.params for each in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return options <= known


def test_an_option_that_does_not_exist_is_found() -> None:
    assert all(_is_known(words) for words in commands_in("tocsin check --pictures DIR\nsh as.sh u tocsin check --for work"))
    assert not _is_known(["dead-letters", "--no-such-option"])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8"))
    targets = [(page.parent / file if file else page, part) for file, part in links if "://" not in file]
    assert [f"{name(file.resolve())}#{part}" for file, part in targets if file.exists() and part not in _anchors(file)] == []


def _anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)}


@pytest.mark.parametrize(("document", "part"), PARTS, ids=lambda each: each if isinstance(each, str) else each.name)
def test_what_is_made_from_the_code_is_current(document: Path, part: str) -> None:
    text = document.read_text("utf-8")
    assert with_part(text, part, PARTS[document, part]()) == text, "run: .venv/bin/python -m tests.docs.made"


def test_every_reason_for_not_assessable_is_explained() -> None:
    explained = (DEPLOY / "reasons.md").read_text("utf-8").partition("## Not assessable")[2]
    assert [code for code in get_args(ObstacleCode) if f"`{code}`" not in explained] == []


@pytest.mark.parametrize("role", get_args(Role))
def test_a_user_gets_the_rights_that_the_check_asks_for_and_no_others(role: Role) -> None:
    lines = [line for line in _acls() if f"User:tocsin-{role} " in line]
    given = {(right.upper(), on) for line in lines for right in _after("operation", line) for on in _after("(?:topic|group)", line)}
    topics = {setting: rights_of(role, rights) for setting, rights in NEEDED.items()}
    wanted = {(right, KafkaSettings.model_fields[setting].default) for setting, rights in topics.items() for right in rights}
    assert given == wanted | {(right, "tocsin") for right in rights_of(role, NEEDED_ON_GROUP)}


def test_every_user_who_is_given_rights_is_made_and_explained() -> None:
    given = {user for line in _acls() for user in re.findall(r"User:(\S+)", line)}
    users = "\n".join(block.text for block in blocks(DEPLOY / "topics-and-acls.md", "users"))
    [made] = re.findall(r"^for user in (.+); do$", users, re.MULTILINE)
    assert len(given) > 6
    assert given - set(made.split()) == set()
    table = (DEPLOY / "topics-and-acls.md").read_text("utf-8").partition("| user | is |")[2].partition("\n## ")[0]
    assert set(made.split()) - set(re.findall(r"`([a-z-]+)`", table)) == set()


def test_the_page_of_rights_names_each_role_that_the_check_knows() -> None:
    asked = (DEPLOY / "topics-and-acls.md").read_text("utf-8").partition("## Who lacks a right is told")[2]
    assert [role for role in get_args(Role) if f"`{role}`" not in asked and f"--for {role}`" not in asked] == []


def _acls() -> list[str]:
    return [line for block in blocks(DEPLOY / "topics-and-acls.md", "rights") for line in block.text.splitlines()]


def _after(option: str, line: str) -> list[str]:
    return re.findall(rf"--{option} (\S+)", line)


def walked() -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.mark]


def test_a_page_marks_only_what_the_walk_knows_how_to_do() -> None:
    small_site = "first picture"  # `tests.deploy.small` pastes that one
    known = re.compile(
        rf"run|run once|hospital|clinician [a-z]+|file [\w.-]+|stays [a-z]+|made: [a-z]+|end|(demo|test) command|{small_site}"
    )
    assert [f"{block.place}: {block.mark}" for block in walked() if not known.fullmatch(block.mark)] == []
    assert len([block for block in walked() if block.mark.startswith("run")]) > 20


@pytest.mark.parametrize("block", [block for block in walked() if block.language == "bash"], ids=lambda block: block.place)
def test_a_command_that_readers_paste_is_sound_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_readmes_short_way_is_that_of_the_install_page() -> None:
    long_way = {block.text for block in blocks(DEPLOY / "install.md")}
    short_way = [block for block in blocks(ROOT / "README.md") if block.language == "bash"]
    assert len(short_way) == 3
    assert [block.place for block in short_way if block.text not in long_way] == []


def test_tocsin_takes_the_settings_that_the_install_page_writes() -> None:
    shown = "".join(block.text for block in blocks(DEPLOY / "install.md") if "tocsin.env" in block.mark + block.text)
    variables = dict(re.findall(r"^(?:echo )?(TOCSIN_\w+)=(\S+)", shown, re.MULTILINE))
    read = environment.read(Settings, variables).settings
    assert (read.kafka.security_protocol, read.report.source) == ("SASL_SSL", "urn:example:dermatology")


@pytest.mark.parametrize(("language", "files"), [("python", "*.py"), ("javascript", "*.mjs")])
def test_the_code_that_events_md_shows_is_that_of_the_files_that_run(language: str, files: str) -> None:
    code = [file.read_text("utf-8") for file in EXAMPLES.glob(files)]
    shown = [block for block in blocks(DEPLOY / "events.md") if block.language == language]
    assert len(shown) == 2
    assert [block.place for block in shown if not any(block.text.rstrip() in text for text in code)] == []


@pytest.mark.parametrize(("number", "schema"), [(0, "imaging-event"), (1, "flag-event")])
def test_the_events_that_events_md_shows_fit_their_schemas(number: int, schema: str) -> None:
    shown = [json.loads(block.text) for block in blocks(DEPLOY / "events.md") if block.language == "json"]
    contract = json.loads((ROOT / f"schemas/events/{schema}.v1.schema.json").read_text("utf-8"))
    Draft202012Validator(contract, format_checker=FormatChecker()).validate(shown[number])


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=name)
def test_a_python_example_is_sound(file: Path) -> None:
    ast.parse(file.read_text("utf-8"))


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.mjs")), ids=name)
def test_a_javascript_example_is_sound(file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        absent("node")
    subprocess.run([node, "--check", str(file)], check=True, timeout=60)


HOUSE: Final = (
    "event, journey, stage, neighbour, ending, outcome, attempt, refused, deferred, dead letter, letter, original, reason, "
    "advice, obstacle, gate, not assessable, card, findings, known answer, operating point, band, verdict, mark, grounds, "
    "rank, edition, precedence, flag, issuer, source, lane, tenure, isolation, poison, dispute, closure, replay, redrive, "
    "backfill, reconciliation, candidate, gap, evidence, announce, place, held, circuit breaker, outage, origin, fleet, "
    "tether, role, drift, pulse, reach, preflight, part, step, walk"
)
"""Words that pages, messages and code use in a sense of this house."""


def test_every_word_of_the_house_stands_in_the_glossary_once() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| ", (ROOT / "services/GLOSSARY.md").read_text("utf-8"), re.MULTILINE)
    words = [word for row in rows for word in row.split(", ")]
    assert sorted(set(HOUSE.split(", ")) - set(words)) == []
    assert len(words) == len(set(words))
