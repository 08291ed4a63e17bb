"""SPDY frames: what a client says is understood, and no bytes do harm."""

from __future__ import annotations

import asyncio
import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from k9lite.apiserver.spdy import DICTIONARY, Connection, SpdyError, Stream


class Client:
    """The other side: builds frames with a compression of its own."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, number: int, headers: dict[str, str], flags: int = 0) -> bytes:
        words = [word.encode() for pair in headers.items() for word in pair]
        plain = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(word)) + word for word in words)
        block = self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack(">IIH", number, 0, 0) + block, flags)


def control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", 0x80030000 | kind, flags << 24 | len(body)) + body


def data(number: int, content: bytes, flags: int = 0) -> bytes:
    return struct.pack(">II", number, flags << 24 | len(content)) + content


async def talk(content: bytes, step: int = 1 << 20) -> tuple[list[Stream], list[bytes], bytes]:
    """Feed a connection in pieces: the streams it opened, what each read, what it wrote."""
    pieces = [content[start : start + step] for start in range(0, len(content), step)]
    opened: list[Stream] = []
    written = bytearray()
    reading: list[asyncio.Task[bytes]] = []

    async def read() -> bytes:
        return pieces.pop(0) if pieces else b""

    async def write(chunk: bytes) -> None:
        written.extend(chunk)

    async def read_all(stream: Stream) -> bytes:
        return b"".join([chunk async for chunk in chunks(stream)])

    def accept(stream: Stream) -> None:
        opened.append(stream)
        reading.append(asyncio.create_task(read_all(stream)))

    try:
        await Connection(read, write, accept).run()
    finally:
        contents = await asyncio.gather(*reading)
    return opened, contents, bytes(written)


async def chunks(stream: Stream):  # type: ignore[no-untyped-def]
    while chunk := await stream.read():
        yield chunk


def test_the_dictionary_is_the_drafts() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.integers(1, 40))
def test_streams_data_and_pings(step: int) -> None:
    client = Client()
    said = (
        client.open(1, {"streamtype": "error", "port": "80"}, flags=1)
        + client.open(3, {"streamtype": "data"})
        + data(3, b"hello ")
        + control(6, b"\0\0\0\7")
        + control(4, b"settings")
        + data(99, b"nobody's")
        + data(3, b"world", flags=1)
    )
    opened, contents, written = asyncio.run(talk(said, step))
    assert [stream.headers for stream in opened] == [{"streamtype": "error", "port": "80"}, {"streamtype": "data"}]
    assert contents == [b"", b"hello world"]
    assert control(6, b"\0\0\0\7") in written
    assert written.count(struct.pack(">I", 0x80030002)) == 2


def test_a_reset_ends_a_stream() -> None:
    client = Client()
    said = client.open(1, {"streamtype": "data"}) + data(1, b"x") + control(3, struct.pack(">II", 1, 5)) + data(1, b"y")
    assert asyncio.run(talk(said))[1][0] in (b"x", b"")


frames = st.one_of(
    st.binary(max_size=60),
    st.builds(control, st.integers(0, 12), st.binary(max_size=60), st.integers(0, 255)),
    st.builds(data, st.integers(0, 9), st.binary(max_size=60), st.integers(0, 255)),
    st.builds(lambda number, headers, flags: Client().open(number, headers, flags), st.integers(0, 9),
              st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4), st.integers(0, 255)),
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(frames, max_size=6), st.integers(1, 64))
def test_no_bytes_do_harm(parts: list[bytes], step: int) -> None:
    try:
        asyncio.run(talk(b"".join(parts), step))
        refused = False
    except SpdyError:
        refused = True
    assert refused in (True, False)


def test_headers_that_explode_are_refused() -> None:
    block = zlib.compressobj(zdict=DICTIONARY)
    bomb = block.compress(bytes(1 << 24)) + block.flush(zlib.Z_SYNC_FLUSH)
    try:
        asyncio.run(talk(control(1, struct.pack(">IIH", 1, 0, 0) + bomb)))
        words = ""
    except SpdyError as error:
        words = str(error)
    assert words == "headers of more than 65536 bytes"
