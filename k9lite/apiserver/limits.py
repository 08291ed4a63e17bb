"""What one client may cost: connections that dawdle are cut, and too much at once is refused with 429.

    headers    10 s from the connection, or from a request's first byte, to be whole; 64 KiB together
    body       3 MiB, 60 s
    answers    60 s in which a client takes nothing (10 minutes for logs: people scroll in a pager)
    at once    400 requests, 10,000 streams (watches, logs, exec)

A slow reader costs at most the two buffers of its connection: what is to be written waits, and a watch that waits is
bounded in the store. One task looks at all connections every second, so that nothing is paid for each request.
Source of the numbers: k8s.io/apiserver/pkg/server/config.go (MaxRequestBodyBytes, MaxRequestsInFlight, RequestTimeout).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from k9lite.api.errors import ApiError

MAX_BODY = 3 * 1024 * 1024
MAX_HEADERS = 64 * 1024
HEADER_SECONDS = 10.0
BODY_SECONDS = 60.0
STALL_SECONDS, LOG_STALL_SECONDS = 60.0, 600.0
MAX_REQUESTS, MAX_STREAMS = 400, 10_000
LOOK_SECONDS = 1.0
STREAMS = ("log", "exec", "attach", "portforward", "proxy")
_TOO_LONG = b"the request's headers are more than 64 KiB\n"
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_TOO_LONG), _TOO_LONG)
)


class Connection(RequestHandler):
    """One client's connection, which knows since when it is waited for."""

    __slots__ = ("head_bytes", "head_since", "patience", "stalled_since")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self.head_since = 0.0
        """Since when the headers of the next request are awaited; 0: they are not."""
        self.head_bytes = 0
        self.stalled_since = 0.0
        """Since when the client takes nothing although there is something; 0: it does."""
        self.patience = STALL_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.head_since = self._loop.time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # a request is being answered: this is its body, or the start of the next one
            super().data_received(data)
            return
        self.head_bytes += len(data)
        self.head_since = self.head_since or self._loop.time()
        super().data_received(data)
        if self._messages:
            self.head_since, self.head_bytes = 0.0, 0
        elif self.head_bytes > MAX_HEADERS and self.transport is not None:
            self.transport.write(_REFUSAL)
            self.force_close()

    def pause_writing(self) -> None:
        self.stalled_since = self._loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        super().resume_writing()

    def is_too_slow(self, now: float) -> bool:
        if self.head_since and now - self.head_since > HEADER_SECONDS:
            return True
        return bool(self.stalled_since) and now - self.stalled_since > self.patience


class GuardedServer(web.Server):
    """aiohttp's low-level server whose connections are looked at."""

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def watch_over(self) -> None:
        """Cut those that are too slow, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.cut_slow(self._loop.time())

    def cut_slow(self, now: float) -> None:
        for connection in self.connections:
            if isinstance(connection, Connection) and connection.is_too_slow(now) and connection.transport is not None:
                connection.transport.abort()


class InFlight:
    """Counts what is being answered."""

    def __init__(self, requests: int = MAX_REQUESTS, streams: int = MAX_STREAMS) -> None:
        self._free = {False: requests, True: streams}

    @contextlib.contextmanager
    def one(self, *, stream: bool) -> Iterator[None]:
        """Raises ApiError 429 if there are too many."""
        if not self._free[stream]:
            what = "watches and other streams" if stream else "requests"
            message = f"Too many {what} at once, please try again later."
            raise ApiError(429, "TooManyRequests", message, {"retryAfterSeconds": 1})
        self._free[stream] -= 1
        try:
            yield
        finally:
            self._free[stream] += 1


def lasts(subresource: str) -> bool:
    """Whether requests for it last as long as the client wants."""
    return subresource in STREAMS


def set_patience(request: web.BaseRequest, subresource: str) -> None:
    """How long the client may take nothing of this answer."""
    if isinstance(request.protocol, Connection):
        request.protocol.patience = LOG_STALL_SECONDS if subresource == "log" else STALL_SECONDS


def check_headers(request: web.BaseRequest) -> None:
    """Raises ApiError 431."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADERS:
        raise ApiError(431, "RequestHeaderFieldsTooLarge", f"the request's headers are more than {MAX_HEADERS} bytes")


async def read_body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises ApiError 408 or 413."""
    too_large = ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")
    if (request.content_length or 0) > MAX_BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise too_large
    except TimeoutError:
        raise ApiError(408, "Timeout", f"the request's body did not arrive within {BODY_SECONDS:.0f} s") from None
    return bytes(body)
