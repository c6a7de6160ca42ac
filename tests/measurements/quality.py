"""What the quality checks measure on real dermoscopy, and what light and blur do to the model's answer.

Prints percentiles of each measure on two sets, how detail falls and the malignancy score moves as pictures are blurred (Gaussian, radius
in pixels of the picture) or darkened and lit up (all values multiplied), and how many pictures the proposed limits refuse. The decoder's
reduced-size mode, kept at twice the network's side, would begin at pictures of 1016 pixels a side; none here is larger than 600 x 450, so
what it does to the answer cannot be measured and it is left off for this model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter
from tocsin.image.quality import assess, measured
from tocsin.image.types import Pixels
from tocsin.model_card import QualityLimits

from tests.measurements.data import UNKNOWN, examples
from tests.measurements.model import BATCH, PRODUCT, Network, arguments, malignancy, reference_wheel
from tests.measurements.statistics import Floats

PERCENTILES = (0, 0.1, 0.5, 1, 50, 99, 99.5, 99.9, 100)
MEASURES = ("shorter side", "aspect", "luma mean", "luma deviation", "detail")
BLURS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
LIGHTS = (1.5, 1.2, 1.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1)
PROPOSED = QualityLimits(
    side_px_min=224, aspect_ratio_max=2, luma_mean_min=75, luma_mean_max=230, luma_deviation_min=4, detail_min=3
)  # fmt: skip


def main() -> None:
    """Prints the tables of both sets."""
    options = arguments(__doc__)
    options.add_argument("--altered", type=int, default=100, help="pictures of each set that are blurred and darkened")
    chosen = options.parse_args()
    network = Network(reference_wheel(), PRODUCT)
    for name in ("dermoscopy", "dermoscopy_site"):
        labelled = examples(name, chosen.limit)
        pictures = [PRODUCT.pixels(example.path) for example in labelled]
        _distribution(name, pictures)
        spread = np.linspace(0, len(pictures) - 1, min(chosen.altered, len(pictures))).astype(int)
        _altered(network, name, [pictures[at] for at in spread])


def measure(pixels: Pixels) -> list[float]:
    """The five numbers that QualityLimits bound, in the order of MEASURES."""
    short, long = sorted(pixels.shape[:2])
    return [short, long / short, *measured(pixels)]


def blurred(radius: float) -> Callable[[Pixels], Pixels]:
    """Gaussian blur; radius = standard deviation in pixels."""
    return lambda pixels: np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def lit(factor: float) -> Callable[[Pixels], Pixels]:
    """More or less light: every value multiplied."""
    return lambda pixels: np.minimum(pixels * factor, 255).astype(np.uint8)


def _distribution(name: str, pictures: Sequence[Pixels]) -> None:
    table = np.array([measure(picture) for picture in pictures])
    print(f"\n## {name}, n={len(pictures)}\nmeasure", *(f"p{percentile:g}" for percentile in PERCENTILES), sep=" | ")
    for kind, values in zip(MEASURES, table.T, strict=True):
        print(kind, *(f"{value:.4g}" for value in np.percentile(values, PERCENTILES)), sep=" | ")
    print("refused by the proposed limits:", dict(_refusals(pictures)), flush=True)


def _altered(network: Network, name: str, pictures: Sequence[Pixels]) -> None:
    """How measures and score move as pictures get worse."""
    sharp = _scores(network, pictures)
    print(f"### {name}, {len(pictures)} pictures altered")
    print("alteration | luma mean p50 | detail p50, p95, max | score moved: mean, mean up or down, p95 | flips at 0.5, at 0.011 | refused")
    ways = [(f"blur {radius:g}", blurred(radius)) for radius in BLURS] + [(f"light x {factor:g}", lit(factor)) for factor in LIGHTS]
    for way, alter in ways:
        worse = [alter(picture) for picture in pictures]
        print(way, *_columns(sharp, _scores(network, worse), worse), sep=" | ", flush=True)


def _columns(before: Floats, after: Floats, worse: Sequence[Pixels]) -> tuple[object, ...]:
    table, moved = np.array([measure(picture) for picture in worse]), after - before
    movement = f"{np.abs(moved).mean():.3f}, {moved.mean():+.3f}, {np.percentile(np.abs(moved), 95):.3f}"
    details = ", ".join(f"{value:.3g}" for value in np.percentile(table[:, 4], [50, 95, 100]))
    flips = ", ".join(str(((before >= at) != (after >= at)).sum()) for at in (0.5, 0.011))
    return f"{np.median(table[:, 2]):.3g}", details, movement, flips, dict(_refusals(worse))


def _scores(network: Network, pictures: Sequence[Pixels]) -> npt.NDArray[np.float32]:
    parts = [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]
    return malignancy(np.concatenate([network.of_pixels(part, [UNKNOWN] * len(part)) for part in parts]))


def _refusals(pictures: Sequence[Pixels]) -> Counter[str]:
    found = (assess(picture, PROPOSED) for picture in pictures)
    return Counter(obstacle.reason for obstacle in found if obstacle)


if __name__ == "__main__":
    main()
