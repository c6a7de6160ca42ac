"""Each interval holds the truth as often as it says: a few simulated sites here, thousands by `python -m tests.learning.coverage`."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.learning.types import Interval

from tests.learning.coverage import SCENARIOS, Scenario, covered
from tests.learning.simulated import Random


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_an_interval_covers(scenario: Scenario) -> None:
    found = covered(scenario, 12 if scenario.dear else 60)
    assert found.holds, found


def test_an_interval_that_is_too_narrow_is_caught() -> None:
    def narrow(random: Random) -> list[tuple[Interval, float]]:
        middle = float(random.normal())
        return [(Interval(middle, middle - 1.3, middle + 1.3), 0.0)]

    assert not covered(Scenario("1.3 for 1.96 standard errors", narrow), 2000).holds
    assert np.isclose(covered(Scenario("1.3 for 1.96 standard errors", narrow), 2000).covered, 0.806, atol=0.03)
