"""A web server of pictures that a Media only points to; it stands for a hospital's picture archive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tocsin.network import HOST


@contextmanager
def picture_server(pictures: Mapping[str, tuple[str, Callable[[], bytes]]]) -> Iterator[str]:
    """Serve these pictures (name -> media type and bytes) on a free port until the block ends; gives the server's origin.

    Each request reads the picture's bytes again.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            media_type, read = pictures.get(self.path.lstrip("/"), ("text/plain", bytes))
            try:
                content = read()
            except OSError:  # the file has gone meanwhile
                content = b""
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Logs nothing, so that only the demo's own output is seen."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
