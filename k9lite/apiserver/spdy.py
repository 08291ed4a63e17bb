"""SPDY/3.1 frames, as far as Kubernetes' streams use them: exec and attach of older clients, every port-forward.

The bytes come from an upgraded connection or from the messages of a WebSocket. Frames of control: SYN_STREAM (1),
SYN_REPLY (2), RST_STREAM (3), PING (6), GOAWAY (7); others are passed over. There is no flow control in these streams,
so a stream whose reader is slow holds up the connection. Source: the SPDY protocol, drafts 3 and 3.1, and
github.com/moby/spdystream, the only implementation that speaks it.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from collections.abc import Awaitable, Callable

Read = Callable[[], Awaitable[bytes]]
"""Some bytes; none at the end."""
Write = Callable[[bytes], Awaitable[None]]

MAX_FRAME = 4 * 1024 * 1024
MAX_HEADERS = 64 * 1024
MAX_STREAMS = 1024
CHUNK = 32 * 1024
_PENDING = 16
"""Chunks that a stream holds for its reader."""
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 1

_NAMES = (
    "options,head,post,put,delete,trace,accept,accept-charset,accept-encoding,accept-language,accept-ranges,age,allow,"
    "authorization,cache-control,connection,content-base,content-encoding,content-language,content-length,"
    "content-location,content-md5,content-range,content-type,date,etag,expect,expires,from,host,if-match,"
    "if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,location,max-forwards,pragma,"
    "proxy-authenticate,proxy-authorization,range,referer,retry-after,server,te,trailer,transfer-encoding,upgrade,"
    "user-agent,vary,via,warning,www-authenticate,method,get,status,200 OK,version,HTTP/1.1,url,public,set-cookie,"
    "keep-alive,origin"
)
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(len(name).to_bytes(4, "big") + name.encode() for name in _NAMES.split(",")) + _REST.encode()
"""What both sides' compression of headers starts with (draft 3, section 2.6.10.1)."""


class SpdyError(Exception):
    """The peer does not speak the protocol; the connection is of no more use."""


class Stream:
    """One stream, opened by the client."""

    def __init__(self, connection: Connection, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._connection = connection
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(_PENDING)
        self._read_all = self._written_all = False

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        if self._read_all:
            return b""
        chunk = await self._chunks.get()
        self._read_all = not chunk
        return chunk

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            await self._connection.send_data(self.number, data[start : start + CHUNK])

    async def end(self) -> None:
        """Nothing more is written."""
        if not self._written_all:
            self._written_all = True
            await self._connection.send_data(self.number, b"", fin=True)

    async def feed(self, data: bytes) -> None:
        """What the client sent; nothing: its end."""
        await self._chunks.put(data)

    def abort(self) -> None:
        """Let a reader see the end, whatever is pending."""
        while self._chunks.full():
            self._chunks.get_nowait()
        self._chunks.put_nowait(b"")


class Connection:
    """The server's side. `opened` is called with each new stream, and must not wait."""

    def __init__(self, read: Read, write: Write, opened: Callable[[Stream], None]) -> None:
        self._source, self._write, self._opened = read, write, opened
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._streams: dict[int, Stream] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Until the client goes. Raises SpdyError for what is no SPDY."""
        try:
            while (head := await self._exactly(8)) is not None:
                first, second = struct.unpack(">II", head)
                flags, length = second >> 24, second & 0xFFFFFF
                if length > MAX_FRAME:
                    raise SpdyError(f"a frame of {length} bytes")
                body = await self._exactly(length)
                if body is None:
                    return
                if first >> 31:
                    if (first >> 16) & 0x7FFF != 3:
                        raise SpdyError("not SPDY/3")
                    await self._control(first & 0xFFFF, flags, body)
                else:
                    await self._data(first, flags, body)
        finally:
            for stream in self._streams.values():
                stream.abort()

    async def _exactly(self, count: int) -> bytes | None:
        while len(self._buffer) < count:
            chunk = await self._source()
            if not chunk:
                return None
            self._buffer += chunk
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _data(self, number: int, flags: int, body: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return  # reset, or ended by us
        if body:
            await stream.feed(body)
        if flags & _FIN:
            await stream.feed(b"")

    async def _control(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _SYN_STREAM:
            await self._open(flags, body)
        elif kind == _PING:
            await self._send(struct.pack(">II", 0x80030000 | _PING, len(body)) + body)
        elif kind == _RST_STREAM and len(body) >= 4:
            stream = self._streams.pop(int.from_bytes(body[:4], "big"), None)
            if stream is not None:
                stream.abort()

    async def _open(self, flags: int, body: bytes) -> None:
        if len(body) < 10:
            raise SpdyError("a stream without headers")
        if len(self._streams) >= MAX_STREAMS:
            raise SpdyError(f"more than {MAX_STREAMS} streams")
        number = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
        stream = Stream(self, number, self._headers(body[10:]))
        self._streams[number] = stream
        block = self._deflate.compress(bytes(4)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        reply = number.to_bytes(4, "big") + block
        await self._send(struct.pack(">II", 0x80030000 | _SYN_REPLY, len(reply)) + reply)
        if flags & _FIN:
            await stream.feed(b"")
        self._opened(stream)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers that cannot be read: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {MAX_HEADERS} bytes")
        words: list[str] = []
        at = 4
        while at + 4 <= len(plain):
            length = int.from_bytes(plain[at : at + 4], "big")
            words.append(plain[at + 4 : at + 4 + length].decode(errors="replace"))
            at += 4 + length
        return dict(zip(words[::2], words[1::2], strict=False))

    async def send_data(self, number: int, data: bytes, *, fin: bool = False) -> None:
        """Raises OSError when the client is gone."""
        await self._send(struct.pack(">II", number, (_FIN if fin else 0) << 24 | len(data)) + data)

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            await self._write(frame)

    def forget(self, stream: Stream) -> None:
        """It is of no more use; what still comes for it is passed over."""
        self._streams.pop(stream.number, None)

    async def say_goodbye(self) -> None:
        """GOAWAY, so that a client ends orderly."""
        with contextlib.suppress(OSError):
            await self._send(struct.pack(">II", 0x80030000 | _GOAWAY, 8) + bytes(8))
