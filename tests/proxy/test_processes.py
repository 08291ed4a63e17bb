"""What dies and comes back: control plane, parent, workers; who may listen."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from k9lite.clock import SystemClock
from k9lite.proxy.link import ProxyLink
from k9lite.proxy.parent import running_pid
from tests.proxy.support import (
    KEY,
    ask,
    backends,
    free_port,
    is_alive,
    linked,
    listener,
    proxy,
    serve,
    settings_in,
)
from tests.support.cluster import REPOSITORY
from tests.support.wait import eventually

CONTROL = """
import asyncio, json, sys
from pathlib import Path
from k9lite.clock import SystemClock
from k9lite.proxy.link import ProxyLink
from k9lite.settings import Settings

async def main():
    link = ProxyLink(Settings(home=Path(sys.argv[1]), proxy_workers=2), SystemClock())
    await link.start()
    while not link.connected:
        await asyncio.sleep(0.01)
    await link.set_table(json.loads(sys.argv[2]))
    while len(link.workers) < 2:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Load:
    """Asks without a pause until it is stopped; `failed` holds what was not an answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answered = 0
        self.failed: list[str] = []

    async def _ask(self) -> None:
        while True:
            try:
                answer = await ask(self.port)
                if not answer:
                    self.failed.append("empty answer")
            except OSError as error:
                self.failed.append(repr(error))
            self.answered += 1

    @asynccontextmanager
    async def running(self, clients: int = 4) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask()) for _ in range(clients)]
        try:
            await self.more(20)
            yield
            await self.more(20)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def more(self, count: int) -> None:
        wanted = self.answered + count
        await eventually(lambda: self.answered >= wanted)


async def answers(port: int) -> bool:
    try:
        return bool(await ask(port))
    except OSError:
        return False


async def test_traffic_goes_on_when_the_control_plane_is_killed_and_the_next_one_adopts_the_proxy() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="k9lite-proxy-") as name:
        async with backends("a", "b") as made:
            table = json.dumps({KEY: listener(port, *(one.endpoint for one in made))})
            settings = settings_in(Path(name))
            control = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-c", CONTROL, name, table),
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=asyncio.subprocess.PIPE,
            )
            try:
                assert control.stdout is not None
                assert await asyncio.wait_for(control.stdout.readline(), 20) == b"ready\n"
                before = running_pid(settings.run)
                load = Load(port)
                async with load.running():
                    control.kill()
                    await control.wait()
                    await load.more(100)
                    link = ProxyLink(settings, SystemClock())
                    try:
                        await link.start()
                        await eventually(lambda: link.pid == before)
                        await link.set_table({KEY: listener(port, made[1].endpoint)})
                        assert await ask(port) == "b"
                        await load.more(50)
                    finally:
                        await link.stop()
                assert load.failed == []
            finally:
                if control.returncode is None:
                    control.kill()
                await control.wait()
                await end_proxy(settings_run=settings.run)


async def end_proxy(settings_run: Path) -> None:
    pid = running_pid(settings_run)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        await eventually(lambda: running_pid(settings_run) is None)


async def test_a_dead_worker_is_replaced() -> None:
    port = free_port()
    async with proxy(workers=2) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        before = list(link.workers)
        os.kill(before[0], signal.SIGKILL)
        await eventually(lambda: len(link.workers) == 2 and before[0] not in link.workers)
        assert before[1] in link.workers
        assert await asyncio.gather(*(ask(port) for _ in range(10))) == ["a"] * 10


async def test_a_dead_proxy_is_started_again_with_its_table() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        old, workers = link.pid, list(link.workers)
        os.kill(old, signal.SIGKILL)
        await eventually(lambda: link.connected and link.pid != old)
        await eventually(lambda: answers(port))
        await eventually(lambda: not any(is_alive(pid) for pid in workers))


async def test_a_request_outlives_the_parent() -> None:
    port = free_port()
    async with proxy(workers=1) as link, backends("a") as made:
        await serve(link, port, made[0].endpoint)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"wait\n")
        await made[0].waiting.wait()
        old = link.pid
        os.kill(old, signal.SIGKILL)
        await eventually(lambda: link.connected and link.pid != old)
        await eventually(lambda: answers(port))
        made[0].release.set()
        assert await reader.readline() == b"a\n"
        writer.close()


async def test_a_proxy_alone_serves_the_last_table_which_only_its_user_may_read() -> None:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="k9lite-proxy-") as name:
        settings = settings_in(Path(name))
        async with backends("a") as made:
            async with linked(settings) as link:
                await serve(link, port, made[0].endpoint)
            mode = (settings.run / "proxy-table.json").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
            alone = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "k9lite.proxy", env={**os.environ, **settings.environment()}
            )
            try:
                await eventually(lambda: answers(port))
            finally:
                alone.terminate()
                assert await alone.wait() == 0


async def test_a_second_proxy_on_the_same_directory_is_refused_with_the_pid_of_the_first() -> None:
    async with proxy(workers=1) as link:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "k9lite.proxy"],
            env={**os.environ, **link._settings.environment()},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 1
        assert f"Error: a proxy with pid {link.pid} already serves" in done.stderr
        assert "Traceback" not in done.stderr


async def test_stopping_for_good_leaves_no_process() -> None:
    port = free_port()
    async with proxy(workers=2) as link:
        await serve(link, port)
        pids = [link.pid, *link.workers]
        await link.stop(kill=True)
        assert not any(is_alive(pid) for pid in pids)
        assert running_pid(link._settings.run) is None


async def test_a_proxy_whose_directory_was_removed_ends() -> None:
    with tempfile.TemporaryDirectory(prefix="k9lite-proxy-") as name:
        settings = settings_in(Path(name), workers=1)
        async with linked(settings) as link:
            pid = link.pid
            await link.stop()
            (settings.run / "proxy.lock").unlink()
            await eventually(lambda: not is_alive(pid))


async def test_a_link_that_spawns_nothing_still_ends_what_runs() -> None:
    async with proxy(workers=1) as link:
        await link.stop()
        other = ProxyLink(link._settings, SystemClock())
        await other.start(spawn=False)
        await other.stop(kill=True)
        assert running_pid(link._settings.run) is None


async def test_a_port_that_another_program_shares_is_refused_and_taken_once_it_is_free() -> None:
    port, told = free_port(), list[dict[str, str]]()
    async with proxy(workers=2) as link, backends("a") as made:
        link.on_listen_errors = lambda errors: told.append(dict(errors))
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
            await serve(link, port, made[0].endpoint)
            await eventually(lambda: KEY in link.errors)
            assert f"port {port} on 127.0.0.1 is in use by another program" in link.errors[KEY]
            assert "nodePort" in link.errors[KEY]
        await eventually(lambda: link.errors == {})
        assert await ask(port) == "a"
        assert told[-1] == {}


async def test_another_cluster_cannot_share_a_port() -> None:
    port = free_port()
    async with proxy(workers=1) as first, proxy(workers=1) as second, backends("a", "b") as made:
        await serve(first, port, made[0].endpoint)
        await serve(second, port, made[1].endpoint)
        await eventually(lambda: KEY in second.errors)
        assert first.errors == {}
        assert {await ask(port) for _ in range(6)} == {"a"}


async def test_ports_move_between_services_and_close_with_them() -> None:
    one, two = free_port(), free_port() - 1
    async with proxy(workers=2) as link, backends("a", "b") as made:
        await link.set_table({"d/a:80": listener(one, made[0].endpoint), "d/b:80": listener(two, made[1].endpoint)})
        await eventually(lambda: answers(one))
        await link.set_table({"d/a:80": listener(two, made[0].endpoint), "d/b:80": listener(one, made[1].endpoint)})
        assert (await ask(two), await ask(one)) == ("a", "b")
        await link.set_table({"d/a:80": listener(two, made[0].endpoint)})
        assert not await answers(one)
        assert await ask(two) == "a"
