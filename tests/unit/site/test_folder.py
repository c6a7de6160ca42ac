"""The folder of a site: the record says what is in use, whoever changed it by hand is noticed, and a killed step is done by the next."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from tocsin.errors import ConfigurationError
from tocsin.site.folder import ACTIVE, SiteFolder
from tocsin.site.record import NOTHING, RECORD, Decision, Finding, append, read_record, sha256, user

from tests.builders import card
from tests.support.site_files import site_json

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)


def version(number: int) -> bytes:
    return orjson.dumps({**site_json(card()), "name": "north", "version": number}, option=orjson.OPT_INDENT_2)  # JSON is YAML, too


def promoted(folder: SiteFolder, number: int) -> None:
    finding = Finding(bound="sensitivity, all pictures", wanted="at least 0.9", figure=0.93, met=True, told="93 of 95")
    with folder.changing() as record:
        folder.keep(f"north-{number}.yaml", version(number))
        folder.keep(f"north-{number}.evaluation.json", b"{}")
        folder.step(
            record,
            Decision(
                at=NOW,
                by="anna",
                what="promoted",
                site="north",
                version=number,
                site_file_sha256=sha256(version(number)),
                report_sha256=sha256(b"{}"),
                findings=(finding,),
            ),
        )


def rolled_back(folder: SiteFolder, number: int) -> Decision:
    return Decision(at=NOW, by="ben", what="rolled-back", site="north", version=number, site_file_sha256=sha256(version(number)))


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    made = SiteFolder(tmp_path / "site")
    promoted(made, 1)
    promoted(made, 2)
    return made


def test_the_file_in_use_is_the_one_that_the_record_names_last(folder: SiteFolder) -> None:
    assert (folder.path / ACTIVE).read_bytes() == folder.of("north", 2).read_bytes() == version(2)
    assert (folder.problems(), sorted(folder.versions("north"))) == ([], [1, 2])


def test_each_line_follows_from_the_one_before(folder: SiteFolder) -> None:
    first, second = read_record(folder.path)
    assert (first.previous, second.previous, first.number, second.number) == (NOTHING, first.sha256, 1, 2)
    line = (folder.path / RECORD).read_bytes().splitlines()[1]
    assert sha256(line.replace(b',"sha256":"' + second.sha256.encode() + b'"', b"")) == second.sha256
    assert read_record(folder.path).head == second.sha256


TAMPERED: list[tuple[str, Callable[[list[bytes]], list[bytes]], str]] = [
    ("a figure of the last line", lambda lines: [lines[0], lines[1].replace(b"0.93", b"0.99")], "line 2 is not as it was written"),
    ("a name in the first", lambda lines: [lines[0].replace(b"anna", b"hans"), lines[1]], "line 1 is not as it was written"),
    ("a line left out", lambda lines: lines[1:], "line 1 does not follow from line 0"),
    ("lines in another order", lambda lines: lines[::-1], "line 1 does not follow from line 0"),
    ("a line twice", lambda lines: [*lines, lines[1]], "line 3 does not follow from line 2"),
    ("something else", lambda lines: [b"{}", *lines], "line 1 is no decision"),
    ("an end torn off", lambda lines: [lines[0], lines[1][:-9]], "line 2 is no decision"),
]


@pytest.mark.parametrize(("change", "said"), [each[1:] for each in TAMPERED], ids=[each[0] for each in TAMPERED])
def test_a_record_that_was_changed_is_noticed_by_whoever_reads_it(
    change: Callable[[list[bytes]], list[bytes]], said: str, folder: SiteFolder
) -> None:
    path = folder.path / RECORD
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
    for reading in (folder.record, folder.problems, lambda: promoted(folder, 3)):
        with pytest.raises(ConfigurationError, match=f"was changed: {said}"):
            reading()


def test_a_record_without_its_last_end_is_noticed(folder: SiteFolder) -> None:
    path = folder.path / RECORD
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigurationError, match="its last line has no end"):
        folder.record()


def test_a_record_that_lost_its_last_step_no_longer_has_in_use_what_is(folder: SiteFolder) -> None:
    path = folder.path / RECORD
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert folder.problems() == ["active.yaml is not what the record has in use (north-1.yaml)"]


@pytest.mark.parametrize("name", ["north-1.yaml", "north-2.yaml", "north-1.evaluation.json", "active.yaml"])
@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()], ids=["changed", "gone"])
def test_a_file_that_was_changed_or_lost_is_named(change: Callable[[Path], Any], name: str, folder: SiteFolder) -> None:
    (folder.path / name).chmod(0o644)
    change(folder.path / name)
    assert [name in each for each in folder.problems()] == [True]


def test_a_step_that_was_killed_before_it_was_in_use_is_done_by_the_next(folder: SiteFolder) -> None:
    append(folder.path, folder.record(), rolled_back(folder, 1))
    assert folder.problems() == ["active.yaml is not what the record has in use (north-1.yaml)"]
    with folder.changing():
        assert (folder.path / ACTIVE).read_bytes() == version(1)
    assert folder.problems() == []


def test_a_step_that_was_noted_and_could_not_be_brought_into_use_says_so(folder: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(part: Path, path: Path) -> Path:
        if path.name == ACTIVE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return renamed(part, path)

    renamed = Path.replace
    with monkeypatch.context() as patched, folder.changing() as record:
        patched.setattr(Path, "replace", full)
        with pytest.raises(ConfigurationError, match=r"it was decided and noted, but .*active\.yaml could not be written \(No space left"):
            folder.step(record, rolled_back(folder, 1))
    assert ((folder.path / ACTIVE).read_bytes(), len(folder.record())) == (version(2), 3)
    with folder.changing():
        assert (folder.path / ACTIVE).read_bytes() == version(1)


def test_a_file_in_use_that_nobody_promoted_is_not_written_over(folder: SiteFolder) -> None:
    (folder.path / ACTIVE).chmod(0o644)
    (folder.path / ACTIVE).write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"active\.yaml was changed by hand: the record has north-2\.yaml in use"):
        promoted(folder, 3)
    assert (folder.path / ACTIVE).read_bytes() == b"x"


def test_a_version_never_changes(folder: SiteFolder) -> None:
    with pytest.raises(ConfigurationError, match="a version never changes"):
        folder.keep("north-1.yaml", version(9))
    folder.keep("north-1.yaml", version(1))
    assert oct(folder.of("north", 1).stat().st_mode & 0o777) == "0o444"


def test_one_at_a_time_changes_the_folder(folder: SiteFolder) -> None:
    held = os.open(folder.path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ConfigurationError, match="somebody else is changing"):
        promoted(folder, 3)
    os.close(held)
    promoted(folder, 3)


def test_the_folder_is_read_where_nobody_may_write_as_from_a_config_map(folder: SiteFolder, tmp_path: Path) -> None:
    """A ConfigMap's names are links to files below ..data, and no link that an admin put there survives."""
    data = tmp_path / "mounted" / "..data"
    data.mkdir(parents=True)
    for each in folder.path.iterdir():
        assert not each.is_symlink()
        (data / each.name).write_bytes(each.read_bytes())
        (data.parent / each.name).symlink_to(data / each.name)
    data.parent.chmod(0o555)
    mounted = SiteFolder(data.parent)
    active = mounted.active()
    assert active is not None
    assert (active.version, mounted.problems(), len(mounted.record())) == (2, [], 2)


def test_an_empty_folder_has_nothing_in_use(tmp_path: Path) -> None:
    empty = SiteFolder(tmp_path / "none")
    assert (empty.active(), empty.problems(), tuple(empty.record()), empty.versions("north")) == (None, [], (), {})


def test_nothing_half_written_stays(folder: SiteFolder) -> None:
    assert [each.name for each in folder.path.iterdir() if each.name.startswith(".")] == []


def test_somebody_always_runs_a_process() -> None:
    assert user()
