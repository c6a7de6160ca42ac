"""Installs the chart on a real API server of Kubernetes, once for each file of values in helm/tocsin/ci, and through its whole life.

Builds kube-apiserver once (Go; minutes), unpacks etcd from Debian's package, loads the definitions of KEDA and of the Prometheus operator,
and makes namespaces that take only pods of Kubernetes' restricted standard. helm works there with rights in its namespace alone. No
controller and no kubelet runs: what the server accepts, holds and gives back is tested, not pods.

Prints a table of steps. Exit codes: 0 all is well; 1 a step found a fault; 3 the run itself could not be done, which says nothing about
the chart.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import requests
import yaml
from tocsin.errors import Stop
from tocsin.sandbox import go
from tocsin.sandbox.artifacts import cache_folder
from tocsin.terminal import Progress, terminal

from tests.deploy.chart.helm import PROGRAM as HELM
from tests.deploy.cluster.api import Api, Refused
from tests.deploy.cluster.helm import Helm
from tests.deploy.cluster.parts import parts
from tests.deploy.cluster.references import scalers_of
from tests.deploy.cluster.run import Outcome, run
from tests.deploy.cluster.server import ENGINEER, server
from tests.deploy.cluster.tell import as_text
from tests.deploy.cluster.trial import STEPS, Trial, Way
from tests.support.command_line import COULD_NOT_RUN, end_in_order_when_told, parser, working_folder

CHART: Final = Path(__file__).parents[3] / "helm" / "tocsin"
ENDING: Final = "-values.yaml"
SMALLEST: Final = "minimal"
FAULTS: Final = 1


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    end_in_order_when_told()
    try:
        with working_folder(options.keep, "cluster") as folder:
            outcomes = _tried(options, folder, terminal())
    except (Stop, Refused, requests.RequestException, OSError) as reason:
        print(f"the run could not be done: {reason}", file=sys.stderr)
        return COULD_NOT_RUN
    print(as_text(outcomes))
    return FAULTS if any(outcome.faults for outcome in outcomes) else 0


def _tried(options: argparse.Namespace, folder: Path, progress: Progress) -> Sequence[Outcome]:
    cache = cache_folder(os.environ)
    program = go.binary(HELM, cache, progress, threading.Event())
    found = parts(cache, progress)
    ways = _ways(options.chart, options.values)
    with server(found, folder / "cluster") as running:
        api = Api(running)
        api.define(found.definitions)
        _site(api, ways)
        helm = Helm(program, options.chart, running.kubeconfig(ENGINEER), folder / "helm")
        scalers = scalers_of(found.scalers.read_text("utf-8"))
        first = next((way for way in _ways(options.chart, ()) if way.name == SMALLEST), ways[0])
        return [outcome for way in ways for outcome in run(Trial(api, helm, way, first, scalers), STEPS, progress)]


def _ways(chart: Path, wanted: Sequence[str]) -> Sequence[Way]:
    ways = [Way(file.name.removesuffix(ENDING), file) for file in sorted((chart / "ci").glob(f"*{ENDING}"))]
    chosen = [way for way in ways if not wanted or way.name in wanted]
    if not chosen:
        raise FileNotFoundError(f"no file of values *{ENDING} in {chart / 'ci'}")
    return chosen


def _site(api: Api, ways: Sequence[Way]) -> None:
    """What a site's own administrators made before: the priority classes that the values name."""
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    for name in {name for way in ways for name in _priorities(yaml.safe_load(way.file.read_text("utf-8")))}:
        body = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
        api.create(path, body)


def _priorities(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _priorities(value)
        elif key == "priorityClassName" and value and not value.startswith("system-"):
            yield value


def _options() -> argparse.ArgumentParser:
    options = parser("tests.deploy.cluster", __doc__)
    options.add_argument("--values", action="append", default=[], metavar="NAME", help=f"only ci/NAME{ENDING}; may be repeated")
    options.add_argument("--chart", type=Path, default=CHART, metavar="DIR", help="another chart (helm/tocsin)")
    options.add_argument("--keep", type=Path, metavar="DIR", help="work in this folder and leave logs and data there")
    return options


if __name__ == "__main__":
    sys.exit(main())
