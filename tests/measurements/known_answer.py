"""Makes the picture whose answer is known, beside the reference card: `.venv/bin/python -m tests.measurements.known_answer`.

Of 40 drawn pictures (seeds 0 to 39) this one's answer moves most where a picture is shown wrongly: 0.06 with colours in another order,
0.08 mirrored, 0.04 transposed, 0.51 divided by 255, 0.02 without what is known of the patient; and 0.002 where each pixel is off by up to
one, as another JPEG decoder makes it. The tolerance lies between.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import yaml
from tocsin.image.decode import decode
from tocsin.inference.inputs import image_tensor
from tocsin.inference.known import FILE, KnownAnswer, KnownFacts
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, REFERENCE_MODEL, packaged
from tocsin.sandbox import triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.demo.lesions import lesion
from tocsin.sandbox.reference import reference_repository
from tocsin.settings import TritonSettings
from tocsin.terminal import Silent

SEED: Final = 30
TOLERANCE: Final = 0.01
PICTURE: Final = "known-answer.jpg"
FACTS: Final = KnownFacts(sex="female", age_years=55, body_site_codes=("22943007",))


def main() -> None:
    """Ask the reference model and write both files."""
    folder = packaged(REFERENCE_MODEL)
    card, picture = read_card(packaged(REFERENCE_CARD)), lesion(SEED)
    with TemporaryDirectory() as name:
        models = reference_repository(Path(name), cache_folder(os.environ), Silent(), threading.Event())
        server = triton.start(models, Path(name) / "triton")
        with closing(TritonClassifier(TritonSettings(grpc_url=server.grpc_url), card)) as classifier:
            pixels = decode(picture, pixels_max=10**7, reduce_to_px=card.reduce_to_px, reference=PICTURE)
            answered = classifier.classify(image_tensor(pixels, card.image), FACTS.facts).probabilities
        server.stop()
    known = KnownAnswer(
        model=str(card.model),
        served_sha256=card.provenance.served_sha256,
        picture=PICTURE,
        picture_sha256=hashlib.sha256(picture).hexdigest(),
        drawn=f"tocsin.sandbox.demo.lesions.lesion({SEED}): it shows nobody, and its scores mean nothing",
        asked=".venv/bin/python -m tests.measurements.known_answer (Triton's Python backend on a CPU)",
        facts=FACTS,
        probabilities={code: round(value, 6) for code, value in answered.items()},
        tolerance=TOLERANCE,
    )
    (folder / PICTURE).write_bytes(picture)
    head = "# A picture whose answer is known: `tocsin check` asks the served model about it. To be made anew with each new network.\n"
    (folder / FILE).write_text(head + yaml.safe_dump(known.model_dump(mode="json"), sort_keys=False, width=140))


if __name__ == "__main__":
    main()
