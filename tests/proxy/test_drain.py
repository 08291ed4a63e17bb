"""An endpoint leaves: new connections go elsewhere, open requests end, then the drain is answered."""

from __future__ import annotations

import asyncio

from tests.proxy.support import ask, backends, free_port, proxy, serve


async def test_nothing_new_goes_to_a_drained_endpoint_though_the_table_still_has_it() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a", "b") as made:
        await serve(link, port, *(one.endpoint for one in made))
        await link.drain([("127.0.0.1", made[0].port)], 5.0)
        assert {await ask(port) for _ in range(8)} == {"b"}


async def test_an_open_request_ends_before_the_drain_does() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"wait\n")
        await made[0].waiting.wait()
        drain = asyncio.create_task(link.drain([("127.0.0.1", made[0].port)], 20.0))
        other = asyncio.create_task(link.drain([("127.0.0.1", 1)], 20.0))
        await other  # the workers have heard of the first drain before the second
        assert not drain.done()
        made[0].release.set()
        assert await reader.readline() == b"a\n"
        await drain
        assert await reader.read() == b""  # kept open by its client, closed by the drain
        writer.close()


async def test_an_idle_connection_is_closed_cleanly() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"a\n"
        await link.drain([("127.0.0.1", made[0].port)], 20.0)
        assert await reader.read() == b""
        writer.close()


async def test_an_unused_connection_moves_to_another_endpoint() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a", "b") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await ask(port)  # the worker has accepted the one before, too
        await serve(link, port, *(one.endpoint for one in made))
        await link.drain([("127.0.0.1", made[0].port)], 20.0)
        writer.write(b"hello\n")
        assert await reader.readline() == b"b\n"
        writer.close()


async def test_the_deadline_ends_the_drain_and_not_the_request() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"wait\n")
        await made[0].waiting.wait()
        await link.drain([("127.0.0.1", made[0].port)], 0.1)
        made[0].release.set()
        assert await reader.readline() == b"a\n"
        writer.close()


async def test_an_endpoint_that_is_only_unready_keeps_its_connections() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a", "b") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"a\n"
        await serve(link, port, made[1].endpoint)
        writer.write(b"hello\n")
        assert await reader.readline() == b"a\n"
        assert await ask(port) == "b"
        writer.close()


async def test_a_drain_of_no_address_or_an_unknown_one_is_answered_at_once() -> None:
    async with proxy(workers=1) as link:
        await link.drain([], 20.0)
        await link.drain([("127.0.0.1", 9)], 20.0)
