"""`tocsin site` registers, promotes, rolls back and tells, and its exit codes say what became of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from tocsin.bootstrap.card import card_in_use
from tocsin.cli import site as module
from tocsin.cli.commands import app
from tocsin.errors import ConfigurationError
from tocsin.settings import ModelSettings
from tocsin.site.file import site_of
from tocsin.site.record import sha256
from typer.testing import CliRunner, Result

from tests.support.labelled import Site, protocol
from tests.support.records import SKLESION


class House:
    """A site with its files, whose clock is set by hand."""

    def __init__(self, root: Path, clock: pytest.MonkeyPatch) -> None:
        self.root, self.folder, self._clock = root, root / "site", clock

    def at(self, year: int, month: int, day: int) -> None:
        self._clock.setattr(module, "utc_now", lambda: datetime(year, month, day, 12, tzinfo=UTC))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["site", *words], env={"NO_COLOR": "1", "TOCSIN_MODEL__CARD": str(SKLESION)})

    def protocol(self, **changes: Any) -> Path:
        path = self.root / f"{changes.get('name', 'protocol')}.yaml"
        path.write_text(yaml.safe_dump(protocol(**changes).model_dump(mode="json")))
        return path

    def promote(self, under: Path, later: str = "later.jsonl", *words: str) -> Result:
        files = ("--protocol", str(under), "--scores", str(self.root / later), "--fitted", str(self.root / "fitted.jsonl"))
        return self.run("promote", str(self.folder), str(self.root / "north.yaml"), *files, *words)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("house")
    Site(1, n=600).written(root / "fitted.jsonl")
    Site(2, n=600, first=date(2026, 6, 1)).written(root / "later.jsonl")
    words = ["calibrate", "--scores", str(root / "fitted.jsonl"), "--out", str(root / "north.yaml"), "--card", str(SKLESION)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return {each.name: each.read_bytes() for each in root.iterdir()}


@pytest.fixture
def house(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    made = House(tmp_path, monkeypatch)
    made.at(2026, 5, 20)
    assert made.run("register", str(made.folder), str(made.protocol()), "--by", "anna").exit_code == 0
    made.at(2026, 10, 1)
    return made


def last(done: Result) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return said


def test_from_registration_to_use_and_back(house: House) -> None:
    done = house.promote(house.protocol(), "later.jsonl", "--json", "--by", "anna")
    assert done.exit_code == 0, done.output
    said = last(done)
    assert (said["what"], said["by"], said["in_use"]["version"], len(said["findings"])) == ("promoted", "anna", 1, 9)
    assert (Path(said["report"]).name, Path(said["go_live"]).name) == ("north-1.evaluation.json", "north-1.go-live.json")
    assert sha256(Path(said["go_live"]).read_bytes()) == said["go_live_sha256"]
    assert done.stdout.count("met      ") == 9
    assert "raise TOCSIN_REPORT__EDITION" in done.stdout
    used = site_of(card_in_use(ModelSettings(card=SKLESION, site_file=house.folder / "active.yaml")))
    assert used is not None
    assert str(used) == "north/1"
    assert house.run("check", str(house.folder), "--head", said["head"]).exit_code == 0
    back = house.run("rollback", str(house.folder), "--to", "0", "--reason", "misses", "--json")
    assert (back.exit_code, last(back)["in_use"], last(back)["reason"]) == (0, None, "misses")
    assert "unset TOCSIN_MODEL__SITE_FILE" in back.stdout
    assert not (house.folder / "active.yaml").exists()


def test_a_candidate_itself_is_used_by_nobody(house: House) -> None:
    with pytest.raises(ConfigurationError, match="was not promoted"):
        card_in_use(ModelSettings(card=SKLESION, site_file=house.root / "north.yaml"))


def test_a_bound_that_is_not_met_ends_with_one_and_is_marked(house: House) -> None:
    hard = house.protocol(name="hard", sensitivity_at_least=0.99)
    house.at(2026, 5, 21)
    house.run("register", str(house.folder), str(hard))
    house.at(2026, 10, 1)
    done = house.promote(hard)
    assert done.exit_code == 1
    assert "NOT MET  sensitivity, all pictures: at least 0.99." in done.stdout
    assert "what was in use stays in use" in done.stdout


def test_labels_that_may_not_speak_end_with_one_and_say_why(house: House) -> None:
    done = house.promote(house.protocol(), "fitted.jsonl")
    assert done.exit_code == 1
    assert "refused  the earliest label is of 2026-01-01, and the site file was fitted to labels until 2026-03-31" in done.stdout
    assert "refused  600 patient(s) are among the fitting labels too" in done.stdout


def test_a_protocol_with_one_word_changed_is_another_one(house: House) -> None:
    path = house.protocol()
    path.write_text(path.read_text() + "# softer\n")
    done = house.promote(path)
    assert done.exit_code == 1
    assert "this protocol was not registered" in done.stdout


def test_every_decision_is_shown_with_who_and_why(house: House) -> None:
    house.promote(house.protocol(), "fitted.jsonl", "--by", "ben")
    house.promote(house.protocol(), "later.jsonl", "--by", "anna")
    shown = house.run("show", str(house.folder)).stdout.splitlines()
    assert [line.split()[1:4] for line in shown[1:4]] == [
        ["registered", "anna", shown[1].split()[3]],
        ["refused", "ben", shown[1].split()[3]],
        ["promoted", "1", "anna"],
    ]
    assert "9 of 9" in shown[3]
    assert shown[4].startswith("In use: version 1 of north.")
    said = orjson.loads(house.run("show", str(house.folder), "--json").stdout)
    assert ([each["what"] for each in said["decisions"]], said["in_use"]["version"]) == (["registered", "refused", "promoted"], 1)


def test_a_record_that_was_changed_stops_every_command(house: House) -> None:
    record = house.folder / "decisions.jsonl"
    record.write_bytes(record.read_bytes().replace(b"anna", b"hans"))
    for words in (("show",), ("check",), ("rollback",)):
        done = house.run(*words, str(house.folder))
        assert isinstance(done.exception, ConfigurationError)
        assert "line 1 is not as it was written" in str(done.exception)


def test_a_record_that_was_written_anew_has_not_the_head_that_was_noted(house: House) -> None:
    done = house.run("check", str(house.folder), "--head", "ab" * 32)
    assert (done.exit_code, "the record never had that head" in done.stdout) == (1, True)


def test_a_version_that_was_changed_is_found(house: House) -> None:
    assert house.promote(house.protocol()).exit_code == 0
    version = house.folder / "north-1.yaml"
    version.chmod(0o644)
    version.write_text(version.read_text() + "\n")
    done = house.run("check", str(house.folder), "--json")
    assert (done.exit_code, last(done)["problems"]) == (1, ["north-1.yaml was changed, or is gone: the record has another SHA-256"])


@pytest.mark.parametrize(
    "words",
    [
        ("register", "{root}/site", "{root}/protocol.yaml", "--by", "a\nb"),
        ("register", "{root}/site", "{root}/none.yaml"),
        ("show", "{root}/none"),
        ("rollback", "{root}/site", "--to", "-1"),
        ("rollback", "{root}/site", "--reason", "x" * 501),
    ],
    ids=lambda words: " ".join(words)[:60],
)
def test_options_that_make_no_sense_are_refused(words: tuple[str, ...], house: House) -> None:
    assert house.run(*(each.format(root=house.root) for each in words)).exit_code == 2
    assert len(orjson.loads(house.run("show", str(house.folder), "--json").stdout)["decisions"]) == 1
