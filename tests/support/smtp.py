"""A mail server over real sockets: SMTP (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954). It keeps what it takes."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path


@dataclass
class Taken:
    """One message as the server took it."""

    sender: str
    receivers: list[str]
    encrypted: bool
    user: str | None
    mail: EmailMessage


@dataclass
class MailServer:
    """What the server took, and how it behaves."""

    port: int
    taken: list[Taken] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    """Receiver -> the code by which it is refused."""
    busy: bool = False
    """Whether no message is taken for now (451)."""
    starttls: bool = True
    users: dict[str, str] = field(default_factory=dict)
    """User -> password; where there are any, nobody else may send."""
    silent: bool = False
    """Whether it takes connections and says nothing."""


@contextmanager
def mail_server(certificate: tuple[Path, Path]) -> Iterator[MailServer]:
    """Serve until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                _Session(self, site, context, over).talk()
            except (OSError, ssl.SSLError):
                return  # the client went away, or does not trust the server

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        site = MailServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield site
        finally:
            over.set()
            server.shutdown()
            thread.join()


class _Session:
    """One client's conversation."""

    def __init__(
        self, handler: socketserver.StreamRequestHandler, site: MailServer, context: ssl.SSLContext, over: threading.Event
    ) -> None:
        self._site, self._context, self._over = site, context, over
        self._socket, self._read = handler.request, handler.rfile
        self._encrypted = False
        self._user: str | None = None
        self._sender, self._receivers = "", list[str]()

    def talk(self) -> None:
        """Until QUIT, or the client's end."""
        if self._site.silent:
            self._over.wait(30)
            return
        self._say("220 test ESMTP")
        while line := self._read.readline().decode().strip():
            word, _, rest = line.partition(" ")
            if word.upper() == "QUIT":
                self._say("221 bye")
                return
            self._answer(word.upper(), rest)

    def _answer(self, word: str, rest: str) -> None:
        match word:
            case "EHLO":
                offers = [
                    "250-test",
                    *(["250-STARTTLS"] if self._site.starttls and not self._encrypted else []),
                    "250-AUTH PLAIN",
                    "250 8BITMIME",
                ]
                self._say("\r\n".join(offers))
            case "STARTTLS" if self._site.starttls:
                self._say("220 go ahead")
                self._socket = self._context.wrap_socket(self._socket, server_side=True)
                self._read, self._encrypted = self._socket.makefile("rb"), True
            case "AUTH":
                _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
                known = self._encrypted and self._site.users.get(user) == password
                self._user = user if known else None
                self._say("235 welcome" if known else "535 who are you")
            case "MAIL":
                if self._site.users and self._user is None:
                    self._say("530 log in first")
                elif self._site.busy:
                    self._say("451 later")
                else:
                    self._sender, self._receivers = _address(rest), []
                    self._say("250 ok")
            case "RCPT":
                code = self._site.refused.get(_address(rest))
                if code is None:
                    self._receivers.append(_address(rest))
                self._say(f"{code or 250} noted")
            case "DATA":
                self._take()
            case "RSET":
                self._say("250 ok")
            case _:
                self._say("502 not here")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self._read.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        mail = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self._site.taken.append(Taken(self._sender, list(self._receivers), self._encrypted, self._user, mail))
        self._say("250 taken")

    def _say(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\r\n")


def _address(rest: str) -> str:
    return rest[rest.index("<") + 1 : rest.index(">")]
