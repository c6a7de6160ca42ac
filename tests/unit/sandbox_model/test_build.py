"""A built repository is what a site serves as it is, and a build overwrites nothing but what a build wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import text_format  # type: ignore[import-untyped] # ships no types
from tocsin.inference.known import read_known_answer
from tocsin.model_card import Features, read_card
from tocsin.packaged import REFERENCE_MODEL, packaged
from tocsin.sandbox.model.edition import FEATURES, FEATURES_SHA256
from tocsin.sandbox.model.errors import FolderTaken, ModelUnusable
from tocsin.sandbox.model.repository import CPU, Plan, lay_out
from tritonclient.grpc import model_config_pb2

ALL = {"built.yaml", "card.yaml", "config.pbtxt", "known-answer.jpg", "known-answer.yaml", "1/model.onnx"}
GPU = Plan("gpu", "tf32")


def built(folder: Path, plan: Plan = CPU) -> Path:
    return lay_out(b"network", packaged(REFERENCE_MODEL), folder, plan)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def configuration(made: Path) -> Any:
    return text_format.Parse((made / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


@pytest.mark.parametrize(("plan", "more"), [(CPU, {"1/model.py"}), (GPU, set())], ids=["cpu", "gpu"])
def test_the_repository_holds_all_that_triton_and_tocsin_need_and_nothing_else(plan: Plan, more: set[str], tmp_path: Path) -> None:
    made = built(tmp_path / "models", plan)
    assert files(tmp_path) == {f"models/sklesion/{name}" for name in ALL | more}
    assert (made / "1/model.onnx").read_bytes() == b"network"
    assert read_known_answer(made / "card.yaml", read_card(made / "card.yaml")) is not None


def test_a_gpu_is_served_in_batches_that_are_warm_before_the_first_event(tmp_path: Path) -> None:
    config = configuration(built(tmp_path, GPU))
    assert (config.backend, config.instance_group[0].kind) == ("onnxruntime", model_config_pb2.ModelInstanceGroup.KIND_GPU)
    assert max(each.batch_size for each in config.model_warmup) == config.max_batch_size
    assert config.dynamic_batching.max_queue_delay_microseconds > 0


@pytest.mark.parametrize(("arithmetic", "told"), [("tf32", "1"), ("float32", "0")])
def test_a_gpu_is_told_whether_it_may_compute_in_tf32_and_never_to_compute_in_float16(arithmetic: Any, told: str, tmp_path: Path) -> None:
    config = configuration(built(tmp_path, Plan("gpu", arithmetic)))
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (accelerator.name, dict(accelerator.parameters)) == ("cuda", {"use_tf32": told})


def test_every_warm_up_fills_every_input(tmp_path: Path) -> None:
    for plan in (CPU, GPU):
        config = configuration(built(tmp_path / plan.target, plan))
        wanted = {each.name: (each.data_type, list(each.dims)) for each in config.input}
        for warm_up in config.model_warmup:
            assert {name: (each.data_type, list(each.dims)) for name, each in warm_up.inputs.items()} == wanted


def test_a_build_for_another_target_replaces_an_earlier_one(tmp_path: Path) -> None:
    built(tmp_path)
    made = built(tmp_path, GPU)
    assert files(made) == ALL
    assert yaml.safe_load((made / "built.yaml").read_text())["target"] == "gpu"
    assert [path.name for path in tmp_path.iterdir()] == ["sklesion"]


def _changed(made: Path) -> None:
    (made / "config.pbtxt").write_text("max_batch_size: 16")


def _added(made: Path) -> None:
    (made / "2").mkdir()
    (made / "2" / "model.onnx").write_bytes(b"another")


def _unsigned(made: Path) -> None:
    (made / "built.yaml").unlink()


def test_what_python_compiled_when_triton_served_the_folder_stands_in_no_builds_way(tmp_path: Path) -> None:
    compiled = built(tmp_path) / "1/__pycache__/model.cpython-310.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"compiled")
    assert "1/model.py" in files(built(tmp_path))
    assert not compiled.exists()


def _compiled_of_nothing(made: Path) -> None:
    (made / "1/__pycache__").mkdir()
    (made / "1/__pycache__/other.cpython-310.pyc").write_bytes(b"compiled")


@pytest.mark.parametrize(
    ("touch", "named"),
    [(_changed, "config.pbtxt"), (_added, "2/model.onnx"), (_unsigned, "1/model.onnx"), (_compiled_of_nothing, "other")],
    ids=["changed", "added", "unsigned", "compiled"],
)
def test_a_folder_that_somebody_touched_is_left_as_it_is_and_the_files_are_named(
    touch: Callable[[Path], None], named: str, tmp_path: Path
) -> None:
    made = built(tmp_path)
    touch(made)
    before = {name: (made / name).read_bytes() for name in files(made)}
    with pytest.raises(FolderTaken, match=named):
        built(tmp_path, GPU)
    assert {name: (made / name).read_bytes() for name in files(made)} == before


def test_other_models_of_the_repository_stay(tmp_path: Path) -> None:
    other = tmp_path / "other" / "config.pbtxt"
    other.parent.mkdir()
    other.write_text("name: 'other'")
    built(tmp_path)
    assert other.read_text() == "name: 'other'"


def test_a_link_or_a_file_in_the_models_place_is_not_followed_or_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "sklesion").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderTaken, match="move it away"):
        built(tmp_path / "models")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelUnusable, match="cannot be written"):
        built(tmp_path / "file")


def test_version_2_is_laid_out_with_a_card_that_names_its_features_and_its_own_network(tmp_path: Path) -> None:
    made = built(tmp_path, Plan("cpu", edition=FEATURES))
    assert files(made) == {name.replace("1/", "2/") for name in ALL | {"1/model.py"}}
    plain, card = read_card(packaged(REFERENCE_MODEL) / "card.yaml"), read_card(made / "card.yaml")
    assert (str(card.model), card.provenance.served_sha256) == ("sklesion/2", FEATURES_SHA256)
    assert card.output.features == Features(name="features", length=2048)
    same = {"version": plain.version, "provenance": plain.provenance, "output": plain.output}
    assert card.model_copy(update=same) == plain
    assert read_known_answer(made / "card.yaml", card) is not None
    assert {each.name: list(each.dims) for each in configuration(made).output} == {"probabilities": [7], "features": [2048]}


def test_a_template_that_is_not_the_one_that_was_meant_is_refused() -> None:
    with pytest.raises(ModelUnusable, match=r"card\.yaml does not hold"):
        FEATURES.of("card.yaml", "name: another\n")
