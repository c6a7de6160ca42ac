"""Patient facts and picture become exactly the tensors the card describes; what is missing counts as unknown."""

from __future__ import annotations

import numpy as np
import pytest
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import facts_tensor, image_tensor

from tests.builders import card
from tests.support.pictures import textured

CARD = card()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (PatientFacts("female", 45.0, ("53120007",)), [1, 0, 0, 1, 0, 0, 0.5, 0]),
        (PatientFacts("male", 90.0, ("22943007", "0")), [0, 1, 0, 0, 1, 0, 1.0, 0]),
        (PatientFacts("other", 0.0, ("99",)), [0, 0, 1, 0, 0, 1, 0.0, 0]),
        (PatientFacts(), [0, 0, 1, 0, 0, 1, 51.9 / 90, 1]),
        (PatientFacts("unknown", None, ("53120007", "22943007")), [0, 0, 1, 0, 0, 1, 51.9 / 90, 1]),
    ],
    ids=["all-known", "other-codes-are-ignored", "unlisted", "all-missing", "sites-that-disagree"],
)
def test_patient_facts_are_coded_as_the_card_says(facts: PatientFacts, expected: list[float]) -> None:
    tensor = facts_tensor(facts, CARD.facts)
    assert tensor.dtype == np.float32
    assert tensor.shape == (CARD.facts.length,)
    np.testing.assert_allclose(tensor, np.array(expected, dtype=np.float32))


@pytest.mark.parametrize(("datatype", "dtype"), [("FP16", np.float16), ("FP32", np.float32)])
def test_a_picture_has_the_cards_size_and_type_and_keeps_its_range(datatype: str, dtype: type[np.generic]) -> None:
    tensor = image_tensor(np.asarray(textured()), CARD.image.model_copy(update={"datatype": datatype}))
    assert tensor.shape == (16, 16, 3)
    assert tensor.dtype == dtype
    assert 0 <= tensor.min() < tensor.max() <= 255
