"""Starts NVIDIA Triton on the CPU, from the nvidia-pytriton wheel, with its Python backend."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tocsin.network import HOST
from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.process import Child, Launch, await_ready, on_free_ports, started
from tocsin.sandbox.web import answers

NAME = "Triton"
READY_WITHIN_S = 180.0


@dataclass(frozen=True, slots=True)
class Triton:
    """A running Triton that has loaded every model of its repository."""

    grpc_url: str
    """host:port of the gRPC endpoint."""
    http_url: str
    """http://host:port of the HTTP endpoint."""
    ports: tuple[int, int]
    """Ports of gRPC and HTTP. `start` makes the same server again from them."""
    folder: Path
    child: Child = field(repr=False)

    def stop(self) -> None:
        """End the server in good order."""
        self.child.stop()
        _forget_memory(self.folder)

    def kill(self) -> None:
        """End the server as a power cut would."""
        self.child.kill()
        _forget_memory(self.folder)


Certificate = tuple[Path, Path]
"""A certificate and its key, as PEM files."""


def start(
    model_repository: Path,
    folder: Path,
    *,
    interrupted: threading.Event | None = None,
    ports: tuple[int, int] | None = None,
    tls: Certificate | None = None,
    traces: str | None = None,
) -> Triton:
    """Start a Triton, and return it once every model of the repository is loaded; a model that cannot be loaded ends the start.

    The gRPC port speaks TLS where a certificate is given. `traces` is the base address of a collector that takes OTLP by HTTP: Triton
    sends it spans of each request that carries a trace.

    The server lives no longer than the calling thread. Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    flags = (*_tls_flags(tls), *(() if traces is None else trace_flags(f"{traces}/v1/traces")))
    if ports is not None:
        return _start(model_repository, folder, ports, interrupted, flags)
    return on_free_ports(2, lambda free: _start(model_repository, folder, (free[0], free[1]), interrupted, flags))


def trace_flags(url: str) -> tuple[str, ...]:
    """The flags by which Triton sends its own spans to `url`, a collector's whole address for spans by OTLP over HTTP.

    One setting a flag: this Triton takes no list. Rate 0: no request is traced that carries no trace. Spans go every second.
    """
    settings = ("mode=opentelemetry", "rate=0", "level=TIMESTAMPS", f"opentelemetry,url={url}", "opentelemetry,bsp_schedule_delay=1000")
    return tuple(f"--trace-config={each}" for each in settings)


def _start(model_repository: Path, folder: Path, ports: tuple[int, int], interrupted: threading.Event, flags: Sequence[str]) -> Triton:
    wheel = _wheel()
    _need_shared_python()
    backends = _backends(wheel, folder)
    http_url = f"http://{HOST}:{ports[1]}"
    try:
        with started(_launch(wheel, backends, model_repository, folder, ports, flags)) as child:
            await_ready(child, lambda: answers(f"{http_url}/v2/health/ready"), within_s=READY_WITHIN_S, interrupted=interrupted)
            return Triton(f"{HOST}:{ports[0]}", http_url, ports, folder, child)
    except BaseException:
        _forget_memory(folder)
        raise


def _wheel() -> Path:
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise PartDidNotStart(f"{NAME} is not installed: install tocsin with its sandbox extra, pip install 'tocsin[sandbox]'.")
    return Path(spec.origin).parent


def _need_shared_python() -> None:
    """Raises PartDidNotStart without libpython, which Triton's Python backend needs and Debian's own python3 lacks."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    here = Path(str(sysconfig.get_config_var("LIBDIR"))) / f"libpython{version}.so.1.0"
    if not here.exists() and find_library(f"python{version}") is None:
        raise PartDidNotStart(
            f"{NAME} needs {here.name}, which this Python ({sys.base_prefix}) came without: on Debian and Ubuntu run "
            f"`apt install libpython{version}`; else take a Python that was built with --enable-shared."
        )


def _backends(wheel: Path, folder: Path) -> Path:
    """The folder of backends: the Python backend beside the stub for this Python, as Triton wants them."""
    stubs = wheel / "tritonserver" / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}"
    backend = folder / "backends" / "python"
    backend.mkdir(parents=True, exist_ok=True)
    for file in (*(wheel / "tritonserver" / "backends" / "python").iterdir(), *stubs.iterdir()):
        link = backend / file.name
        if file.is_file() and not link.is_symlink():
            link.symlink_to(file)
    return backend.parent


def _tls_flags(tls: Certificate | None) -> tuple[str, ...]:
    if tls is None:
        return ()
    return ("--grpc-use-ssl=true", f"--grpc-server-cert={tls[0]}", f"--grpc-server-key={tls[1]}")


def _launch(wheel: Path, backends: Path, model_repository: Path, folder: Path, ports: tuple[int, int], flags: Sequence[str]) -> Launch:
    options = {
        "model-repository": model_repository.resolve(),
        "backend-directory": backends,
        "backend-config": f"python,shm-region-prefix-name={_memory_prefix(folder)}",
        "exit-on-error": "true",
        "exit-timeout-secs": "5",
        "grpc-address": HOST,
        "grpc-port": ports[0],
        "http-address": HOST,
        "http-port": ports[1],
        "allow-metrics": "false",
        "log-info": "false",
        "log-warning": "false",
    }
    environment = {
        # the stub finds python3, and with it every package, on PATH
        "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
        # the server's own libraries, and libpython for the stub
        "LD_LIBRARY_PATH": f"{wheel.parent / 'nvidia_pytriton.libs'}:{sysconfig.get_config_var('LIBDIR')}",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
    }
    server = wheel / "tritonserver" / "bin" / "tritonserver"
    argv = (str(server), "--disable-auto-complete-config", *(f"--{name}={value}" for name, value in options.items()), *flags)
    return Launch(NAME, argv, folder, folder / "log.txt", environment, leads=True)


def _memory_prefix(folder: Path) -> str:
    return f"tocsin-{''.join(filter(str.isalnum, str(folder.resolve())))}-"


def _forget_memory(folder: Path) -> None:
    """Remove the shared memory that a killed server leaves behind."""
    for region in Path("/dev/shm").glob(f"{_memory_prefix(folder)}*"):
        region.unlink(missing_ok=True)
