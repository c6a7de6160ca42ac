"""What the product does through Triton stays within the card's tolerance of the model's own contract, on real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.model_card import read_card
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.triton import Triton

from tests.measurements.data import examples, root
from tests.measurements.model import CONTRACT, Network, Served, reference_wheel, scores

EVERY = 10
"""One picture in ten; `python -m tests.measurements.fidelity --triton` takes all 1,509."""


@pytest.mark.skipif(root() is None, reason="the evaluation pictures may not be distributed; set TOCSIN_TEST_DATA to their folder")
def test_real_pictures_keep_their_score_and_their_flag_on_the_way_through_triton(reference_triton: Triton) -> None:
    pictures = examples("dermoscopy")[::EVERY]
    wanted = scores(Network(reference_wheel(), CONTRACT), pictures, told=False)
    answered = scores(Served(reference_triton.grpc_url), pictures, told=False)
    assert np.abs(wanted - answered).mean() <= 0.001
    for band in read_card(packaged(REFERENCE_CARD)).operating_point.bands[1:]:
        flipped = int(((wanted >= band.at_least) != (answered >= band.at_least)).sum())
        assert flipped <= max(1, 2 * len(pictures) // 1000)
