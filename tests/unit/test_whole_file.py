"""A file is there as a whole or as it was before, also where a process was killed while it wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tocsin.whole_file import replace, together


def test_what_a_killed_process_of_the_same_id_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "active.yaml"
    left = tmp_path / f".{path.name}.{os.getpid()}"
    left.write_bytes(b"half of")
    left.chmod(0o444)
    replace(path, b"the whole", 0o444)
    assert path.read_bytes() == b"the whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_for_its_owner_alone_is_so_though_another_stood_there(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"for all")
    path.chmod(0o644)
    replace(path, b"%PDF", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"%PDF", 0o600)


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace(tmp_path / "folder", b"content", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", range(1, 4))
def test_files_that_belong_together_get_no_name_before_all_are_written(place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / name for name in ("report.html", "report.pdf", "evaluation.json")]
    together(dict.fromkeys(paths, b"before"), 0o644)
    synced, left = os.fsync, iter(range(1, 99))

    def dying(descriptor: int) -> None:
        if next(left) == place:
            raise Killed
        synced(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dying)
        with pytest.raises(Killed):
            together(dict.fromkeys(paths, b"after"), 0o644)
    assert [each.read_bytes() for each in paths] == [b"before"] * 3
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    together(dict.fromkeys(paths, b"after"), 0o644)
    assert [each.read_bytes() for each in paths] == [b"after"] * 3
