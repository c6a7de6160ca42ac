"""What keeps `tocsin model build` from a network is said with what to do, and is no defect."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tocsin.cli import model_run
from tocsin.sandbox.model.errors import ModelUnusable


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_cache_that_takes_nothing_is_named_with_what_to_do(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object) -> bytes:
        raise OSError(number, os.strerror(number), str(tmp_path / "cache"))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_run, "reference_network", fetch)
    with pytest.raises(ModelUnusable, match=rf"{tmp_path}/cache.*{os.strerror(number)}.*XDG_CACHE_HOME") as refused:
        model_run.build(tmp_path / "models", "cpu", "float32", with_features=False)
    assert refused.value.exit_code == 1
    assert not (tmp_path / "models").exists()
