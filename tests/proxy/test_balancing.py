"""Which endpoint a connection gets."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from k9lite.proxy.table import CURSORS, Service, checked
from tests.proxy.support import KEY, Backend, ask, backends, free_port, listener, proxy, serve
from tests.support.wait import eventually


def service(*ports: int, affinity: int = 0) -> Service:
    made = Service(KEY, memoryview(bytearray(CURSORS * 4)).cast("I"))
    endpoints: list[list[object]] = [["127.0.0.1", port, f"p{port}", f"u{port}"] for port in ports]
    made.update(listener(30080, *endpoints, affinity=affinity), 0.0)
    return made


def test_equals_take_turns() -> None:
    found = service(1, 2, 3)
    picked = [found.pick("c", (), 0.0) for _ in range(6)]
    assert [one.port for one in picked if one] == [1, 2, 3, 1, 2, 3]


def test_fewest_connections_win() -> None:
    found = service(1, 2, 3)
    for one in found.endpoints.values():
        one.active = {1: 5, 2: 1, 3: 4}[one.port]
    picked = [found.pick("c", (), 0.0) for _ in range(3)]
    assert [one.port for one in picked if one] == [2, 2, 2]


def test_tried_endpoints_are_passed_over_until_none_is_left() -> None:
    found = service(1, 2)
    first = found.pick("c", (), 0.0)
    assert first
    second = found.pick("c", {first}, 0.0)
    assert second
    assert second is not first
    assert found.pick("c", {first, second}, 0.0) is None


def test_a_draining_endpoint_stays_out_of_a_late_table_but_its_successor_does_not() -> None:
    found = service(1, 2)
    found.exclude({("127.0.0.1", 1)}, until=10.0)
    found.update(listener(30080, ["127.0.0.1", 1, "p1", "u1"], ["127.0.0.1", 2, "p2", "u2"]), 1.0)
    assert {one.port for one in (found.pick("c", (), 1.0) for _ in range(4)) if one} == {2}
    found.update(listener(30080, ["127.0.0.1", 1, "new", "other"], ["127.0.0.1", 2, "p2", "u2"]), 2.0)
    assert {one.name for one in (found.pick("c", (), 2.0) for _ in range(4)) if one} == {"new", "p2"}


def test_a_client_keeps_its_endpoint_while_others_come_and_its_time_lasts() -> None:
    found = service(1, 2, 3, affinity=60)
    first = found.pick("10.0.0.1", (), 0.0)
    assert first
    more: list[list[object]] = [["127.0.0.1", port, f"p{port}", f"u{port}"] for port in range(1, 30)]
    found.update(listener(30080, *more, affinity=60), 1.0)
    assert found.pick("10.0.0.1", (), 59.0) is first
    assert found.pick("10.0.0.1", {first}, 60.0) is not first


def test_clients_of_one_affine_service_spread() -> None:
    found = service(1, 2, 3, affinity=60)
    assert len({found.pick(f"10.0.0.{number}", (), 0.0) for number in range(50)}) == 3


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {"d/a:80": {}},
        {"d/a:80": {"nodePort": "x", "addresses": [], "affinity": 0, "endpoints": []}},
        {"d/a:80": {"nodePort": 30080, "addresses": [1], "affinity": 0, "endpoints": []}},
        {"d/a:80": {"nodePort": 30080, "addresses": [], "affinity": 0, "endpoints": [["h", 0, "n", "u"]]}},
        {"d/a:80": {"nodePort": 30080, "addresses": [], "affinity": 0, "endpoints": [["h", 1]]}},
    ],
)
def test_a_broken_table_is_refused(broken: Any) -> None:
    with pytest.raises(ValueError, match=r"table|endpoint|port|unpack"):
        checked(broken)


async def test_each_request_gets_another_endpoint_across_workers() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a", "b", "c") as made:
        await serve(link, port, *(one.endpoint for one in made))
        answers = [await ask(port) for _ in range(12)]
        assert all(len(set(answers[at : at + 3])) == 3 for at in range(10)), answers


async def test_a_client_with_affinity_stays_whatever_worker_it_meets() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a", "b", "c") as made:
        await serve(link, port, *(one.endpoint for one in made), affinity=100)
        for host in ("127.0.0.1", "127.0.0.7"):
            assert len({await ask(port, host=host) for _ in range(10)}) == 1


async def test_a_dead_endpoint_costs_no_request() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a", "b") as made:
        await serve(link, port, *(one.endpoint for one in made))
        await made[0].stop()
        assert Counter([await ask(port) for _ in range(6)]) == {"b": 6}
        await eventually(lambda: link.counters()["services"][KEY]["connectFailures"] > 0)


async def test_a_pod_that_does_not_listen_yet_is_waited_for() -> None:
    port = free_port()
    late = Backend("late")
    await late.start()
    await late.stop()
    async with proxy(workers=1) as link:
        await serve(link, port, late.endpoint)
        asking = asyncio.create_task(ask(port))
        try:
            await eventually(lambda: link.counters()["services"][KEY]["connectFailures"] > 1)
            await late.start(late.port)
            assert await asking == "late"
        finally:
            await late.stop()


async def test_a_service_without_endpoints_resets_after_a_while() -> None:
    port = free_port()
    async with proxy(workers=1) as link:
        await serve(link, port)
        with pytest.raises(ConnectionResetError):
            await ask(port)


async def test_counters_tell_connections_and_bytes_by_pod() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a", "b") as made:
        await serve(link, port, *(one.endpoint for one in made))
        for _ in range(4):
            await ask(port, "hello")

        def counted() -> bool:
            counts = link.counters()["services"][KEY]
            return bool(counts["connections"] == 4 and counts["active"] == 0)

        await eventually(counted)
        told = link.counters()
        assert told["services"][KEY]["bytesIn"] == 4 * len("hello\n")
        assert told["services"][KEY]["bytesOut"] == 4 * len("a\n")
        found = told["services"][KEY]["backends"][f"127.0.0.1:{made[0].port}"]
        assert (found["pod"], found["connections"]) == ("a", 2)
        await eventually(lambda: sum(link.counters()["services"][KEY]["rate"]) >= 0)
