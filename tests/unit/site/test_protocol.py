"""A protocol is read as strictly as a card: a bound that is misspelt would bound nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tocsin.errors import ConfigurationError
from tocsin.site.protocol import read_protocol

from tests.support.labelled import protocol


def written(folder: Path, change: Callable[[dict[str, Any]], object] = lambda whole: None) -> Path:
    whole = protocol().model_dump(mode="json")
    change(whole)
    path = folder / "protocol.yaml"
    path.write_text(yaml.safe_dump(whole))
    return path


def test_what_was_written_is_read_with_the_hash_of_its_file(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read_protocol(path) == (protocol(), hashlib.sha256(path.read_bytes()).hexdigest(), path.read_bytes())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole: whole.update(sensitivity=0.9), "sensitivity is no key here: did you mean sensitivity_at_least?"),
        (lambda whole: whole.pop("groups"), "groups is missing"),
        (lambda whole: whole.update(sensitivity_at_least=1), "sensitivity_at_least must be below 1"),
        (lambda whole: whole.update(label_kinds=["verdict"]), "label_kinds.0 must be 'pathology', 'follow-up' or 'stated'"),
        (lambda whole: whole["calibration"].update(slope_min=2), "calibration slope_min must be below slope_max"),
        (lambda whole: whole["groups"].append(whole["groups"][0]), "groups: one stands twice"),
        (lambda whole: whole["groups"][0].update(malignant_min=0), "groups.0.malignant_min must be above 0"),
        (lambda whole: whole["net_benefit"].update(loss_max=-0.1), "net_benefit.loss_max must not be below 0"),
        (lambda whole: whole.update(attempts_max=0), "attempts_max must be above 0"),
    ],
)
def test_what_is_wrong_is_said_and_where(change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_protocol(written(tmp_path, change))
    assert said in str(raised.value)


def test_a_file_that_is_not_there_is_no_yaml_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_protocol(tmp_path / "none.yaml")
    (tmp_path / "no.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_protocol(tmp_path / "no.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(ConfigurationError, match="more than 1000000 bytes"):
        read_protocol(tmp_path / "large.yaml")


def test_the_example_is_a_protocol() -> None:
    example = read_protocol(Path(__file__).resolve().parents[3] / "deploy" / "examples" / "promotion-protocol.yaml").protocol
    assert (example.attempts_max, [str(each) for each in example.groups]) == (1, ["sex=female", "sex=male"])
