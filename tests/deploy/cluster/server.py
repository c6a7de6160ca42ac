"""An API server of Kubernetes on 127.0.0.1 with an etcd of its own. Nothing runs behind it: no controller, no kubelet, so no pod.

It enforces what the namespaces ask for (Pod Security Standards) and RBAC; the admission of service accounts is off, since the controller
that makes them is absent. `default` and its like are therefore not looked for here; tests/deploy/cluster/references.py looks.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import yaml
from tocsin.network import HOST
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers

from tests.deploy.cluster.parts import Parts
from tests.support.tls import Authority

READY_WITHIN_S: Final = 120.0
ANSWER_WITHIN_S: Final = 5.0
MASTER, ENGINEER = "master", "engineer"
"""Users, and their tokens: one may do all, one what a namespace's Role gives."""
ENVIRONMENT: Final = {"PATH": os.defpath, "LANG": "C.UTF-8"}
OFF: Final = ("ServiceAccount", "StorageObjectInUseProtection")
"""Admission that needs controllers: without them no account exists, and no volume claim could ever be deleted."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running API server."""

    url: str
    ca_file: Path
    folder: Path

    def kubeconfig(self, user: str) -> Path:
        """A file by which programs reach it as that user."""
        file = self.folder / f"{user}.yaml"
        file.write_text(yaml.safe_dump(_kubeconfig(self, user)), "utf-8")
        file.chmod(0o600)
        return file


@contextmanager
def server(parts: Parts, folder: Path) -> Iterator[Server]:
    """A server that answers, with its data below `folder`, ended with the block. Raises PartDidNotStart."""
    with _stopped(on_free_ports(2, lambda ports: _etcd(parts.etcd, folder / "etcd", ports))) as (_, etcd_port):
        child, running = on_free_ports(1, lambda ports: _api_server(parts.api_server, folder / "api", ports[0], etcd_port))
        with _stopped((child, 0)):
            yield running


@contextmanager
def _stopped(running: tuple[Child, int]) -> Iterator[tuple[Child, int]]:
    try:
        yield running
    finally:
        running[0].stop()


def _etcd(program: Path, folder: Path, ports: tuple[int, ...]) -> tuple[Child, int]:
    folder.mkdir(parents=True, exist_ok=True)
    clients, peers = (f"http://{HOST}:{port}" for port in ports)
    flags = {
        "data-dir": str(folder / "data"),
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
    }
    with started(Launch("etcd", _argv(program, flags), folder, folder / "log.txt", ENVIRONMENT)) as child:
        await_ready(child, lambda: answers(f"{clients}/health"), within_s=READY_WITHIN_S, interrupted=threading.Event())
        return child, ports[0]


def _api_server(program: Path, folder: Path, port: int, etcd_port: int) -> tuple[Child, Server]:
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder)
    certificate, key = authority.issue()
    running = Server(f"https://{HOST}:{port}", authority.file, folder)
    flags = {
        "etcd-servers": f"http://{HOST}:{etcd_port}",
        "secure-port": str(port),
        "bind-address": HOST,
        "tls-cert-file": str(certificate),
        "tls-private-key-file": str(key),
        "cert-dir": str(folder),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": str(key),
        "service-account-signing-key-file": str(key),
        "token-auth-file": str(_tokens(folder)),
        "authorization-mode": "RBAC",
        "service-cluster-ip-range": "10.0.0.0/24",
        "disable-admission-plugins": ",".join(OFF),
    }
    with started(Launch("kube-apiserver", _argv(program, flags), folder, folder / "log.txt", ENVIRONMENT)) as child:
        await_ready(child, lambda: _ready(running), within_s=READY_WITHIN_S, interrupted=threading.Event())
        return child, running


def _argv(program: Path, flags: Mapping[str, str]) -> tuple[str, ...]:
    return (str(program), *(f"--{name}={value}" for name, value in flags.items()))


def _tokens(folder: Path) -> Path:
    """The users, in the server's own format: token, name, id, groups."""
    file = folder / "tokens.csv"
    file.write_text(f'{MASTER},{MASTER},1,"system:masters"\n{ENGINEER},{ENGINEER},2\n', "utf-8")
    return file


def _ready(running: Server) -> bool:
    trusted = ssl.create_default_context(cafile=running.ca_file)
    request = Request(f"{running.url}/readyz", headers={"Authorization": f"Bearer {MASTER}"})
    try:
        with build_opener(ProxyHandler({}), HTTPSHandler(context=trusted)).open(request, timeout=ANSWER_WITHIN_S) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _kubeconfig(running: Server, user: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": running.url, "certificate-authority": str(running.ca_file)}}],
        "users": [{"name": user, "user": {"token": user}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": user}}],
        "current-context": "tests",
    }
