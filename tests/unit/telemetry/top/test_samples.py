"""What is read of a process's /metrics is Tocsin's alone, under the catalogue's names, and bounded whoever answers."""

from __future__ import annotations

import pytest
from tocsin.telemetry.metrics import CONSUMER_LAG, EVENTS, HTTP_DURATION
from tocsin.telemetry.top.samples import SERIES_MAX, SHOWN, Unreadable, grouped, parsed, prometheus_name

from tests.support.telling import everything


def test_every_metric_that_is_shown_is_found_in_the_text_that_opentelemetrys_exporter_writes() -> None:
    values = parsed(everything().text())
    assert [metric.name for metric in SHOWN if not grouped([values], metric, (), max)] == []


def test_labels_of_the_catalogue_and_those_on_each_series_are_read() -> None:
    values = parsed(everything().text())
    by = ("site", "model_version", *EVENTS.labels)
    assert grouped([values], EVENTS, by, max) == {("urn:example:dermatology", "1.2.0", "x", "x", "x"): 1.0}


def test_metrics_that_are_not_shown_are_left_out() -> None:
    values = parsed(everything().text())
    assert not any(series.name.startswith(prometheus_name(HTTP_DURATION)) for series in values)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "-Inf"])
def test_a_count_that_cannot_be_is_left_out(value: str) -> None:
    assert parsed(f'tocsin_events_total{{ending="published"}} {value}\n') == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tocsin_consumer_lag{topic="t"} four\n', "Prometheus's text format"),
        ('tocsin_consumer_lag{topic="t} 4\n', "Prometheus's text format"),
        (f"tocsin_consumer_lag {'9' * 400}\n", "Prometheus's text format"),
        ('tocsin_consumer_lag{topic="t"} 1', "breaks off"),
        (f'tocsin_consumer_lag{{topic="{"t" * 3000}"}} 4\n', "a line of more than"),
        ("tocsin_consumer_lag{" + 'a="",' * 99 + "} 4\n", "a line of more than"),
        ("tocsin_consumer_lag 4\n" * (SERIES_MAX + 1), "4001 series, more than 4000"),
    ],
    ids=["no number", "no end", "too large a number", "cut short", "long", "labels", "many"],
)
def test_an_answer_that_cannot_be_read_is_refused_with_the_reason_and_none_of_its_text(text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said) as refused:
        parsed(text)
    assert "ttt" not in str(refused.value)


def test_lines_of_another_program_are_not_even_looked_at() -> None:
    assert parsed("node_load1{" * 10_000 + "\n" + "tocsin_consumer_lag 4\n") == parsed("tocsin_consumer_lag 4\n")
    assert grouped([parsed("tocsin_consumer_lag 4\n")], CONSUMER_LAG, ("topic",), max) == {("",): 4.0}
