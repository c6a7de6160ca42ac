"""Measures the input gate on real pictures: `.venv/bin/python -m tests.learning.input_gate`.

Cross-validation by lesion: each picture is refused, or not, by a gate whose weights and threshold both come from other lesions. The right
kind is all dermoscopy at hand, the other kind its close-ups. The pictures may not be distributed, nor may what is trained on them: nothing
of it is written but their features, into the product's cache. The first run asks the network about each (8 minutes on one core).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from tocsin.image.decode import decode
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.learning.gate.train import (
    RIGHT,
    TARGET,
    named,
    refusals,
    refusals_by_others,
    scores_by_others,
    shown_by,
    threshold_for,
    trained,
)
from tocsin.learning.statistics.proportions import exact_upper
from tocsin.learning.types import Bools, Floats
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.model.cpu import CpuClassifier
from tocsin.sandbox.model.edition import FEATURES
from tocsin.sandbox.model.repository import cache_key
from tocsin.sandbox.reference import reference_card, reference_network
from tocsin.terminal import Silent

from tests.measurements.data import Example, examples
from tests.measurements.model import PIXELS_MAX

WRONG: Final = "close_up"
FOLDERS: Final = ("dermoscopy", "dermoscopy_site", "dermoscopy_dark", WRONG)
BAR: Final = 0.90
SIDE: Final = 96
CARD: Final = reference_card(FEATURES)


def main() -> None:
    """Print every figure, and end with 1 where the bar is missed."""
    pictures = [(folder, each) for folder in FOLDERS for each in examples(folder)]
    features = np.concatenate([kept(folder) for folder in FOLDERS])
    kinds = [WRONG if folder == WRONG else RIGHT for folder, _ in pictures]
    lesions, tones = [each.lesion or str(each.path) for _, each in pictures], [each.skin_tone for _, each in pictures]
    seen = named(features, kinds, lesions, tones)
    refused = refusals_by_others(seen)
    shown = shown_by(seen, refused)
    print(f"{len(pictures)} pictures of {shown.lesions} lesions; threshold for {TARGET:.0%} false refusals")
    others = share_refused(scores_by_others(seen), seen.wrong)
    print(f"  by scores from other lesions, at exactly {TARGET:.0%} of the right kind: {others:.1%} of the other kind refused")
    print(f"  other kind refused: {shown.refusals}\n  right kind refused: {shown.false_refusals}")
    for folder in FOLDERS:
        of(folder, refused[[each == folder for each, _ in pictures]])
    for what, those in (("0 to 2", ("0", "1", "2")), *((tone, (tone,)) for tone in "012345")):
        for kind in ("dermoscopy", WRONG):
            of(f"{kind}, skin tone {what}", refused[(np.isin(tones, those)) & (seen.wrong == (kind == WRONG))])
    began = time.perf_counter()
    gate = trained(seen, CARD, datetime.now(UTC))
    print(f"trained in {time.perf_counter() - began:.1f} s; a decision takes {decision_us(gate.refuses, features[0]):.1f} microseconds")
    field_of_view(pictures, seen.wrong)
    if shown.refusals.refused < BAR * shown.refusals.of:
        raise SystemExit(f"below the bar of {BAR:.0%}")


def of(what: str, refused: Bools) -> None:
    """Print how many were refused, if there were any pictures."""
    if len(refused):
        print(f"  {what}: {refusals(refused)}; at most {exact_upper(int(refused.sum()), len(refused)) * 100:.1f} % (one-sided, 95 %)")


def kept(folder: str) -> npt.NDArray[np.float32]:
    """The features of a folder's pictures, in the order of its labels; asked of the network where the cache lacks them."""
    cache = cache_folder(os.environ)
    file = cache / "input-gate" / f"{folder}-{CARD.provenance.served_sha256[:12]}.npy"
    if not file.exists():
        reference_network(CARD, cache, Silent(), threading.Event())
        network = cache / "models" / cache_key(CARD.provenance.source_sha256, FEATURES)
        file.parent.mkdir(exist_ok=True)
        np.save(file, np.stack(list(asked(folder, CpuClassifier(network, CARD, with_features=True)))))
    values: npt.NDArray[np.float32] = np.load(file)
    return values


def asked(folder: str, classifier: CpuClassifier) -> Iterator[npt.NDArray[np.float32]]:
    """The network's features of each picture."""
    for each in examples(folder):
        pixels = decode(each.path.read_bytes(), pixels_max=PIXELS_MAX, reduce_to_px=None, reference=each.path.name)
        features = classifier.classify(image_tensor(pixels, CARD.image), PatientFacts()).features
        assert features is not None
        yield features.astype(np.float32)


def decision_us(refuses: object, features: npt.NDArray[np.float32], times: int = 10_000) -> float:
    """Microseconds of one decision, on average."""
    assert callable(refuses)
    began = time.perf_counter()
    for _ in range(times):
        refuses(features)
    return (time.perf_counter() - began) / times * 1e6


def field_of_view(pictures: list[tuple[str, Example]], wrong: Bools) -> None:
    """Print what simple looks at the picture's border would refuse at the same false refusals, whichever side of each counts as wrong."""
    looks = np.array([border(each.path) for _, each in pictures])
    for at, name in enumerate(("border against centre", "dark border", "spread of corners", "contrast")):
        best = max(((sign, share_refused(looks[:, at] * float(sign), wrong)) for sign in (1, -1)), key=lambda each: each[1])
        print(f"  field of view by {name}: {best[1]:.1%} of {WRONG} refused")


def share_refused(scores: Floats, wrong: Bools) -> float:
    """Of the other kind, where the threshold refuses TARGET of the right one."""
    return float((scores[wrong] > threshold_for(scores[~wrong], TARGET)).mean())


def border(path: Path) -> tuple[float, float, float, float]:
    """Luma outside the picture's circle over that within, the dark share outside, the corners' deviation, and the whole's."""
    with Image.open(path) as image:
        luma = np.asarray(image.convert("L").resize((SIDE, SIDE)), dtype=np.float64)
    rows, columns = (np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2) / (SIDE / 2)
    radius = np.hypot(rows, columns)
    outside, within = luma[radius > 1.15], luma[radius < 0.6]
    corners = [part.mean() for part in (luma[:10, :10], luma[:10, -10:], luma[-10:, :10], luma[-10:, -10:])]
    return float(outside.mean() / within.mean()), float((outside < 40).mean()), float(np.std(corners)), float(luma.std())


if __name__ == "__main__":
    main()
