"""Whether thresholds that are shown to reach a sensitivity truly reach it: on simulated sites, and on real scores split by lesion."""

from __future__ import annotations

import numpy as np
from tocsin.learning.statistics.operating_point import NotShown, Shown, threshold_for
from tocsin.learning.types import Floats

from tests.learning.real import FOLDERS, Folder, arguments, folder
from tests.learning.sites import Site

TARGET, CONFIDENCE = 0.95, 0.95
LABELS = 200


def held(sites: int, seed: int) -> tuple[int, int, Floats]:
    """Of so many simulated sites of many kinds: where the target is shown, where it is truly met there, and the true sensitivities."""
    chance = np.random.default_rng(seed)
    true: list[float] = []
    for _ in range(sites):
        site = Site(chance.uniform(0.05, 0.9), chance.uniform(0.8, 2.5), chance.uniform(-2, 2), chance.uniform(0.4, 1.3))
        scores, malignant = site.drawn(chance, int(chance.integers(100, 2_000)))
        found = threshold_for(scores, malignant, TARGET, CONFIDENCE)
        if isinstance(found, Shown):
            true.append(site.sensitivity(found.threshold))
    return len(true), int((np.array(true) >= TARGET).sum()), np.array(true)


def splits(real: Folder, count: int = 100) -> tuple[int, int, Floats]:
    """Of so many splits, 200 labels against the rest: where it is shown, where the rest meets it, and the rest's sensitivities."""
    rest: list[float] = []
    for seed in range(count):
        mine, theirs = real.split(seed, LABELS)
        found = threshold_for(real.scores[mine], real.malignant[mine], TARGET, CONFIDENCE, clusters=real.lesions[mine])
        if not isinstance(found, NotShown):
            rest.append(float((real.scores[theirs & real.malignant] >= found.threshold).mean()))
    return len(rest), int((np.array(rest) >= TARGET).sum()), np.array(rest)


def main() -> None:
    """Prints the shares beside their bars."""
    options = arguments(__doc__).parse_args()
    shown, kept, true = held(2_000, 1)
    print(f"2,000 simulated sites: shown at {shown}, truly met at {kept} of them ({kept / shown:.3f}; bar 0.95)")
    print(f"  true sensitivity: median {np.median(true):.3f}, lowest {true.min():.3f}")
    for name in FOLDERS if options.scores else ():
        real = folder(options.scores, name)
        if real is None:
            print(f"{name}: no scores in {options.scores}")
            continue
        shown, kept, rest = splits(real)
        print(f"{name}, 100 splits, {LABELS} labels against the rest: shown in {shown}, met in {kept} of them (bar 88 of 100)")
        if shown:
            print(f"  sensitivity of the rest: median {np.median(rest):.3f}, lowest {rest.min():.3f}")


if __name__ == "__main__":
    main()
