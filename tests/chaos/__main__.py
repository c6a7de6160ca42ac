"""Faults without end on the real parts, and an independent audit of what became of every event.

Starts real Kafka, a real FHIR server that keeps its records in a file, real Triton and real Redis, two `tocsin consume`, one `tocsin work`
and `tocsin beat`, each started again when it ends, and a collector to which they send every span, metric and log line. A steady load of
good, bad and poisonous events runs while parts are killed, frozen, burnt, cut off and slowed at moments that follow from the seed. Then an
auditor that shares no code with the product reads Kafka and the FHIR server.

The last line is `faults N events M lost L duplicated D`. Exit codes: 0 every event has its one ending; 1 the audit found something, or
events waited for the collector, or no metric told what it did not get; 3 the run itself could not be done, which says nothing about the
product. The same seed gives the same faults and the same events; what meets what is up to the machine.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from kafka.errors import KafkaError
from tocsin.errors import Stop
from tocsin.terminal import terminal

from tests.chaos.evidence import EvidenceMissing
from tests.chaos.hospital import HospitalStuck
from tests.chaos.plan import ROUND, plan
from tests.chaos.run import Asked, run
from tests.chaos.tell import as_json, as_text, teller
from tests.support.command_line import COULD_NOT_RUN, end_in_order_when_told, parser, working_folder


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    end_in_order_when_told()
    asked = Asked(plan(options.seed, options.faults), options.seed, options.rate, options.settle)
    try:
        with working_folder(options.keep, "chaos") as folder:
            outcome = run(asked, folder, terminal(), teller(options.faults))
    except (Stop, HospitalStuck, EvidenceMissing, KafkaError, OSError) as reason:
        print(f"the run could not be done: {reason}", file=sys.stderr)
        return COULD_NOT_RUN
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(outcome, options.seed), indent=2))
    print(as_text(outcome))
    return 0 if outcome.clean else 1


def _options() -> argparse.ArgumentParser:
    options = parser("tests.chaos", __doc__)
    options.add_argument("--faults", type=int, default=ROUND, metavar="N", help=f"faults; of each {ROUND}, one is of each kind ({ROUND})")
    options.add_argument("--seed", type=int, default=1, metavar="S", help="which faults and events (1)")
    options.add_argument("--rate", type=float, default=3.0, metavar="R", help="events a second (3)")
    options.add_argument("--settle", type=float, default=120.0, metavar="S", help="longest wait for everything to end, seconds (120)")
    options.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found there, too")
    options.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave logs, data and manifest there")
    return options


if __name__ == "__main__":
    sys.exit(main())
