"""Logs, traces, health pages and checks; they carry ids and hashes only."""

from typing import Final

SCOPE: Final = "tocsin"
"""Name of the instrumentation scope of metrics, spans and lines (OpenTelemetry, Instrumentation Scope)."""
