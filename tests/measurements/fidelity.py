"""How far does what Tocsin sends move the model's answer, and how many flags does it flip?

Compares, picture by picture, the product's way (tocsin.image.decode with every pixel, resized in float32, sent as float16, cast to
float32 inside the graph) with the model's contract (Pillow, resized in float32, sent as float32). Both decode with Pillow and share
`resized`, so what differs is float16 alone, and EXIF rotation where a picture has any. The resize itself is held against the model's
golden answers by the unit tests. Without --triton both run in onnxruntime in this process; with it the product's own adapter asks the
Triton at HOST:PORT (`tocsin demo --stay` keeps one up), with no patient facts.
"""

from __future__ import annotations

import numpy as np

from tests.measurements.data import examples
from tests.measurements.model import CONTRACT, PRODUCT, Answers, Network, Served, arguments, reference_wheel, scores
from tests.measurements.statistics import Booleans, Floats, threshold_for

GIVEN = (0.011, 0.5)
SETS = (("dermoscopy", False), ("dermoscopy_site", False), ("dermoscopy_site", True))


def main() -> None:
    """Prints one row for each set."""
    parser, wheel = arguments(__doc__), reference_wheel()
    parser.add_argument("--triton", metavar="HOST:PORT", help="ask this Triton for the product's answers")
    options = parser.parse_args()
    contract = Network(wheel, CONTRACT)
    product: Answers = Served(options.triton) if options.triton else Network(wheel, PRODUCT)
    thresholds: list[float] = []
    for name, told in [each for each in SETS if not (options.triton and each[1])]:
        labelled = examples(name, options.limit)
        wanted, sent = scores(contract, labelled, told=told), scores(product, labelled, told=told)
        thresholds = thresholds or _thresholds(wanted, np.array([example.malignant for example in labelled]))
        print(f"{name}, {'facts given' if told else 'no facts'}, n={len(labelled)}: {_row(wanted, sent, thresholds)}", flush=True)


def _thresholds(wanted: Floats, truth: Booleans) -> list[float]:
    """The two given ones, and those of 95 % and 90 % sensitivity on the first set."""
    return [*GIVEN, *(threshold_for(wanted, truth, share) for share in (0.95, 0.90))]


def _row(wanted: Floats, sent: Floats, thresholds: list[float]) -> str:
    gap = np.abs(wanted - sent)
    flips = ", ".join(f"{int(((wanted >= at) != (sent >= at)).sum())} at {at:g}" for at in thresholds)
    return f"|difference| mean {gap.mean():.5f}, p95 {np.percentile(gap, 95):.5f}, max {gap.max():.5f}; flags flipped: {flips}"


if __name__ == "__main__":
    main()
