"""Stands in for the controllers that are not there: ends Jobs and pods of hooks, as one that ran them would have."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from tests.deploy.cluster.api import Api, Object, Refused
from tests.deploy.cluster.references import dangling

LOOK_S: Final = 0.2


class Ending:
    """Ends what hooks start in one namespace, well or badly, and says what it saw."""

    def __init__(self, api: Api, namespace: str, values: Mapping[str, Any], *, well: bool) -> None:
        self._api, self._namespace, self._values, self._well = api, namespace, values, well
        self._done = threading.Event()
        self.ended: list[str] = []
        """Names of the Jobs and pods, in their order."""
        self.missing: list[str] = []
        """What each named that was not there when it was to run."""

    def run(self) -> None:
        """Look again and again, until `stop`."""
        while not self._done.wait(LOOK_S):
            self._look()

    def stop(self) -> None:
        """End `run`."""
        self._done.set()

    def _look(self) -> None:
        for path, status in (
            (f"/apis/batch/v1/namespaces/{self._namespace}/jobs", _job),
            (f"/api/v1/namespaces/{self._namespace}/pods", _pod),
        ):
            for each in self._api.get(path)["items"]:
                if _runs(each):
                    self._end(f"{path}/{each['metadata']['name']}", each, status(each, self._well))

    def _end(self, path: str, thing: Object, status: Mapping[str, Any]) -> None:
        kind = "Job" if "/jobs/" in path else "Pod"
        things = [{**thing, "kind": kind}, *self._api.held(self._namespace).values()]
        own = f"{kind} {thing['metadata']['name']} names"
        self.missing += [found for found in dangling(things, self._values) if found.startswith(own)]
        try:
            self._api.merge(f"{path}/status", {"status": status})
        except Refused as refused:
            if not str(refused).startswith("404"):
                raise
        self.ended.append(thing["metadata"]["name"])


@contextmanager
def hooks_end(api: Api, namespace: str, values: Mapping[str, Any], *, well: bool) -> Iterator[Ending]:
    """Whatever hooks start in the namespace during the block ends at once, well or badly; `values` name what is the site's own."""
    ending = Ending(api, namespace, values, well=well)
    thread = threading.Thread(target=ending.run, name="hooks end")
    thread.start()
    try:
        yield ending
    finally:
        ending.stop()
        thread.join()


def _runs(thing: Object) -> bool:
    status = thing.get("status", {})
    return not status.get("conditions") and status.get("phase", "Pending") == "Pending" and "deletionTimestamp" not in thing["metadata"]


def _job(job: Object, well: bool) -> Mapping[str, Any]:
    """Status of a Job that ended now (Kubernetes API, JobStatus)."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    first, last = ("SuccessCriteriaMet", "Complete") if well else ("FailureTarget", "Failed")
    conditions = [{"type": each, "status": "True", "lastTransitionTime": now, "reason": "Tests"} for each in (first, last)]
    ended = {"succeeded": 1, "completionTime": now} if well else {"failed": 1}
    return {"startTime": now, "conditions": conditions, "uncountedTerminatedPods": {}, **ended}


def _pod(pod: Object, well: bool) -> Mapping[str, Any]:
    return {"phase": "Succeeded" if well else "Failed"}
