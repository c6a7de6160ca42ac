"""The go-live report that a promotion rests on: of the very labels that carried a site file, as that file reads the scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from tocsin.learning.about import Told, about, flow
from tocsin.learning.bands import flagged_from
from tocsin.learning.evaluation import evaluated
from tocsin.learning.labelled import Labelled
from tocsin.learning.parts import Point
from tocsin.learning.report.as_json import as_json
from tocsin.learning.scores import Tally
from tocsin.learning.types import Cases, Floats
from tocsin.model_card import ModelCard
from tocsin.risk import calibration
from tocsin.site.file import localised
from tocsin.site.parts import SiteFile
from tocsin.site.protocol import Protocol


def go_live(labelled: Labelled, candidate: SiteFile, card: ModelCard, protocol: Protocol, at: datetime) -> bytes:
    """The JSON of `tocsin evaluate` for these labels, with the sensitivity and confidence that the protocol wants."""
    local = localised(card, candidate)
    counted = _here(labelled.counted, local)
    of = about(labelled.header, local, Told(candidate.name, "", labelled.scores_sha256, at))
    point = Point(
        flagged_from(candidate.operating_point),
        protocol.sensitivity_at_least,
        protocol.confidence,
        worth_at=protocol.net_benefit.at_probability,
    )
    return as_json(evaluated(counted.cases, flow(counted), of, point, agreement=counted.agreement))


def _here(counted: Tally, card: ModelCard) -> Tally:
    def scores(own: Floats) -> Floats:
        return np.array([calibration.here(each, card) for each in own.tolist()], dtype=np.float64)

    def cases(own: Cases) -> Cases:
        return replace(own, scores=scores(own.scores))

    return replace(counted, cases=cases(counted.cases), agreement=cases(counted.agreement), unlabelled=scores(counted.unlabelled))
