"""How the figures were computed, with their sources."""

from __future__ import annotations

from typing import Final

from tocsin.words.catalogue import to_say

METHODS: Final = (
    to_say(
        "Sensitivity, specificity and predictive values: exact intervals (Clopper and Pearson 1934); where a patient or lesion has several "
        "pictures, with an effective number of pictures (Korn and Graubard 1998); where labels were sought with known probabilities, "
        "weighted by their inverse (Hajek) with limits that know what an unseen miss would weigh (Fay and Feuer 1997)."
    ),
    to_say(
        "The bound that has to reach the target is one-sided, and made as those intervals are: exact only where each picture stands for "
        "itself. A target that is not reached is no proof that the model lacks it."
    ),
    to_say(
        "AUROC: DeLong 1988 on the logit scale, over patients or lesions (Obuchowski 1997); beside it 1,000 draws of whole patients or "
        "lesions."
    ),
    to_say(
        "Calibration: intercept and slope by logistic recalibration (Cox 1958), observed over expected, the smooth curve (Cleveland 1979) "
        "and its mean distance, the integrated calibration index (Austin and Steyerberg 2019). Hosmer and Lemeshow's test is left out on "
        "purpose."
    ),
    to_say("Net benefit: Vickers and Elkin 2006. Intervals by Wilson's limits, joined by MOVER (Zou 2008)."),
    to_say(
        "Groups: each group's own interval, and an estimate shrunken towards the column's by a beta-binomial model (empirical Bayes). "
        "Claims about several groups, and alarms, are adjusted for their number (Holm 1979)."
    ),
    to_say("How many more cancers it takes: the exact binomial test at the rate of misses seen here."),
    to_say(
        "A picture without a label is in no figure, and never benign. A clinician's verdict, given with the flag in sight, is agreement "
        "and never truth."
    ),
)
