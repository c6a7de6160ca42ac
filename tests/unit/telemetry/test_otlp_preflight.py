"""`tocsin check` says whether the collector takes what would be sent to it."""

from __future__ import annotations

from typing import get_args

import pytest
from tocsin.settings import OtlpSettings
from tocsin.telemetry.otlp import Signal
from tocsin.telemetry.otlp_preflight import otlp_preflight

from tests.support.otlp import Protocol, collector

SIGNALS: tuple[Signal, ...] = get_args(Signal)


def asked(endpoint: str | None, protocol: Protocol = "http/protobuf", *signals: Signal) -> list[tuple[str, bool | None]]:
    settings = OtlpSettings(endpoint=endpoint, protocol=protocol, signals=signals or SIGNALS, timeout_s=2)
    return [(each.what, each.passed) for each in otlp_preflight(settings)]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_takes_every_signal_passes(protocol: Protocol) -> None:
    with collector(protocol) as found:
        assert asked(found.endpoint, protocol) == [(what, True) for signal in SIGNALS for what in ("connection", signal)]


def test_a_collector_that_refuses_fails_with_the_signal() -> None:
    with collector() as found:
        found.status = 401
        assert asked(found.endpoint, "http/protobuf", "traces") == [("connection", True), ("traces", False)]


def test_nobody_at_the_address_is_one_finding() -> None:
    assert asked("http://127.0.0.1:1") == [("connection", False)]


def test_without_a_collector_there_is_nothing_to_look_at() -> None:
    assert asked(None) == []
