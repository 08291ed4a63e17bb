"""One watch connection: its lines, read without a limit on their length, as (type, object) pairs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.client.errors import ConnectionLost


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines with their newline; at the end, what is left without one."""
    rest: list[bytes] = []
    async for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = chunk[start : end + 1]
            start = end + 1
            if rest:
                line = b"".join([*rest, line])
                rest.clear()
            yield line
        if start < len(chunk):
            rest.append(chunk[start:])
    if rest:
        yield b"".join(rest)


def parse_event(line: bytes) -> tuple[str, Obj] | None:
    """The (type, object) of a line, None for an empty or a torn one.

    Raises ApiError for an ERROR event, ConnectionLost for rubbish.
    """
    if not line.endswith(b"\n") or not line.strip():
        return None
    try:
        event: dict[str, Any] = orjson.loads(line)
        kind, obj = str(event["type"]), event["object"]
        if not isinstance(obj, dict):
            raise TypeError(f"an object that is a {type(obj).__name__}")
    except (ValueError, KeyError, TypeError) as error:
        raise ConnectionLost(f"the server sent a watch event that cannot be read: {error}") from error
    if kind == "ERROR":
        raise ApiError.from_status(obj, int(obj.get("code") or 500))
    return kind, obj
