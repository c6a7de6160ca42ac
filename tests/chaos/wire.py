"""TCP proxies that a run cuts, closes and slows: between Tocsin and the parts that it talks to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536
CONNECT_WITHIN_S: Final = 5.0
CALL_WITHIN_S: Final = 10.0
"""Longest wait for the loop to do what another thread asks of it."""


class Wire:
    """Stands before one port of this machine; connections run through it. Made on the loop that serves it; safe for threads."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._closed = False
        self._delay_s = 0.0
        self._bytes_a_second: float | None = None
        self.port = 0
        """Where it listens; 0 before `listen`."""

    async def listen(self) -> None:
        """On a free port."""
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Every connection ends at once, wherever it is."""
        self._call(self._abort_all)

    def close(self) -> None:
        """As `cut`, and new connections end as soon as they are made, until `mend`."""
        self._closed = True
        self.cut()

    def slow(self, *, delay_s: float, bytes_a_second: float) -> None:
        """Whatever passes waits `delay_s` and then passes at this rate, until `mend`."""
        self._delay_s, self._bytes_a_second = delay_s, bytes_a_second

    def mend(self) -> None:
        """From now on it is as if there were only the part."""
        self._closed = False
        self._delay_s, self._bytes_a_second = 0.0, None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            _reset(writer)
            return
        try:
            theirs, ours = await asyncio.wait_for(asyncio.open_connection(HOST, self._target), CONNECT_WITHIN_S)
        except (OSError, TimeoutError):
            _reset(writer)
            return
        self._writers |= {writer, ours}
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the loop ends; asyncio would print it
                await asyncio.gather(self._pump(reader, ours), self._pump(theirs, writer))
        finally:
            self._writers -= {writer, ours}
            writer.transport.abort()
            ours.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._dawdle(len(data))
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def _dawdle(self, size: int) -> None:
        if self._bytes_a_second is not None:
            await asyncio.sleep(self._delay_s + size / self._bytes_a_second)

    def _abort_all(self) -> None:
        for writer in self._writers:
            _reset(writer)

    def _call(self, what: Callable[[], None]) -> None:
        done = threading.Event()

        def run() -> None:
            what()
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(CALL_WITHIN_S), "the wires' loop does not answer"


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends the connection as a firewall does: what was on its way is gone, and the other side reads "connection reset"."""
    with contextlib.suppress(OSError):  # it has ended by itself
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Wires:
    """All wires of a run, served by one thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def to(self, target: int) -> Wire:
        """A new wire to this port of this machine, on a free port."""
        return asyncio.run_coroutine_threadsafe(self._open(target), self._loop).result(CALL_WITHIN_S)

    async def _open(self, target: int) -> Wire:
        wire = Wire(target)
        await wire.listen()
        return wire


@contextmanager
def wires() -> Iterator[Wires]:
    """Until the block ends; then every connection is gone."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wires", daemon=True)
    thread.start()
    try:
        yield Wires(loop)
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(CALL_WITHIN_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CALL_WITHIN_S)
        loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
