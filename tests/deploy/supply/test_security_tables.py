"""The tables of security.md: one for each section, a row for each thing, and what they say of rights and egress as the code has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tocsin.kafka.preflight import NEEDED

ROOT: Final = Path(__file__).resolve().parents[3]
TEXT: Final = (ROOT / "deploy/security.md").read_text("utf-8")
COMPOSING: Final = ROOT / "services/tocsin/bootstrap"
SECTIONS: Final = {title: text for title, _, text in (part.partition("\n") for part in TEXT.split("\n## ")[1:])}
KEY_OF_TWO_CELLS: Final = {"Whoever has a neighbour", "Unsafe defaults of packages"}
"""Tables whose first cell says whose the rows below are."""
TOPICS: Final = {
    "topic of notices": "topic_notices",
    "topic of imaging events": "topic_imaging",
    "topic of flags": "topic_flags",
    "topic of dead letters": "topic_dead_letters",
    "topic of verdicts": "topic_verdicts",
    "topic of feedback": "topic_feedback",
}
"""Rows that name who has which right; the other topics' row names the command that tells."""


def rows(title: str) -> list[list[str]]:
    """The cells of each row below the table's head."""
    lines = [line for line in SECTIONS[title].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


WITH_TABLES: Final = [title for title, text in SECTIONS.items() if "\n|" in text]


@pytest.mark.parametrize("title", WITH_TABLES)
def test_a_section_has_one_table_and_each_thing_one_row(title: str) -> None:
    assert len(re.findall(r"^\|(?: ?-+ ?\|)+$", SECTIONS[title], re.MULTILINE)) == 1
    width = 2 if title in KEY_OF_TWO_CELLS else 1
    keys = [tuple(cells[:width]) for cells in rows(title)]
    assert len(keys) > 2
    assert [key for key in keys if keys.count(key) > 1] == []


@pytest.mark.parametrize("title", WITH_TABLES)
def test_no_line_of_a_section_is_said_twice(title: str) -> None:
    sentences = [each for line in SECTIONS[title].splitlines() if line and line[0] != "|" for each in re.split(r"(?<=\.) ", line)]
    assert [each for each in sentences if sentences.count(each) > 1] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_the_rights_on_a_topic_are_those_that_the_check_asks_for(topic: str) -> None:
    [said] = [cells[2] for cells in rows("What is written where") if cells[0] == topic]
    given = {}
    for part in said.split("; "):
        right, _, who = part.partition(" ")
        given[right] = set(who.partition(" and the hospital's ")[0].split(", "))
    assert given == {right: set(who.split(", ")) for right, who in NEEDED[TOPICS[topic]].items()}


class Part(NamedTuple):
    """A function or class of a module of bootstrap."""

    module: str
    name: str


ENTRIES: Final = {
    "consume": (Part("consume", "consumer"), Part("consume", "neighbours")),
    "work": (Part("work", "work"), Part("work", "work_health")),
    "serve": (Part("serve", "serve"),),
}
"""What each process composes itself from (cli/consume_run.py, work.py, serve.py)."""
REACHING: Final = {
    "brokers, and each listener that they advertise": {"KafkaSink", "KafkaTopicReader", "KafkaSource", "KafkaTopicFollower"},
    "FHIR server": {"FhirClient"},
    "origins of pictures": {"Contents", "FhirPictures"},
    "Triton, gRPC": {"TritonClassifier", "TritonPing"},
    "Redis": {"RedisPing", "RedisShelf"},
    "issuers (EHRs): their FHIR servers and the log-in that these name": {"ReadersRecord"},
    "EHRs that call hooks: their key sets and FHIR servers": {"Connections"},
    "webhook and mail server": {"Webhook", "Mail"},
}
"""Row of the table of egress -> the adapters that reach there. In bootstrap FhirClient is always made of the settings' own FHIR server."""


@cache
def module(name: str) -> ast.Module:
    return ast.parse((COMPOSING / f"{name}.py").read_text("utf-8"))


def imported(tree: ast.AST) -> Iterator[tuple[str, Part]]:
    """The name by which each part of bootstrap is known in the tree; a whole module is a part without a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tocsin.bootstrap"):
            of = (node.module or "").removeprefix("tocsin.bootstrap").lstrip(".")
            yield from ((each.asname or each.name, Part(of, each.name) if of else Part(each.name, "")) for each in node.names)


def used(part: Part) -> Iterator[Part | str]:
    """What the part names: parts of bootstrap, and every other name."""
    tree = module(part.module)
    own = {node.name: Part(part.module, node.name) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known = own | dict(imported(tree))
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part.name)
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (of := known.get(node.value.id)) and not of.name:
            yield Part(of.module, node.attr)
        elif isinstance(node, ast.Name):
            found = known.get(node.id)
            yield found if found is not None and found.name else node.id


def composed(process: str) -> set[str]:
    """Every name that the parts of a process use."""
    waiting, seen, names = list[Part](ENTRIES[process]), set[Part](), set[str]()
    while waiting:
        part = waiting.pop()
        if part in seen or not _is_defined(part):
            continue
        seen.add(part)
        for each in used(part):
            names.add(each) if isinstance(each, str) else waiting.append(each)
    return names


def _is_defined(part: Part) -> bool:
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part.name for node in module(part.module).body)


@pytest.mark.parametrize("process", ENTRIES)
def test_the_table_of_egress_says_no_only_of_what_a_process_is_not_composed_to_reach(process: str) -> None:
    title = "Which egress each process needs"
    head = next(line for line in SECTIONS[title].splitlines() if line.startswith("|"))
    column = [cell.strip() for cell in head.split("|")[1:-1]].index(process)
    said = {cells[0]: cells[column] != "no" for cells in rows(title)}
    names = composed(process)
    assert {row: said[row] for row in REACHING} == {row: bool(adapters & names) for row, adapters in REACHING.items()}
