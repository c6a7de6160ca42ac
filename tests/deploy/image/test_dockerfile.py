"""The image is built from what the site names, fetches nothing, and runs as nobody in particular: what the Dockerfile's text can show."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tocsin.bootstrap.sizing import MIB, sizes
from tocsin.environment import read
from tocsin.settings import Settings

from tests.deploy.image.trials import SMALL

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "deploy/Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """Instruction and the rest of each; a line goes on behind a backslash, and comments are left out."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line.strip()]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def final() -> list[tuple[str, str]]:
    """The instructions of the stage that is shipped."""
    last = max(number for number, (instruction, _) in enumerate(instructions()) if instruction == "FROM")
    return instructions()[last + 1 :]


def test_both_bases_are_the_sites_to_name() -> None:
    assert of("FROM") == ["${BUILD_BASE} AS build", "${RUN_BASE}"]
    assert {"BUILD_BASE", "RUN_BASE"} <= set(of("ARG"))  # without a default


def test_no_registry_and_no_moving_tag_is_named() -> None:
    assert not re.search(r"://|:latest|\w+\.(?:io|com|org|net)/", TEXT)


def test_nothing_is_fetched_while_it_is_built_and_each_wheel_is_held_to_its_hash() -> None:
    installs = [step.strip() for run in of("RUN") for step in run.split("&&") if " install " in step and "--requirement" in step]
    assert len(installs) == 2
    assert all("--require-hashes" in step and "--find-links /wheels" in step for step in installs)
    assert any("PIP_NO_INDEX=1" in each for each in of("ENV"))
    assert not re.search(r"apt-get|apk |curl|wget", TEXT)


def test_what_is_shipped_runs_nothing_while_it_is_built_and_needs_no_shell() -> None:
    names = [name for name, _ in final()]
    assert "RUN" not in names
    commands = dict(final())
    assert json.loads(commands["ENTRYPOINT"]) == ["/opt/tocsin/bin/tocsin"]
    assert json.loads(commands["CMD"]) == ["--help"]


def test_the_user_is_a_number_and_not_root() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", dict(final())["USER"])


def test_the_version_is_the_packages() -> None:
    version = re.search(r'(?m)^version = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert version is not None
    assert f"VERSION={version[1]}" in of("ARG")


@pytest.mark.parametrize("name", ["product", "build"])
def test_every_requirement_of_the_image_is_pinned_and_hashed(name: str) -> None:
    text = (ROOT / f"requirements/{name}.txt").read_text()
    pinned = re.findall(r"(?m)^[a-z0-9][^\s=]*==\S+ .*\n    --hash=sha256:[0-9a-f]{64}", text)
    assert len(pinned) == len(re.findall(r"(?m)^[a-z0-9]", text)) > 5


def test_the_build_sees_what_the_dockerfile_copies_and_nothing_else() -> None:
    seen = {line.removeprefix("!").strip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for rest in of("COPY") if "--from" not in rest for source in rest.split()[:-1]}
    assert all(any(source == each or source.startswith(f"{each}/") for each in seen) for source in copied)
    assert all(any(source == each or source.startswith(f"{each}/") for source in copied) for each in seen)


@pytest.mark.parametrize(
    ("limit", "limit_mib", "stated"), [("512 MiB", 512, SMALL), ("1 GiB", 1024, {}), ("1.5 GiB", 1536, {}), ("2.5 GiB", 2560, {})]
)
def test_the_table_of_limits_in_the_document_is_what_the_formula_gives(limit: str, limit_mib: int, stated: dict[str, str]) -> None:
    found = sizes(read(Settings, stated).settings, limit_mib * MIB)
    rows = re.findall(rf"(?m)^\| {re.escape(limit)} \|.*\| (\d+) MiB \| (\d+) \|$", (ROOT / "deploy/image.md").read_text())
    assert rows == [(str(-(-found.pictures_bytes // MIB)), str(found.workers))]
