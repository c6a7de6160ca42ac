"""Installed from its wheel, in a folder without the source tree, Tocsin has the files that a site needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from tocsin.packaged import REFERENCE_MODEL, TOPICS

from tests.support.absent import absent

ROOT = Path(__file__).parents[2]

WITHIN_S = 300


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed, without what it depends on."""
    return install(tmp_path_factory.mktemp("installed"))


def install(folder: Path, **variables: str) -> Path:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(ROOT)], check=True, timeout=WITHIN_S, env={**os.environ, **variables})
    return folder


def ran(installed: Path, folder: Path, script: str, *arguments: str) -> str:
    """What the script printed that ran with the installed package alone, whose place it printed first."""
    variables = {**os.environ, "PYTHONPATH": str(installed)}
    argv = [sys.executable, "-c", f"import tocsin; print(tocsin.__file__); {script}", *arguments]
    done = subprocess.run(argv, env=variables, cwd=folder, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(installed))
    return done.stdout


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def wheel_tag(installed: Path) -> str:
    [facts] = installed.glob("tocsin-*.dist-info/WHEEL")
    [tag] = [line.removeprefix("Tag: ") for line in facts.read_text().splitlines() if line.startswith("Tag: ")]
    return tag


LOOPS = "from tocsin.image.loops.choice import chosen; print(chosen().said)"


def test_the_reference_model_is_built_from_the_wheel_alone(installed: Path, tmp_path: Path) -> None:
    ran(installed, tmp_path, "from tocsin.cli import main; main()", "model", "build", "--target", "gpu", "models")
    assert (tmp_path / "models/sklesion/card.yaml").read_bytes() == (ROOT / "deploy/triton/sklesion/card.yaml").read_bytes()


@pytest.mark.parametrize("path", [TOPICS, REFERENCE_MODEL, "schemas/events", "schemas/models"])
def test_what_commands_read_comes_with_the_wheel_as_it_is_in_the_tree(installed: Path, tmp_path: Path, path: str) -> None:
    script = "import sys; from tocsin.packaged import packaged; print(packaged(sys.argv[1]))"
    place = Path(ran(installed, tmp_path, script, path).splitlines()[1])
    assert place.is_relative_to(installed)
    assert files_of(place) == files_of(ROOT / path)


def test_without_a_setting_the_card_is_the_reference_models_in_whatever_folder(installed: Path, tmp_path: Path) -> None:
    script = "from tocsin import settings, model_card; print(model_card.read_card(settings.read_settings().model.card).name)"
    assert ran(installed, tmp_path, script).splitlines()[1] == "sklesion"


def test_the_loops_over_pixels_come_compiled_in_a_wheel_of_this_platform_for_every_python(installed: Path, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        absent("a C compiler")
    assert ran(installed, tmp_path, LOOPS).splitlines()[1] == "compiled"
    assert wheel_tag(installed) == f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_working_compiler_the_install_succeeds_and_numpy_takes_the_place_of_c(compiler: str, tmp_path: Path) -> None:
    installed = install(tmp_path / "installed", CC=compiler)
    assert ran(installed, tmp_path, LOOPS).splitlines()[1].startswith("numpy's")
    assert wheel_tag(installed) == "py3-none-any"
