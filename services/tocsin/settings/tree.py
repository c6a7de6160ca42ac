"""Reads the settings of a process: one frozen tree, from TOCSIN_* variables and nowhere else.

`TOCSIN_KAFKA__GROUP_ID=x` sets `kafka.group_id`; lists are JSON (`TOCSIN_IMAGE__URL_ORIGINS_ALLOWED='["https://pacs.example.org"]'`).
A secret may stand in a file: `TOCSIN_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka`. Reading settings touches no network and no other file.
"""

from __future__ import annotations

import os

from pydantic import model_validator

from tocsin import environment
from tocsin.settings.audit import AuditSettings
from tocsin.settings.cds import CdsSettings
from tocsin.settings.evaluate import EvaluateSettings
from tocsin.settings.gone import GONE
from tocsin.settings.neighbours import FhirSettings, KafkaSettings, RedisSettings, TritonSettings
from tocsin.settings.page import PageSettings
from tocsin.settings.paper import PaperSettings
from tocsin.settings.processes import (
    BackfillSettings,
    ConsumeSettings,
    LogSettings,
    MetricsSettings,
    OtlpSettings,
    ReconcileSettings,
    ReplaySettings,
    TracesSettings,
    WorkSettings,
)
from tocsin.settings.serve import ServeSettings
from tocsin.settings.stages import ImageSettings, ModelSettings, ReportSettings
from tocsin.settings.values import Group
from tocsin.settings.verdicts import VerdictSettings
from tocsin.settings.watch import WatchSettings
from tocsin.settings.worklist import NotifySettings, WorklistSettings


class Settings(Group):
    """All settings, in their groups."""

    kafka: KafkaSettings = KafkaSettings()
    consume: ConsumeSettings = ConsumeSettings()
    replay: ReplaySettings = ReplaySettings()
    fhir: FhirSettings = FhirSettings()
    image: ImageSettings = ImageSettings()
    triton: TritonSettings = TritonSettings()
    model: ModelSettings = ModelSettings()
    report: ReportSettings = ReportSettings()
    paper: PaperSettings = PaperSettings()
    log: LogSettings = LogSettings()
    redis: RedisSettings = RedisSettings()
    work: WorkSettings = WorkSettings()
    metrics: MetricsSettings = MetricsSettings()
    otlp: OtlpSettings = OtlpSettings()
    traces: TracesSettings = TracesSettings()
    backfill: BackfillSettings = BackfillSettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    verdicts: VerdictSettings = VerdictSettings()
    serve: ServeSettings = ServeSettings()
    cds: CdsSettings = CdsSettings()
    worklist: WorklistSettings = WorklistSettings()
    notify: NotifySettings = NotifySettings()
    page: PageSettings = PageSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    watch: WatchSettings = WatchSettings()
    audit: AuditSettings = AuditSettings()

    @model_validator(mode="after")
    def _in_step(self) -> Settings:
        if self.backfill.pause_max_s + self.work.task_kill_after_s >= self.work.visibility_timeout_s:
            raise ValueError(
                "TOCSIN_BACKFILL__PAUSE_MAX_S and TOCSIN_WORK__TASK_KILL_AFTER_S together must be below "
                "TOCSIN_WORK__VISIBILITY_TIMEOUT_S: a task that a worker still holds would be handed out a second time"
            )
        if self.reconcile.run_s >= self.work.task_timeout_s:
            raise ValueError(
                "TOCSIN_RECONCILE__RUN_S must be below TOCSIN_WORK__TASK_TIMEOUT_S, or a run is stopped before it notes where to go on"
            )
        if self.verdicts.retry_run_s >= self.work.task_timeout_s:
            raise ValueError("TOCSIN_VERDICTS__RETRY_RUN_S must be below TOCSIN_WORK__TASK_TIMEOUT_S, or a run is stopped in a try")
        return self


def read_settings() -> Settings:
    """The settings of this process's environment. Raises ConfigurationError: what is wrong with each variable, and what it should be."""
    return reading().settings


def reading() -> environment.Reading[Settings]:
    """The settings of this process's environment, and where each comes from. Raises as read_settings does."""
    return environment.read(Settings, os.environ, GONE)
