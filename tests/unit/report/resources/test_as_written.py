"""A report that was just written is told of as the record will tell it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tocsin.event.types import ImagingEvent
from tocsin.report.resources.compose import compose
from tocsin.report.resources.mark import as_written, stored_report

from tests.builders import event_json, grounds_on, picture
from tests.unit.report.resources.test_compose import BELOW, DARK, HIGH, ISSUER, NOW

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("judgement", [HIGH, BELOW, DARK], ids=["high", "below-threshold", "not-assessable"])
@pytest.mark.parametrize("study", [None, "ImagingStudy/s1"], ids=["no-study", "study"])
@pytest.mark.parametrize("trace_id", [None, TRACE], ids=["no-trace", "trace"])
def test_a_report_as_written_is_the_report_as_it_is_read(judgement: Any, study: str | None, trace_id: str | None) -> None:
    event = ImagingEvent.model_validate(event_json(study=study))
    made = compose(event, picture(), grounds_on("cd"), judgement, ISSUER, NOW, trace_id)
    written = as_written(made)
    read = stored_report(orjson.loads(orjson.dumps(made.bundle["entry"][0]["resource"])))
    assert written == read
    assert written.mark is not None
    assert read.mark is not None
    assert written.mark.trace_id == read.mark.trace_id == trace_id
    assert set(written.parts) <= set(made.parts())
