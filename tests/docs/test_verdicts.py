"""deploy/verdicts.md says every act, every code and every reason, and no others."""

from __future__ import annotations

import re
from typing import Final

from tocsin.review.reasons import reasons_for
from tocsin.review.rules import Bar
from tocsin.review.types import Act

from tests.support.queries import DEPLOY

PAGE: Final = (DEPLOY / "verdicts.md").read_text()


def table(head: str) -> dict[str, str]:
    """First cell, without its backticks, -> the rest of the row."""
    rows = PAGE.split(head, maxsplit=1)[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return {row.split("|")[1].strip(" `"): row for row in rows}


def test_each_act_stands_in_the_table_with_the_codes_that_it_may_give() -> None:
    rows = table("| act |")
    assert set(rows) == {act.value for act in Act}
    for act in Act:
        codes = re.findall(r"`([a-z-]+)`", rows[act.value].split("|")[2])
        assert codes == [each.code for each in reasons_for(act)]


def test_each_reason_why_a_verdict_is_not_in_the_record_stands_in_the_table() -> None:
    assert sorted(table("| reason |")) == sorted(each.value for each in Bar)
