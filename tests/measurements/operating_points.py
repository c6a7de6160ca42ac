"""What the reference model can and cannot tell: the figures of its card.

Scores are the product's (float16 on the wire), run in onnxruntime in this process. Shares carry their 95 % Wilson interval and their
counts, AUROC a bootstrap interval. A flag is a malignancy score (akiec + bcc + mel) from the threshold on. `dermoscopy` states no
patient facts; the others do, and are scored with and without. scc counts as malignant and is a class the model does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from tests.measurements.data import Example, examples
from tests.measurements.model import PRODUCT, Network, arguments, reference_wheel, scores
from tests.measurements.statistics import (
    Booleans,
    Floats,
    auroc,
    auroc_interval,
    calibration_error,
    predictive_value,
    sensitivity,
    share,
    specificity,
    threshold_for,
)

CANDIDATES = (0.011, 0.5)

GROUPS: Mapping[str, Callable[[Example], str]] = {
    "sex": lambda example: example.facts.sex,
    "age": lambda example: _age_group(example.facts.age),
    "skin tone": lambda example: example.skin_tone,
    "body site": lambda example: example.site or "not stated",
    "diagnosis": lambda example: example.dx,
}


def main() -> None:
    """Prints the tables one after another."""
    options = arguments(__doc__).parse_args()
    network = Network(reference_wheel(), PRODUCT)
    home = examples("dermoscopy", options.limit)
    untold = scores(network, home, told=False)
    thresholds = [*CANDIDATES, *(threshold_for(untold, _truth(home), wanted) for wanted in (0.95, 0.90))]
    _set("dermoscopy, no facts", home, untold, thresholds)
    _table("dermoscopy, no facts", ["diagnosis"], home, untold)
    for name in ("dermoscopy_site", "close_up"):
        _away(network, name, examples(name, options.limit), thresholds)


def _away(network: Network, name: str, labelled: Sequence[Example], thresholds: Sequence[float]) -> None:
    told, untold = scores(network, labelled, told=True), scores(network, labelled, told=False)
    _set(f"{name}, facts given", labelled, told, thresholds)
    _set(f"{name}, no facts", labelled, untold, thresholds)
    _paired(labelled, told, untold, thresholds)
    _table(f"{name}, facts given", GROUPS, labelled, told)


def _set(title: str, labelled: Sequence[Example], score: Floats, thresholds: Sequence[float]) -> None:
    truth, melanoma = _truth(labelled), np.array([example.dx == "mel" for example in labelled])
    low, high = auroc_interval(score, truth)
    print(f"\n## {title}: {len(labelled)} pictures, {truth.sum()} malignant, {melanoma.sum()} melanomas")
    print(f"AUROC {auroc(score, truth):.3f} [{low:.3f}, {high:.3f}], ECE {calibration_error(score, truth):.3f}")
    print("threshold | sensitivity | of melanoma | specificity | PPV | flagged")
    for at in thresholds:
        columns = (sensitivity(score, truth, at), share(score[melanoma] >= at), specificity(score, truth, at))
        print(f"{at:g}", *columns, predictive_value(score, truth, at), f"{(score >= at).mean():.3f}", sep=" | ", flush=True)


def _paired(labelled: Sequence[Example], told: Floats, untold: Floats, thresholds: Sequence[float]) -> None:
    """Malignant and benign lesions that only one of the two flags."""
    truth = _truth(labelled)
    print(f"facts move the score by {np.abs(told - untold).mean():.3f} on average; flagged only when told / only when not told:")
    for at in thresholds:
        gained, lost = (told >= at) & (untold < at), (told < at) & (untold >= at)
        malignant, benign = f"{gained[truth].sum()} / {lost[truth].sum()}", f"{gained[~truth].sum()} / {lost[~truth].sum()}"
        print(f"{at:g}: malignant {malignant}, benign {benign}", flush=True)


def _table(title: str, groupings: Iterable[str], labelled: Sequence[Example], score: Floats) -> None:
    print(f"\n### {title}, by group")
    print("group | n", *(f"sensitivity {at:g} | specificity {at:g}" for at in CANDIDATES), sep=" | ")
    truth = _truth(labelled)
    for grouping in groupings:
        groups = np.array([GROUPS[grouping](example) for example in labelled])
        for group in sorted(set(groups.tolist())):
            inside = groups == group
            columns = [form(score[inside], truth[inside], at) for at in CANDIDATES for form in (sensitivity, specificity)]
            print(f"{grouping} {group}", inside.sum(), *columns, sep=" | ", flush=True)


def _truth(labelled: Sequence[Example]) -> Booleans:
    return np.array([example.malignant for example in labelled])


def _age_group(age: float | None) -> str:
    """Years, in the bands of the card."""
    if age is None:
        return "not stated"
    return next(name for below, name in ((40, "0-39"), (60, "40-59"), (75, "60-74"), (999, "75+")) if age < below)


if __name__ == "__main__":
    main()
