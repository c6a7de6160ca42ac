"""The settings of every process, a frozen model for each group of variables; `tree` reads them."""

from tocsin.settings.audit import AuditSettings
from tocsin.settings.cds import CdsIssuer, CdsSettings
from tocsin.settings.evaluate import EvaluateSettings
from tocsin.settings.neighbours import FhirSettings, KafkaSettings, RedisSettings, TritonSettings
from tocsin.settings.page import PageSettings
from tocsin.settings.paper import PaperSettings
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
from tocsin.settings.serve import IssuerSettings, ServeSettings
from tocsin.settings.stages import (
    REPORT_CATEGORIES,
    RESULT_CATEGORIES,
    ImageSettings,
    ModelSettings,
    OriginCredentials,
    ReportSettings,
)
from tocsin.settings.tree import Settings, read_settings, reading
from tocsin.settings.verdicts import VerdictSettings
from tocsin.settings.watch import WatchSettings
from tocsin.settings.worklist import NotifySettings, WorklistSettings

__all__ = [
    "REPORT_CATEGORIES",
    "RESULT_CATEGORIES",
    "AuditSettings",
    "BackfillSettings",
    "CdsIssuer",
    "CdsSettings",
    "ConsumeSettings",
    "EvaluateSettings",
    "FhirSettings",
    "ImageSettings",
    "IssuerSettings",
    "KafkaSettings",
    "LogSettings",
    "MetricsSettings",
    "ModelSettings",
    "NotifySettings",
    "OriginCredentials",
    "OtlpSettings",
    "PageSettings",
    "PaperSettings",
    "QueryApi",
    "ReconcileSettings",
    "RedisSettings",
    "ReplaySettings",
    "ReportSettings",
    "ServeSettings",
    "Settings",
    "TracesSettings",
    "TritonSettings",
    "VerdictSettings",
    "WatchSettings",
    "WorkSettings",
    "WorklistSettings",
    "read_settings",
    "reading",
]
