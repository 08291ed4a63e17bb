"""Host processes: signals, exit codes, ports, logs, and what is left when the control plane is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from k9lite.engines import process_logs, process_shim
from k9lite.engines.base import ContainerSpec, ContainerState, CreateError, ImageError, NoSuchContainer, Port
from k9lite.engines.process import ProcessEngine
from k9lite.settings import Settings
from tests.support.wait import eventually

CLUSTER = f"test{os.getpid()}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine(settings, CLUSTER)
    yield made
    await made.remove_all()
    await made.close()


def spec(*command: str, image: str = "host", **fields: Any) -> ContainerSpec:
    values: dict[str, Any] = {
        "namespace": "default",
        "pod": "p",
        "pod_uid": "uid-1",
        "name": "main",
        "attempt": 0,
        "image": image,
        "command": command,
    }
    return ContainerSpec(**(values | fields))


async def run(engine: ProcessEngine, wanted: ContainerSpec) -> str:
    container = await engine.create(wanted)
    await engine.start(container)
    return container


async def ended(engine: ProcessEngine, container: str) -> ContainerState:
    async def check() -> ContainerState | None:
        state = await engine.inspect(container)
        return state if state.phase == "exited" else None

    state = await eventually(check)
    assert state is not None
    return state


async def text(engine: ProcessEngine, container: str, **options: Any) -> str:
    return b"".join([line async for line in engine.logs(container, **options)]).decode()


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$$$", 143), ("kill -KILL $$$$", 137), ("kill -SEGV $$$$", 139)],
)
async def test_the_exit_code_is_what_the_command_ended_with(engine: ProcessEngine, script: str, code: int) -> None:
    container = await run(engine, spec("sh", "-c", script))
    assert (await ended(engine, container)).exit_code == code
    exits = engine.exits()
    assert await anext(exits) == container


async def test_sigterm_reaches_the_command_and_sigkill_ends_all_of_it(engine: ProcessEngine) -> None:
    polite = await run(engine, spec("sleep", "1000"))
    await engine.terminate(polite)
    assert (await ended(engine, polite)).exit_code == 143
    script = "trap 'echo caught' TERM; sleep 1000 & echo $!; while :; do wait; done"
    deaf = await run(engine, spec("sh", "-c", script, attempt=1))
    child = int(await eventually(lambda: text(engine, deaf)))
    await engine.terminate(deaf)
    await eventually(lambda: _has(engine, deaf, "caught"))
    await engine.kill(deaf)
    assert (await ended(engine, deaf)).exit_code == 137
    await eventually(lambda: not _alive(child))


async def _has(engine: ProcessEngine, container: str, part: str) -> bool:
    return part in await text(engine, container)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def test_what_the_command_left_behind_is_ended(engine: ProcessEngine) -> None:
    container = await run(engine, spec("sh", "-c", "sleep 1000 & echo $!; exit 4"))
    assert (await ended(engine, container)).exit_code == 4
    child = int(await text(engine, container))
    await eventually(lambda: not _alive(child))


async def test_a_daemon_that_left_the_session_is_ended_at_the_next_list(engine: ProcessEngine) -> None:
    code = "import os,sys\nif os.fork(): sys.exit()\nos.setsid()\nprint(os.getpid(), flush=True)\nimport time; time.sleep(900)"
    container = await run(engine, spec(sys.executable, "-c", code))
    await ended(engine, container)
    daemon = int(await eventually(lambda: text(engine, container)))
    assert _alive(daemon)
    await engine.list()
    await eventually(lambda: not _alive(daemon))


async def test_environment_ports_and_expansion(engine: ProcessEngine) -> None:
    wanted = spec(
        "sh", "-c", "echo $(PORT) $PORT_81 '$(LATER)' '$$(PORT)' $GREETING; env; pwd",
        env={"GREETING": "on-$(PORT)"}, ports=(Port(80), Port(81)), working_dir="/tmp",
    )  # fmt: skip
    container = await run(engine, wanted)
    state = await ended(engine, container)
    first, second = state.host_ports[80], state.host_ports[81]
    out = await text(engine, container)
    assert out.splitlines()[0] == f"{first} {second} $(LATER) $(PORT) on-{first}"
    assert f"GREETING=on-{first}" in out
    assert "HOSTNAME=p" in out
    assert out.splitlines()[-1] == "/tmp"


async def test_variables_that_no_shell_could_have_arrive(engine: ProcessEngine) -> None:
    container = await run(engine, spec("env", env={"odd.name": "kept"}))
    await ended(engine, container)
    assert "odd.name=kept\n" in await text(engine, container)


async def test_ports_are_never_given_twice_and_stay_over_restarts(engine: ProcessEngine) -> None:
    ports: list[int] = []
    for number in range(150):
        container = await engine.create(spec("true", pod_uid=f"u{number}", ports=(Port(80), Port(81))))
        ports += (await engine.inspect(container)).host_ports.values()
    assert len(set(ports)) == 300
    again = await engine.create(spec("true", pod_uid="u7", attempt=1, ports=(Port(80), Port(81))))
    assert list((await engine.inspect(again)).host_ports.values()) == ports[14:16]


async def test_two_clusters_do_not_choose_the_same_ports(engine: ProcessEngine, tmp_path: Path) -> None:
    other = ProcessEngine(Settings(home=tmp_path / "other"), CLUSTER + "b")
    mine = await engine.create(spec("true", ports=(Port(80),)))
    theirs = await other.create(spec("true", ports=(Port(80),)))
    assert (await engine.inspect(mine)).host_ports != (await other.inspect(theirs)).host_ports
    await other.remove_all()
    await other.close()


async def test_whoami_answers_from_the_first_moment_and_drains(engine: ProcessEngine) -> None:
    state = await engine.start(await engine.create(spec(image="k9lite/whoami")))
    url = f"http://127.0.0.1:{state.host_ports[80]}/hello"
    async with aiohttp.ClientSession() as session:
        for _ in range(2):  # the second on the same connection
            async with session.get(url) as response:
                body = await response.text()
                assert response.status == 200
        assert body.startswith("Hostname: p\nNamespace: default\nImage: k9lite/whoami\n")
        assert "GET /hello HTTP/1.1" in body
        async with session.post(url, data=b"x" * 200_000) as response:
            assert response.status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", state.host_ports[80])
        writer.write(b"GET /late HTTP/1.1\r\nHost: x\r\n")
        await writer.drain()
        await eventually(lambda: _has(engine, state.id, "/hello"))
        await engine.terminate(state.id)

        async def refused() -> bool:
            try:
                _, probe = await asyncio.open_connection("127.0.0.1", state.host_ports[80])
            except ConnectionRefusedError:
                return True
            probe.close()
            return False

        await eventually(refused)
        writer.write(b"\r\n")
        answer = await reader.read()
        assert b"200 OK" in answer
        assert b"Connection: close" in answer
        writer.close()
    assert (await ended(engine, state.id)).exit_code == 0


async def test_what_cannot_run_is_said(engine: ProcessEngine) -> None:
    with pytest.raises(ImageError, match="Docker") as failure:
        await engine.pull("nginx", lambda _: None)
    assert failure.value.reason == "ErrImagePull"
    with pytest.raises(CreateError, match="has none"):
        await engine.create(spec())
    container = await engine.create(spec("no-such-program"))
    with pytest.raises(CreateError, match="executable file not found") as refusal:
        await engine.start(container)
    assert refusal.value.reason == "RunContainerError"
    container = await engine.create(spec("true", attempt=2, working_dir="/no/such"))
    with pytest.raises(CreateError, match="workingDir /no/such"):
        await engine.start(container)
    with pytest.raises(NoSuchContainer):
        await engine.inspect("x")


async def test_running_processes_are_adopted_with_their_exit_codes(engine: ProcessEngine, settings: Settings) -> None:
    runs_on = await run(engine, spec("sleep", "1000", ports=(Port(80),)))
    ends_meanwhile = await run(engine, spec("sh", "-c", "exit 7", name="b"))
    await ended(engine, ends_meanwhile)
    never_started = await engine.create(spec("true", name="c"))
    before = await engine.inspect(runs_on)
    await engine.close()

    second = ProcessEngine(settings, CLUSTER)
    try:
        found = {state.id: state for state in await second.list()}
        assert never_started not in found
        assert found[ends_meanwhile].exit_code == 7
        assert found[runs_on].phase == "running"
        assert found[runs_on].host_ports == before.host_ports
        another = await second.create(spec("true", pod_uid="uid-2", ports=(Port(80),)))
        assert (await second.inspect(another)).host_ports != before.host_ports
        await second.terminate(runs_on)
        assert (await ended(second, runs_on)).exit_code == 143
    finally:
        await second.remove_all()
        await second.close()


async def test_a_forked_whoami_is_adopted_and_answers_on(engine: ProcessEngine, settings: Settings) -> None:
    state = await engine.start(await engine.create(spec(image="k9lite/whoami")))
    await engine.close()
    second = ProcessEngine(settings, CLUSTER)
    try:
        (found,) = await second.list()
        assert (found.phase, found.host_ports) == ("running", state.host_ports)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{state.host_ports[80]}/") as response,
        ):
            assert response.status == 200
        await second.terminate(found.id)
        assert (await ended(second, found.id)).exit_code == 0
        again = await second.start(await second.create(spec(image="k9lite/whoami", attempt=1)))
        assert again.host_ports == state.host_ports
        await second.kill(again.id)
        assert (await ended(second, again.id)).exit_code == 137
    finally:
        await second.remove_all()
        await second.close()


async def test_a_reused_pid_is_not_taken_for_the_process(engine: ProcessEngine, settings: Settings) -> None:
    container = await run(engine, spec("sleep", "1000"))
    record = settings.data / "pods" / container / "run"
    line = await eventually(lambda: _whole(record))
    leader = int(line.split()[0])
    await engine.close()
    started = process_shim.parse_stat(line.splitlines()[0])[2]
    await eventually(lambda: _ticks() > started + 1)  # start times are told apart by 10 ms
    bystander = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    os.killpg(leader, signal.SIGKILL)
    record.write_text(line.replace(f"{leader} (", f"{bystander.pid} (", 1))
    second = ProcessEngine(settings, CLUSTER)
    try:
        (state,) = await second.list()
        assert (state.phase, state.exit_code) == ("exited", 137)
        await second.remove_all()
        assert bystander.returncode is None
        assert _alive(bystander.pid)
    finally:
        bystander.kill()
        await bystander.wait()
        await second.close()


async def test_a_reboot_is_told_from_a_kill(engine: ProcessEngine, settings: Settings) -> None:
    container = await run(engine, spec("sleep", "1000"))
    record = settings.data / "pods" / container / "run"
    line = await eventually(lambda: _whole(record))
    os.killpg(int(line.split()[0]), signal.SIGKILL)
    await ended(engine, container)
    await engine.close()
    record.write_text(line.splitlines()[0] + "\nanother-boot\n")
    second = ProcessEngine(settings, CLUSTER)
    (state,) = await second.list()
    assert (state.phase, state.exit_code) == ("exited", 255)
    assert "restarted" in state.error
    await second.remove_all()
    await second.close()


async def test_logs_follow_tail_and_end(engine: ProcessEngine) -> None:
    container = await run(engine, spec("sh", "-c", "for i in 1 2 3; do echo line $i; done; exec sleep 1000"))
    lines = engine.logs(container, follow=True)
    assert [await anext(lines) for _ in range(3)] == [b"line 1\n", b"line 2\n", b"line 3\n"]
    assert await text(engine, container, tail=2) == "line 2\nline 3\n"
    assert await text(engine, container, tail=0) == ""
    await engine.terminate(container)
    assert [line async for line in lines] == []


async def test_logs_since_a_time(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    os.utime(path, (1000.0, 1000.0))

    async def lines(since: float) -> bytes:
        reading = process_logs.read(
            path, running=lambda: False, follow=False, tail=None, timestamps=False, now=lambda: 0.0, since=since
        )
        return b"".join([line async for line in reading])

    assert (await lines(1000.0), await lines(1000.5)) == (b"one\n", b"")


async def test_logs_stay_within_their_limit_and_lose_nothing_new(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("ab", buffering=0) as log:
        for number in range(20_000):
            log.write(b"line %07d of a log that grows\n" % number)
            if number % 1000 == 0:
                process_logs.trim(path, 200_000, 100_000)
        process_logs.trim(path, 200_000, 100_000)
    assert path.stat().st_blocks * 512 <= 320_000
    reading = process_logs.read(path, running=lambda: False, follow=False, tail=None, timestamps=False, now=lambda: 0.0)
    lines = [line async for line in reading]
    assert lines[-1] == b"line 0019999 of a log that grows\n"
    first = int(lines[0].split()[1])
    assert lines == [b"line %07d of a log that grows\n" % number for number in range(first, 20_000)]
    assert len(lines) * 33 >= 190_000


async def test_nothing_is_left(engine: ProcessEngine, settings: Settings) -> None:
    for number in range(5):
        await run(engine, spec("sleep", "1000", pod_uid=f"u{number}"))
    pids = [int(path.read_text().split()[0]) for path in await eventually(lambda: _run_files(settings, 5))]
    await engine.remove_all()
    assert not any(_alive(pid) for pid in pids)
    assert not (settings.data / "pods").exists()


def _ticks() -> float:
    return float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK")


def _whole(record: Path) -> str:
    text = record.read_text()
    return text if text.count("\n") == 2 else ""


def _run_files(settings: Settings, count: int) -> list[Path]:
    files = [path for path in (settings.data / "pods").glob("*/run") if path.read_text().count("\n") == 2]
    return files if len(files) == count else []
