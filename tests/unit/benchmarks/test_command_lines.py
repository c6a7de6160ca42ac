"""A run of half an hour ends with its figures, wherever they were to be drawn."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.benchmarks import __main__ as contest
from tests.benchmarks import scale
from tests.benchmarks.photographs import TINY
from tests.unit.benchmarks.test_results import WHOLE

Told = Callable[[Namespace], None]


def of_contest(options: Namespace) -> None:
    contest.tell(WHOLE, options)


def of_scale(options: Namespace) -> None:
    scale.tell(scale.Found(scale.Plan(TINY, (), (), 4, 16, 48, 16, quiet=True)), options)


def begun(*_args: object) -> Any:
    raise AssertionError("the run began")


@pytest.mark.parametrize("module", [contest, scale], ids=lambda module: module.__name__)
@pytest.mark.parametrize(("path", "says"), [("gone/costs.svg", "there is no folder"), (".", "is a folder")])
def test_a_drawing_that_cannot_be_made_is_told_before_anything_is_measured(
    module: ModuleType, path: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "set_up", begun)
    monkeypatch.setattr(sys, "argv", ["benchmark", "--plot", str(tmp_path / path)])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("tell", [of_contest, of_scale])
def test_figures_are_printed_before_they_are_drawn(tell: Told, json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"):
        tell(Namespace(plot=tmp_path / "gone" / "costs.svg", json=json))
    assert "a processor" in (told := capsys.readouterr().out) or "Python" in told or '"machine"' in told


@pytest.mark.parametrize("tell", [of_contest, of_scale])
def test_the_drawing_is_made(tell: Told, tmp_path: Path) -> None:
    tell(Namespace(plot=tmp_path / "costs.svg", json=False))
    assert (tmp_path / "costs.svg").read_bytes().startswith(b"<svg")
