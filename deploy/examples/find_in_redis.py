"""Says whether Redis holds anything that names a reference: python find_in_redis.py REFERENCE... Exit codes: 0 nothing; 1 it does."""

import os
import sys
from collections.abc import Iterator

from redis import Redis


def values(redis: Redis, key: bytes) -> Iterator[bytes]:
    """Everything that stands under the key."""
    match redis.type(key):
        case b"string":
            yield redis.get(key) or b""
        case b"list":
            yield from redis.lrange(key, 0, -1)
        case b"hash":
            yield from (part for pair in redis.hgetall(key).items() for part in pair)
        case b"set":
            yield from redis.smembers(key)
        case b"zset":
            yield from redis.zrange(key, 0, -1)
        case kind:
            raise SystemExit(f"{key!r} is a {kind!r}: look at it by hand")


def main() -> int:
    redis = Redis.from_url(os.environ["TOCSIN_REDIS__URL"])
    wanted = [each.encode() for each in sys.argv[1:]]
    keys = list(redis.scan_iter())
    found = [key for key in keys if any(each in text for text in (key, *values(redis, key)) for each in wanted)]
    print(f"{len(keys)} keys, {len(found)} of them with what was asked for: {found}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
