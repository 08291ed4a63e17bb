"""JSON lines between control plane, proxy parent and workers.

control plane -> parent -> workers
    {"op": "table", "version": 7, "listeners": {key: listener}}      everything
    {"op": "change", "version": 8, "set": {key: listener}, "remove": [key]}
    {"op": "drain", "id": 3, "addresses": [[host, port]], "seconds": 10.0}
workers -> parent -> control plane
    {"op": "hello", "pid": 42, "version": "0.1.0"}                   (parent -> control plane only)
    {"op": "ack", "version": 8}                                      in force
    {"op": "drained", "id": 3}
    {"op": "errors", "errors": {key: message}}                       ports that cannot be listened on, all of them
    {"op": "counters", "workers": [pid], "services": {key: {"host:port": [...]}}}   once a second
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

MAX_LINE = 64 * 1024 * 1024
"""Bytes of one message: a table of half a million endpoints. What is longer is not from us."""

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    return orjson.dumps(message) + b"\n"


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    """Every message until the other side is gone, or says what is none."""
    while True:
        try:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            message = orjson.loads(line)
        except (OSError, ValueError):
            return
        if isinstance(message, dict):
            yield message
