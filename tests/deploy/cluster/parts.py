"""The files of a cluster's control plane, each fetched or built once and kept: the API server, etcd, other makers' resource definitions.

What the API server is built of is named and hashed by kubernetes/go.sum; requirements/lock-kubernetes.sh makes it. etcd is Debian's
package, unpacked and not installed, verified by apt. The definitions come from their makers' Go modules.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tocsin.sandbox import go
from tocsin.sandbox.errors import ArtifactUnavailable
from tocsin.sandbox.process import Launch, run
from tocsin.terminal import Progress

from tests.deploy.chart.modules import KEDA, kept
from tests.deploy.chart.schemas import DEFINITIONS

KUBERNETES: Final = "1.36.3"
FETCH_WITHIN_S: Final = 900.0
DEBIAN_PACKAGE: Final = "etcd-server"
NO_GO: Final = "there is no `go` on PATH: install Go 1.26 or newer (https://go.dev/dl)"
STAMPS: Final = dict(zip(("gitVersion", "gitMajor", "gitMinor"), (f"v{KUBERNETES}", *KUBERNETES.split(".")[:2]), strict=True))
"""What the server says of its version, which its own makefile would write."""

API_SERVER: Final = go.Program(
    "kube-apiserver",
    KUBERNETES,
    "k8s.io/kubernetes/cmd/kube-apiserver",
    Path(__file__).with_name("kubernetes"),
    f"The API server is built from its Go module, and {NO_GO}",
    " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in STAMPS.items())]),
)


SCALERS: Final = "schema/generated/scalers-schema.json"


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the files are."""

    api_server: Path
    etcd: Path
    definitions: Sequence[Path]
    """Files of one CustomResourceDefinition each."""
    scalers: Path
    """KEDA's own list of its triggers and their parameters."""


def parts(cache: Path, progress: Progress) -> Parts:
    """The files, fetched and built where the cache lacks them: the API server takes minutes of CPU and 2 GB in Go's own caches.

    Raises ArtifactUnavailable and which say what to do.
    """
    folder = cache / "kubernetes"
    api_server = go.binary(API_SERVER, folder, progress, threading.Event())
    etcd = _kept(folder / "etcd", "fetching etcd", progress, _unpack_etcd)
    definitions = [kept(module, path, cache) for module, path in DEFINITIONS.values()]
    return Parts(api_server, etcd, definitions, kept(KEDA, SCALERS, cache))


def _kept(target: Path, what: str, progress: Progress, make: Callable[[Path, Path], None]) -> Path:
    """The target, which `make(folder, target)` writes where it is absent; it appears whole or not at all."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="incoming-", dir=target.parent, ignore_cleanup_errors=True) as name, progress.step(what):
        made = Path(name) / "made"
        make(Path(name), made)
        made.rename(target)
    return target


def _unpack_etcd(folder: Path, made: Path) -> None:
    _run(folder, (_program("apt-get"), "download", DEBIAN_PACKAGE), FETCH_WITHIN_S)
    (package,) = folder.glob("*.deb")
    _run(folder, (_program("dpkg-deb"), "--extract", str(package), str(folder / "unpacked")), FETCH_WITHIN_S)
    (folder / "unpacked/usr/bin/etcd").rename(made)


def _run(folder: Path, argv: Sequence[str], within_s: float) -> None:
    what = " ".join(argv[:2])
    failure = run(Launch(what, argv, folder, folder / "log.txt", None), within_s=within_s, interrupted=threading.Event())
    if failure:
        raise ArtifactUnavailable(f"{what}: {failure} Mend what its end names and run it again: what has arrived is kept.")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ArtifactUnavailable(f"there is no `{name}` on PATH: what runs here needs Go 1.26 or newer, and Debian's apt-get and dpkg-deb")
    return found
