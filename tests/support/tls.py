"""Certificates of made-up authorities, and a front that speaks TLS for a server that cannot."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from tocsin.network import HOST

LOCALHOST = (HOST, "localhost")


class Authority:
    """One that vouches for servers and clients; its files are below a folder."""

    def __init__(self, folder: Path) -> None:
        self._ca, self._folder, self._count = trustme.CA(), folder, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "ca.pem"
        """What a client trusts it by."""
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, expired: bool = False) -> tuple[Path, Path]:
        """A certificate and its key, for these names (localhost unless told)."""
        before = datetime.now(UTC) - timedelta(days=2) if expired else None
        after = datetime.now(UTC) - timedelta(days=1) if expired else None
        issued = self._ca.issue_cert(*(names or LOCALHOST), not_before=before, not_after=after)
        self._count += 1
        certificate, key = self._folder / f"cert-{self._count}.pem", self._folder / f"key-{self._count}.pem"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return certificate, key

    def trust(self, context: ssl.SSLContext) -> None:
        """The context takes clients that this authority vouches for, and no others."""
        self._ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED


class Front:
    """Speaks TLS and passes on what it hears."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard = bytearray()
        """All that clients said to it, deciphered."""


@contextmanager
def tls_front(
    certificate: tuple[Path, Path], behind: int, *, clients: Authority | None = None, protocols: Sequence[str] = ("h2", "http/1.1")
) -> Iterator[Front]:
    """Before the port `behind`, until the block ends; `clients` vouches for those who may come, unless everybody may."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols(list(protocols))  # gRPC speaks to nobody who does not choose one
    if clients is not None:
        clients.trust(context)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    front = Front(0)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, heard: bytearray | None) -> None:
        try:
            while chunk := await source.read(65536):
                if heard is not None:
                    heard += chunk
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def serve(theirs: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        try:
            ours, questions = await asyncio.open_connection(HOST, behind)
        except OSError:
            answers.close()
            return
        await asyncio.gather(pump(theirs, questions, front.heard), pump(ours, answers, None))

    async def run() -> None:
        server = await asyncio.start_server(serve, HOST, 0, ssl=context)
        front.port = server.sockets[0].getsockname()[1]
        ready.set()

    def live() -> None:
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(lambda _loop, _context: None)  # refused handshakes are what tests are about
        loop.create_task(run())
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    assert ready.wait(10), "the front did not listen"
    try:
        yield front
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
