"""The settings of every process, a frozen model for each group of variables; `tree` reads them."""

from tocsin.settings.neighbours import FhirSettings, KafkaSettings, RedisSettings, TritonSettings
from tocsin.settings.page import PageSettings
from tocsin.settings.processes import (
    BackfillSettings,
    ConsumeSettings,
    LogSettings,
    MetricsSettings,
    OtlpSettings,
    QueryApi,
    ReconcileSettings,
    ReplaySettings,
    TracesSettings,
    WorkSettings,
)
from tocsin.settings.stages import ImageSettings, ModelSettings, OriginCredentials, ReportSettings
from tocsin.settings.tree import Settings, read_settings, reading

__all__ = [
    "BackfillSettings",
    "ConsumeSettings",
    "FhirSettings",
    "ImageSettings",
    "KafkaSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "OriginCredentials",
    "OtlpSettings",
    "PageSettings",
    "QueryApi",
    "ReconcileSettings",
    "RedisSettings",
    "ReplaySettings",
    "ReportSettings",
    "Settings",
    "TracesSettings",
    "TritonSettings",
    "WorkSettings",
    "read_settings",
    "reading",
]
