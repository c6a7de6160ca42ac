"""What one version of Tocsin left on the bus, in the record or in Redis, another reads: nothing is lost at an update or a roll-back."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from tocsin.archive.backfill.backfiller import _ORDER
from tocsin.archive.reconcile.checkpoint import ASKED_KEY, CHECKPOINT_KEY
from tocsin.bootstrap.work import tasks
from tocsin.consume.partitions.poison import CommitMetadata
from tocsin.deadletter import closure
from tocsin.deadletter.replay import REPLAY_OF_HEADER
from tocsin.deadletter.types import REASON_HEADER, REPLAYS_HEADER, DeadLetter
from tocsin.kafka.records import encode
from tocsin.report.resources.mark import extension, stored_report
from tocsin.settings import Settings
from tocsin.work.lock import PREFIX

from schemas.generate import CONTRACTS

FOLDER = Path(__file__).parent
MODELS = {name.removeprefix("events/").partition(".")[0]: model for name, model in CONTRACTS.items() if name.startswith("events/")}
FORMATS = sorted(folder.name for folder in (FOLDER / "formats").iterdir() if folder.is_dir())
FILES = sorted((FOLDER / "formats").glob("*/*.json"))
BY_NAME = frozenset({"skipped", "suspects"})
"""Fields whose keys are data."""
LATER = {"x-later": {"words": ["a later version's"]}}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
each_record = pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent.name in MODELS], ids=lambda file: f"{file.parent.name}/{file.stem}"
)


def through(file: Path, value: Any) -> Any:
    """What this version writes once it has read the value."""
    kind = file.parent.name
    if kind == "commit-metadata":
        return orjson.loads(CommitMetadata.read(orjson.dumps(value).decode()).text())
    if kind == "report-mark":
        mark = stored_report({"resourceType": "DiagnosticReport", "id": "r1", "extension": [value]}).mark
        assert mark is not None
        return orjson.loads(orjson.dumps(extension(mark)))
    model = MODELS[kind].model_validate_json(orjson.dumps(value))
    return orjson.loads(written(model))


def written(model: BaseModel) -> bytes:
    return orjson.dumps(model.model_dump(mode="json")) if isinstance(model, DeadLetter) else encode(model)


def grown(value: Any, field: str = "") -> Any:
    """The same with a field in every object that this version does not know."""
    if isinstance(value, list):
        return [grown(each) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {name: grown(each, name) for name, each in value.items()}
    return whole if field in BY_NAME else whole | LATER


def test_every_durable_format_has_a_file_here() -> None:
    assert {*MODELS, "commit-metadata", "report-mark"} == set(FORMATS)


@each_file
def test_what_a_version_wrote_is_read_and_written_the_same(file: Path) -> None:
    value = orjson.loads(file.read_bytes())
    assert through(file, value) == value


@each_file
def test_fields_that_a_later_version_adds_are_passed_over_at_every_depth(file: Path) -> None:
    value = orjson.loads(file.read_bytes())
    later = value | {"extension": [*value["extension"], {"url": "later", "valueString": "x"}]} if "extension" in value else grown(value)
    assert later != value
    assert through(file, later) == value


@each_record
def test_whoever_validates_by_the_contract_takes_what_a_later_version_adds(file: Path) -> None:
    schema = orjson.loads((FOLDER / "schemas" / f"{file.parent.name}.v1.schema.json").read_bytes())
    Draft202012Validator(schema).validate(grown(orjson.loads(file.read_bytes())))


@each_record
def test_what_states_another_version_is_never_read_as_version_1(file: Path) -> None:
    with pytest.raises(ValueError, match="version"):
        MODELS[file.parent.name].model_validate_json(orjson.dumps(orjson.loads(file.read_bytes()) | {"version": 2}))


def test_headers_keys_queues_and_tasks_are_called_as_ever() -> None:
    names = orjson.loads((FOLDER / "formats" / "names.json").read_bytes())
    assert set(names["headers"].values()) == {REASON_HEADER, REPLAYS_HEADER, REPLAY_OF_HEADER}
    assert set(names["keys"].values()) == {closure.KEY.decode(), CHECKPOINT_KEY, ASKED_KEY, _ORDER}
    assert names["redis"]["lock"] == PREFIX
    assert {task.name: task.queue for task in tasks(Settings())} == {task: queue for task, (queue, *_) in names["tasks"].items()}


@pytest.mark.parametrize("task", tasks(Settings()), ids=lambda task: task.name)
def test_a_task_takes_the_ids_that_another_versions_message_holds(task: Any) -> None:
    _queue, *ids = orjson.loads((FOLDER / "formats" / "names.json").read_bytes())["tasks"][task.name]
    run: Callable[..., Any] = task.run
    inspect.signature(run).bind(*ids)
