"""The metrics of several processes are one page."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families
from tocsin.telemetry.merged import merging

FIRST = """# HELP tocsin_events_total Events.
# TYPE tocsin_events_total counter
tocsin_events_total{ending="published",site="a"} 3.0
# TYPE tocsin_stage_duration_seconds histogram
tocsin_stage_duration_seconds_bucket{le="1.0",site="a"} 1.0
tocsin_stage_duration_seconds_bucket{le="+Inf",site="a"} 2.0
tocsin_stage_duration_seconds_count{site="a"} 2.0
tocsin_stage_duration_seconds_sum{site="a"} 4.5
"""
SECOND = FIRST.replace("3.0", "5.0")


def read(texts: Mapping[str, str]) -> dict[tuple[str, str, str], float]:
    """Name, process and bound -> value."""
    body = b"".join(merging(lambda: texts)({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}, lambda *_: None))
    families = text_string_to_metric_families(body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(each.name, each.labels.get("process", ""), each.labels.get("le", "")): each.value for each in samples}


def test_each_series_says_whose_it_is() -> None:
    found = read({"0": FIRST, "1": SECOND})
    assert found["tocsin_events_total", "0", ""] == 3.0
    assert found["tocsin_events_total", "1", ""] == 5.0
    assert found["tocsin_stage_duration_seconds_bucket", "1", "1.0"] == 1.0
    assert found["tocsin_stage_duration_seconds_sum", "0", ""] == 4.5
    assert len(found) == 10


def test_a_process_whose_page_is_no_metrics_is_left_out() -> None:
    assert read({"0": FIRST, "1": 'tocsin{a="'}) == read({"0": FIRST})


def test_a_fleet_none_of_whose_members_answers_has_an_empty_page() -> None:
    assert read({}) == {}
