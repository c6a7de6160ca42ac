"""A browser for tests without a window: keeps each host's cookies as browsers do on this machine, and follows redirects."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS_MAX: Final = 12
WITHIN_S: Final = 20.0


@dataclass(frozen=True)
class Shown:
    """What was answered last."""

    url: str
    status: int
    headers: dict[str, str]
    """Names in lower case; of several of a name the last."""
    cookies: list[str]
    """Set-Cookie headers, whole."""
    text: str


@dataclass
class WebVisitor:
    """Somebody with a browser of their own."""

    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    """Host -> name -> value."""
    way: list[str] = field(default_factory=list)
    """Every address that was asked."""
    within_s: float = WITHIN_S
    """Longest wait for one answer."""
    caller: str | None = None
    """Address that a proxy would say the requests come from."""

    def open(self, url: str, *, follow: bool = True, until: str | None = None, form: dict[str, str] | None = None) -> Shown:
        """What stands at the address, after redirects; `until` ends before an address that begins so."""
        shown = self.ask(url, form)
        for _ in range(REDIRECTS_MAX):
            if not follow or not 300 <= shown.status < 400:
                return shown
            leads_to = urljoin(shown.url, shown.headers["location"])
            if until is not None and leads_to.startswith(until):
                return shown
            shown = self.ask(leads_to)
        raise AssertionError("redirected without end")

    def ask(self, url: str, form: dict[str, str] | None = None) -> Shown:
        """One exchange."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.way.append(url)
        jar = self.cookies.setdefault(parts.hostname, {})
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())} if jar else {}
        if self.caller is not None:
            headers["X-Forwarded-For"] = self.caller
        body = None if form is None else urlencode(form)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=self.within_s)
        try:
            path = parts.path or "/"
            connection.request("GET" if body is None else "POST", path + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            pairs = [(name.lower(), value) for name, value in answer.getheaders()]
        finally:
            connection.close()
        set_cookies = [value for name, value in pairs if name == "set-cookie"]
        self._keep(jar, set_cookies)
        return Shown(url, answer.status, dict(pairs), set_cookies, text)

    @staticmethod
    def _keep(jar: dict[str, str], set_cookies: list[str]) -> None:
        for each in set_cookies:
            name, _, value = each.partition(";")[0].partition("=")
            if "Max-Age=0" in each or "1970" in each:
                jar.pop(name, None)
            else:
                jar[name] = value


def parsed(set_cookie: str) -> dict[str, str]:
    """The attributes of a Set-Cookie header, lower case; `value` is the cookie's own."""
    name, _, value = set_cookie.partition(";")[0].partition("=")
    found = {"name": name, "value": value}
    for part in set_cookie.split(";")[1:]:
        key, _, stated = part.strip().partition("=")
        found[key.lower()] = stated or "yes"
    return found
