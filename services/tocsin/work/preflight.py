"""Checks whether Redis is there, proves who it is, and takes what Celery writes, step by step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from typing import Final

from redis import Redis
from redis.exceptions import InvalidResponse, RedisError

from tocsin.network import Way, steps
from tocsin.settings import RedisSettings
from tocsin.telemetry.preflight import Check, check
from tocsin.work.redis_client import NOT_REDIS, Address, address, code_of, reason, redis_client, tls_of, write_probe

PART: Final = "redis"
LOGIN_CODES: Final = frozenset({"NOAUTH", "WRONGPASS"})

WRITE_FIXES: Final = {
    "OOM": "give Redis more memory (maxmemory), or a Redis of its own: what Tocsin keeps there is small",
    "READONLY": "name the master, or an address that follows it after a failover, in TOCSIN_REDIS__URL",
    "MISCONF": "make room on Redis's disk and look at its log: it cannot save",
    "NOPERM": "give Tocsin's user of Redis the keys tocsin.*, _kombu.* and unacked*, and all commands on them",
    "NOREPLICAS": "bring Redis's replicas back in sync, or lower its min-replicas-to-write",
    "LOADING": "wait until Redis has loaded its data",
}


def redis_preflight(settings: RedisSettings) -> Iterator[Check]:
    """Checks name, connection, TLS, login, and a write of Tocsin's own key, which expires. Stops at the first that fails."""
    where = address(settings)
    way = Way(
        part=PART,
        host=where.host,
        port=where.port,
        tls=tls_of(settings),
        within_s=settings.connect_timeout_s,
        address_setting="TOCSIN_REDIS__URL",
        ca_setting="TOCSIN_REDIS__TLS_CA_FILE",
        plain_fix="write redis:// in TOCSIN_REDIS__URL if this Redis speaks no TLS on this port, else name its port for TLS",
    )
    for found in chain(steps(way), (step(settings, where) for step in (_login, _write))):
        yield found
        if not found.passed:
            return


def _login(settings: RedisSettings, where: Address) -> Check:
    with closing(redis_client(settings)) as client:
        try:
            if client.ping() is not True:
                raise InvalidResponse(NOT_REDIS)
        except RedisError as error:
            what = "write" if code_of(error) == "MISCONF" else "login"  # while it cannot save, Redis refuses PING as it does a write
            return check(PART, what, False, f"{where}: {reason(error)}", _login_fix(error, where))
        user = where.username or "the default user"
        return check(PART, "login", True, f"{_version(client)} takes {user}, database {where.database}", "")


def _login_fix(error: RedisError, where: Address) -> str:
    code = code_of(error)
    if code in LOGIN_CODES:
        return "set user and password in TOCSIN_REDIS__URL: redis://user:password@host:port/number"
    if code is not None and code in WRITE_FIXES:
        return WRITE_FIXES[code]
    if code == "ERR":
        return f"see whether Redis has database {where.database} (the number at the end of TOCSIN_REDIS__URL) and takes more clients"
    if code is None and not where.tls:
        return "see whether Redis listens on this port; write rediss:// in TOCSIN_REDIS__URL if it speaks TLS there"
    return "look at Redis's own log"


def _version(client: Redis) -> str:
    with contextlib.suppress(RedisError):  # this user may be forbidden to ask
        return f"Redis {client.info('server')['redis_version']}"
    return "Redis"


def _write(settings: RedisSettings, where: Address) -> Check:
    with closing(redis_client(settings)) as client:
        try:
            write_probe(client)
        except RedisError as error:
            fix = WRITE_FIXES.get(code_of(error) or "", "look at Redis's own log")
            return check(PART, "write", False, f"{where}: {reason(error)}", f"{fix}; until then `tocsin work` and `tocsin beat` wait")
        return check(PART, "write", True, "it takes what Celery queues", "")
