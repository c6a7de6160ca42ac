"""tocsin serve: the pages by which clinicians meet flags."""

from __future__ import annotations

from typing import Final

from tocsin.bootstrap import serve as bootstrap
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.telemetry import observed
from tocsin.settings import read_settings
from tocsin.stopping import stopped_by_signals
from tocsin.telemetry.log import logger, set_up_logs

SERVICE: Final = "tocsin-serve"


def serve() -> None:
    """Show flags to clinicians in their EHR, until stopped: SMART App Launch, sessions, pages.

    An EHR launches it at TOCSIN_SERVE__PUBLIC_URL/launch; a clinician logs in there, and Tocsin reads the record with their own token,
    which never leaves the server. Each EHR is one entry of TOCSIN_SERVE__ISSUERS; deploy/serve.md says what to register there.
    Browsers must reach it over https: put the site's proxy before it. Sessions stand in Redis, sealed; losing it logs everybody off.

    Run one or more behind one address; they share the sessions. SIGTERM or Ctrl-C makes /ready fail, and after
    TOCSIN_SERVE__LINGER_S requests under way may end within TOCSIN_SERVE__DRAIN_TIMEOUT_S.

    At its start it reads the flags and verdicts of 30 days from Kafka, for the worklist, and follows them from there on.

    On TOCSIN_METRICS__PORT it answers GET /live (200 while it gets on; 503 where a restart would help) and GET /ready (200 where Redis
    took writes once since the start, and the worklist is whole: while Redis is away afterwards, pages say so and CDS Hooks goes on). On one
    machine each process needs a port of its own. GET /metrics there is for Prometheus.

    Example, for one EHR:

    TOCSIN_SERVE__PUBLIC_URL=https://tocsin.example.org TOCSIN_SERVE__ISSUERS='{"https://ehr.example.org/fhir": {"client_id": "tocsin"}}'
    TOCSIN_METRICS__PORT=9468 tocsin serve

    Exit codes: 0 stopped on request; 70 Tocsin itself failed; 78 a setting is wrong.
    """
    settings = read_settings()
    set_up_logs(settings.log)
    stopping = stopped_by_signals()
    with observed(settings, SERVICE, card_in_use(settings.model)) as metrics, bootstrap.serve(settings, metrics) as running:
        logger().info("serving", detail=settings.serve.public_url, port=running.health_port)
        stopping.wait()
        running.end()
