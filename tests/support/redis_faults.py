"""A real Redis that answers and refuses, for each of its reasons that can be brought about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from redis import Redis as Client
from tocsin.network import HOST

from tests.support.waiting import eventually

Fault = Callable[[Client], object]


def _fails_to_save(client: Client) -> None:
    """Where its file should be is a folder."""
    folder = Path(str(client.config_get("dir")["dir"]))
    (folder / "in-the-way").mkdir(exist_ok=True)
    client.config_set("dbfilename", "in-the-way")
    client.config_set("save", "3600 1000000")
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="a failed save")


FAULTS: Final[dict[str, tuple[Fault, Fault]]] = {
    "OOM": (lambda client: client.config_set("maxmemory", 1), lambda client: client.config_set("maxmemory", 0)),
    "READONLY": (lambda client: client.replicaof(HOST, "1"), lambda client: client.replicaof("NO", "ONE")),
    "NOREPLICAS": (
        lambda client: client.config_set("min-replicas-to-write", 1),
        lambda client: client.config_set("min-replicas-to-write", 0),
    ),
    "MISCONF": (_fails_to_save, lambda client: client.config_set("save", "")),
    "NOPERM": (
        lambda client: client.acl_setuser("default", enabled=True, nopass=True, commands=["-set", "-brpop"]),
        lambda client: client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"]),
    ),
}
"""Error code -> what brings it about, and what mends it."""
