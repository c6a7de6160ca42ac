"""Repeatable ids are UUIDs of version 5, as everybody else computes them."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st
from tocsin.report.resources.identity import repeatable_id

LINES = st.text(st.characters(exclude_characters="\n", codec="utf-8"))


@given(st.uuids(), st.lists(LINES, min_size=1, max_size=6))
def test_an_id_is_the_uuid_of_version_5_of_its_lines(namespace: uuid.UUID, parts: list[str]) -> None:
    assert repeatable_id(namespace, *parts) == str(uuid.uuid5(namespace, "\n".join(parts)))
