"""What an answer to a search is taken to say, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.archive.search import search_parameters

MEDIA = {"type": "Media", "searchParam": [{"name": "modality"}, {"name": "created"}]}


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ([{"resource": [{"type": "Patient"}, MEDIA], "searchParam": [{"name": "_id"}]}], ["_id", "created", "modality"]),
        ([{"resource": [MEDIA | {"searchParam": [{"name": 5}, {}, "x", {"name": "site"}]}]}], ["site"]),
        ([{"resource": ["x", 5, None]}], []),
        ([{"resource": 5, "searchParam": 5}], []),
        (["x"], []),
        (5, []),
        (None, []),
    ],
)
def test_a_capability_statement_tells_its_search_parameters_as_far_as_it_can_be_read(rest: Any, names: list[str]) -> None:
    assert search_parameters({"rest": rest}, "Media") == names
