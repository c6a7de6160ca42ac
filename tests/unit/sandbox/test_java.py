"""A Java program begins with the classes that were kept for exactly its jars, runtime and flags."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tocsin.sandbox.java import class_cache, java

FLAGS = ("-Xmx64m", "-Dsome.folder=/tmp/one")


@pytest.fixture
def jars(tmp_path: Path) -> tuple[Path, ...]:
    made = (tmp_path / "a.jar", tmp_path / "b.jar")
    for jar in made:
        jar.write_bytes(b"jar")
    return made


def test_kept_classes_are_used_and_where_there_are_none_nothing_is_said_of_them(jars: tuple[Path, ...], tmp_path: Path) -> None:
    before = java("Program", jars, tmp_path, FLAGS, ("Main",)).argv
    class_cache(jars, FLAGS).write_bytes(b"classes")
    after = java("Program", jars, tmp_path, FLAGS, ("Main",)).argv
    assert not any("AOT" in word for word in before)
    assert f"-XX:AOTCache={class_cache(jars, FLAGS)}" in after


def test_a_start_that_is_to_keep_its_classes_uses_none(jars: tuple[Path, ...], tmp_path: Path) -> None:
    class_cache(jars, FLAGS).write_bytes(b"classes")
    argv = java("Program", jars, tmp_path, FLAGS, ("Main",), keep_classes=tmp_path / "new").argv
    assert [word for word in argv if "AOT" in word] == [f"-XX:AOTCacheOutput={tmp_path / 'new'}"]


def test_another_jar_or_flag_has_classes_of_its_own_and_another_folder_has_not(jars: tuple[Path, ...]) -> None:
    kept = class_cache(jars, FLAGS)
    assert class_cache(jars, ("-Xmx64m", "-Dsome.folder=/tmp/two")) == kept
    assert class_cache(jars, ("-Xmx65m",)) != kept
    assert class_cache(jars[::-1], FLAGS).name != kept.name
    os.utime(jars[0], (0, 0))
    assert class_cache(jars, FLAGS) != kept
