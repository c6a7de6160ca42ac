"""deploy/data.md finds all that Tocsin holds of a patient: what it wrote to the record, put on the bus, and left in files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tocsin.settings import KafkaSettings

from tests.deploy.guide.blocks import ROOT
from tests.support.queries import DEPLOY

PAGE: Final = (DEPLOY / "data.md").read_text("utf-8")
OF_THE_MODEL: Final = {"Device", "DocumentReference"}
"""What Tocsin writes of the model, and of no patient."""


def step(number: int) -> str:
    """The text of one step of the erasure."""
    return PAGE.partition(f"\n**{number}. ")[2].partition(f"\n**{number + 1}. ")[0].partition("\n## ")[0]


def written() -> set[str]:
    """Every resource type that the code composes to be written."""
    rooms = (ROOT / "services/tocsin" / name for name in ("report", "review"))
    trees = (ast.parse(file.read_text("utf-8")) for room in rooms for file in sorted(room.rglob("*.py")))
    return {kind for tree in trees for node in ast.walk(tree) for kind in _kinds(node)} - {"Bundle"}


def _kinds(node: ast.AST) -> Iterator[str]:
    named: list[ast.expr] = []
    match node:
        case ast.Dict(keys=keys, values=values):
            named = [value for key, value in zip(keys, values, strict=True) if _is(key, "resourceType")]
        case ast.Call(func=ast.Attribute(attr="_resource" | "_labelled"), args=[first, *_]):
            named = [first]
    yield from (str(each.value) for each in named if isinstance(each, ast.Constant))


def _is(key: ast.expr | None, text: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == text


def test_every_kind_of_resource_that_tocsin_writes_of_a_patient_is_looked_for_in_the_record() -> None:
    searched = set(re.findall(r'"([A-Za-z]+)\?', step(2)))
    assert written() >= OF_THE_MODEL | {"DiagnosticReport", "Observation", "RiskAssessment", "Provenance", "AuditEvent", "Task"}
    assert searched == written() - OF_THE_MODEL
    row = next(line for line in PAGE.splitlines() if line.startswith("| the FHIR server |"))
    assert [kind for kind in searched if kind not in row] == []


def test_each_topic_is_searched_for_a_patient_or_said_to_name_none() -> None:
    tree = ast.parse((DEPLOY / "examples/find_patient.py").read_text("utf-8"))
    [read] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "TOPICS"
    ]
    topics = {name.upper(): field.default for name, field in KafkaSettings.model_fields.items() if name.startswith("topic_")}
    assert read.items() <= topics.items()
    assert "the seven topics" in step(3)
    assert len(read) == 7
    assert [name for name in topics.values() if name not in read.values() and f"`{name}`" not in step(3)] == []
    table = PAGE.partition("## Back up")[0]
    assert [name for name in topics.values() if f"`{name}`" not in table] == []


def test_what_stays_in_files_until_somebody_deletes_it_is_named_where_a_patient_is_erased() -> None:
    rows = [line for line in PAGE.partition("## Back up")[0].splitlines() if "| until you delete" in line]
    commands = {command for row in rows for command in re.findall(r"`(tocsin [a-z ]+)`", row.split("|")[1])}
    assert commands == {"tocsin model answers", "tocsin print", "tocsin evaluate"}
    assert [command for command in commands if f"`{command}`" not in step(6)] == []
