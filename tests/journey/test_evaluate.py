"""`tocsin evaluate` takes labelled pictures to a report with a Triton of its own, survives being killed, and leaves nothing behind."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from tocsin.image.decode import decode
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.learning.scores import read_scores
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.demo import lesions
from tocsin.sandbox.model.cpu import CpuClassifier
from tocsin.sandbox.reference import reference_network
from tocsin.terminal import Silent

from tests.measurements.data import LOCATION_OF_SITE
from tests.support.waiting import eventually

PICTURES = 18
DARK, MISSING, DAMAGED = 3, 18, 19
WITHIN_S = 600
SITES = ("trunk", "hand", "head_neck_face", "foot", "")
TOLERANCE = 1e-4
CARD = read_card(packaged(REFERENCE_CARD))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures of ten lesions, one too dark to see, one damaged and one that is not there; every sixth has no label."""
    folder = tmp_path_factory.mktemp("labelled")
    rows = []
    for number in range(PICTURES + 2):
        name = f"{number}.jpg"
        if number != MISSING:
            content = lesions.too_dark(number) if number == DARK else lesions.lesion(number)
            (folder / name).write_bytes(content[:9_000] if number == DAMAGED else content)
        label = "" if number % 6 == 5 else number % 2
        age, sex = 30 + 2 * number if number % 4 else "", ("female", "male", "")[number % 3]
        rows.append((name, label, age, sex, SITES[number % 5], number % 6, f"L{number // 2}", f"camera {number % 2}"))
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "malignant", "age", "sex", "site", "skin_tone", "lesion_id", "device"))
        writer.writerows(rows)
    return folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the command keeps what it writes besides; it must be empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def begun(temporary: Path, *options: str, **settings: str) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    argv = [sys.executable, "-m", "tocsin", "evaluate", *options, "--json"]
    return subprocess.Popen(argv, env={**clean, "TMPDIR": str(temporary), **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def done(temporary: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    process = begun(temporary, *options)
    out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, orjson.loads(out.splitlines()[-1]) if out else {}, err.decode()


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def rows(images: Path) -> Iterator[dict[str, str]]:
    with (images / "labels.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def independent(images: Path, names: set[str], folder: Path) -> dict[str, float]:
    """The scores by onnxruntime in this process."""
    network = folder / "model.onnx"
    network.write_bytes(reference_network(CARD, cache_folder(os.environ), Silent(), threading.Event()))
    model = CpuClassifier(network, CARD)
    return {row["file"]: _score(model, images / row["file"], row) for row in rows(images) if row["file"] in names}


def _score(model: CpuClassifier, file: Path, row: dict[str, str]) -> float:
    pixels = decode(file.read_bytes(), pixels_max=1_000_000, reduce_to_px=None, reference=file.name)
    codes = CARD.facts.site_codes.get(LOCATION_OF_SITE[row["site"]], ())[:1]
    answer = model.classify(image_tensor(pixels, CARD.image), PatientFacts(row["sex"] or None, _age(row["age"]), codes)).probabilities
    return answer["akiec"] + answer["bcc"] + answer["mel"]


def _age(word: str) -> float | None:
    return float(word) if word else None


def running_below(folder: Path) -> list[str]:
    """Command lines of the processes that name the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [each for each in found if f"{folder}/" in each]


def test_from_labelled_pictures_to_the_report_with_a_kill_in_between(images: Path, temporary: Path, tmp_path: Path) -> None:
    out = tmp_path / "evaluation"
    options = ("--images", str(images), "--out", str(out))
    process = begun(temporary, *options, TOCSIN_EVALUATE__PICTURES_AT_ONCE="1")
    eventually(lambda: lines(out / "scores.jsonl") > 3 or process.poll() is not None, within_s=WITHIN_S, what="the first scores")
    process.kill()
    eventually(lambda: not running_below(temporary), within_s=WITHIN_S, what="the end of its Triton and of that one's backend")
    process.communicate()
    before = lines(out / "scores.jsonl")
    assert 3 < before < PICTURES
    for left in temporary.iterdir():  # what a killed process cannot take away
        subprocess.run(["rm", "-r", str(left)], check=True)

    code, told, said = done(temporary, *options)
    assert code == 0, said
    assert "going on with" in said
    assert list(temporary.iterdir()) == []

    header, scored = read_scores(out / "scores.jsonl")
    found = {each.picture: each for each in scored}
    assert lines(out / "scores.jsonl") == 1 + PICTURES + 2 == 1 + len(found)
    refusals = Counter(each.refusal for each in found.values() if each.refusal)
    assert refusals == {"too-dark": 1, "file-missing": 1, "image-truncated": 1}
    assert (header.model, header.source, header.modality) == ("sklesion/1", "folder", "DMS")

    expected = independent(images, {name for name, each in found.items() if each.score is not None}, tmp_path)
    assert len(expected) == PICTURES - 1
    assert max(abs(score - (found[name].score or 0)) for name, score in expected.items()) < TOLERANCE

    unlabelled = sum(each.malignant is None and each.score is not None for each in found.values())
    assert told["n"] == PICTURES + 1
    assert told["n_scored"] == PICTURES - 1 - unlabelled
    assert (told["unlabelled"], told["not_assessable"], told["refused_rows"]) == (unlabelled, 2, 1)
    assert {"auroc", "ece", "ici", "sensitivity", "specificity"} <= told.keys()
    assert Path(told["report"]).read_text().startswith("<!DOCTYPE html>")
    assert Path(told["scores"]) == (out / "scores.jsonl").resolve()


def test_ctrl_c_while_triton_starts_leaves_nothing(images: Path, temporary: Path, tmp_path: Path) -> None:
    process = begun(temporary, "--images", str(images), "--out", str(tmp_path / "evaluation"))
    eventually(lambda: any(temporary.glob("*/triton/log.txt")) or process.poll() is not None, within_s=WITHIN_S, what="Triton's start")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode != 0
    assert b"Traceback" not in err
    assert list(temporary.iterdir()) == []
