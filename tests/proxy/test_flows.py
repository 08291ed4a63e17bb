"""What happens to bytes: integrity, half-close, resets, back-pressure."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from pathlib import Path

import pytest

from tests.proxy.support import ask, backends, free_port, proxy, serve, server
from tests.support.wait import eventually

MEGABYTE = 1024 * 1024


def resident(pid: int) -> int:
    """Bytes of memory the process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_a_large_stream_passes_unchanged_both_ways_at_once() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(MEGABYTE):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def send(writer: asyncio.StreamWriter, content: bytes) -> None:
        for at in range(0, len(content), MEGABYTE):
            writer.write(content[at : at + MEGABYTE])
            await writer.drain()
        writer.write_eof()

    port, content = free_port(), os.urandom(20 * MEGABYTE + 17)
    async with proxy(workers=1) as link, server(echo) as endpoint:
        await serve(link, port, endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.create_task(send(writer, content))
        received = await reader.read()
        await sending
        writer.close()
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()


async def test_the_answer_comes_after_the_client_has_ended_its_side() -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = await reader.read()
        writer.write(b"%d bytes" % len(content))
        writer.close()

    port = free_port()
    async with proxy(workers=1) as link, server(answer_at_the_end) as endpoint:
        await serve(link, port, endpoint)
        assert await ask(port, "x" * 1000) == "1001 bytes"


async def test_a_server_may_speak_first_and_close() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()

    port = free_port()
    async with proxy(workers=1) as link, server(greet) as endpoint:
        await serve(link, port, endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"welcome"
        writer.close()


async def test_a_reset_of_the_backend_resets_the_client() -> None:
    async def abort(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    port = free_port()
    async with proxy(workers=1) as link, server(abort) as endpoint:
        await serve(link, port, endpoint)
        with pytest.raises(ConnectionResetError):
            await ask(port)


async def test_a_slow_reader_holds_the_sender_back_and_takes_no_memory() -> None:
    size, writers = 64 * MEGABYTE, list[asyncio.StreamWriter]()

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"x" * size)
        writer.close()

    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made, server(pour) as endpoint:
        await serve(link, port, *(one.endpoint for one in made))
        await ask(port)
        before = resident(link.workers[0])
        await serve(link, port, endpoint)
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            seen: list[int] = []

            def stalled() -> bool:
                seen.append(writers[0].transport.get_write_buffer_size() if writers else -1)
                return len(seen) > 20 and seen[-1] > 0 and len(set(seen[-20:])) == 1

            await eventually(stalled)
            assert seen[-1] > size // 2
            assert resident(link.workers[0]) - before < 8 * MEGABYTE
            received = 0
            while chunk := await loop.sock_recv(client, MEGABYTE):
                received += len(chunk)
            assert received == size


async def test_many_connections_at_once_are_all_answered() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a", "b") as made:
        await serve(link, port, *(one.endpoint for one in made))
        answers = await asyncio.gather(*(ask(port) for _ in range(300)))
        assert sorted(set(answers)) == ["a", "b"]
        assert len(answers) == 300
