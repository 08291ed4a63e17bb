"""Containers on a real Docker (or Podman) engine."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from k9lite.engines.base import ContainerSpec, CreateError, EngineUnavailable, ImageError, NoSuchContainer, Port
from k9lite.engines.docker import DockerEngine
from k9lite.settings import Settings
from tests.support.images import IMAGE, ensure_image
from tests.support.wait import eventually

RUN = secrets.token_hex(3)
"""Keeps the pods of test runs beside each other apart."""
pytestmark = [pytest.mark.docker, pytest.mark.timeout(60)]


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[DockerEngine]:
    ensure_image()
    made = DockerEngine(Settings(home=tmp_path), "test" + secrets.token_hex(4))
    yield made
    await made.remove_all()
    await made.close()


def spec(name: str = "p", *script: str, **options: object) -> ContainerSpec:
    command = ("sh", "-c", *script) if script else ()
    return ContainerSpec("default", name, f"{RUN}-{name}", "c", 0, IMAGE, command=command, **options)  # type: ignore[arg-type]


async def ended(engine: DockerEngine, container: str) -> bool:
    return (await engine.inspect(container)).phase == "exited"


async def test_a_container_runs_answers_and_is_found_again(engine: DockerEngine) -> None:
    container = await engine.create(spec(ports=(Port(80),)))
    assert await engine.create(spec(ports=(Port(80),))) == container
    state = await engine.start(container)
    assert (state.phase, state.pod, state.pod_uid, state.name, state.attempt) == ("running", "p", f"{RUN}-p", "c", 0)
    assert state.started_at > 1_700_000_000
    host = state.address if not state.host_ports else "127.0.0.1"
    port = state.host_ports.get(80, 80)

    async def answer() -> bytes:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /index.html HTTP/1.0\r\n\r\n")
        content = await reader.read()
        writer.close()
        await writer.wait_closed()
        return content

    assert b"hello" in await eventually(answer)
    other = DockerEngine(Settings(), "other" + secrets.token_hex(4))
    assert [found.id for found in await engine.list()] == [container]
    assert await other.list() == []
    await other.close()


async def test_exit_codes_and_logs(engine: DockerEngine) -> None:
    container = await engine.create(spec("p", "echo one; echo two >&2; echo three; exit 3"))
    await engine.start(container)
    lines = [line async for line in engine.logs(container, follow=True)]
    assert sorted(lines) == [b"one\n", b"three\n", b"two\n"]
    await eventually(lambda: ended(engine, container))
    state = await engine.inspect(container)
    assert state.exit_code == 3
    assert state.finished_at > 1_700_000_000
    assert len([line async for line in engine.logs(container, tail=1)]) == 1


async def test_an_end_is_told_at_once(engine: DockerEngine) -> None:
    container = await engine.create(spec("p", "sleep 1000"))
    await engine.start(container)
    exits = engine.exits()
    first = asyncio.ensure_future(anext(exits))
    try:

        async def told() -> bool:
            await engine.kill(container)
            return first.done()

        await eventually(told)
        assert await first == container
        assert (await engine.inspect(container)).exit_code == 137
    finally:
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await exits.aclose()  # type: ignore[attr-defined]


async def test_sigterm_reaches_the_program(engine: DockerEngine) -> None:
    container = await engine.create(spec("p", "trap 'exit 7' TERM; echo up; while true; do sleep 0.05; done"))
    await engine.start(container)

    async def is_up() -> bool:
        return [line async for line in engine.logs(container)] == [b"up\n"]

    await eventually(is_up)
    await engine.terminate(container)
    await eventually(lambda: ended(engine, container))
    assert (await engine.inspect(container)).exit_code == 7
    await engine.terminate(container)
    await engine.kill(container)


async def test_limits_environment_and_directory(engine: DockerEngine) -> None:
    container = await engine.create(
        spec("p", "echo $A; pwd; hostname", env={"A": "x y"}, working_dir="/tmp", memory_bytes=64 << 20, cpu_millis=500)
    )
    await engine.start(container)
    assert [line async for line in engine.logs(container, follow=True)] == [b"x y\n", b"/tmp\n", b"p\n"]
    form = "{{.HostConfig.Memory}} {{.HostConfig.CpuQuota}} {{.HostConfig.RestartPolicy.Name}}"
    told = await asyncio.to_thread(
        subprocess.run, ["docker", "inspect", "-f", form, container], capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[:2] == [str(64 << 20), "50000"]


async def test_what_cannot_run_is_explained(engine: DockerEngine) -> None:
    assert await engine.image_id(IMAGE)
    assert await engine.image_id("k9lite-test/absent:1") is None
    with pytest.raises(ImageError, match=r'failed to pull image "localhost:1/absent:1"') as pull:
        await engine.pull("localhost:1/absent:1", lambda _: None)
    assert pull.value.reason == "ErrImagePull"
    absent = ContainerSpec("default", "q", "uid-q", "c", 0, IMAGE, command=("absent-program",))
    with pytest.raises(CreateError, match="absent-program") as start:
        await engine.start(await engine.create(absent))
    assert start.value.reason == "RunContainerError"
    with pytest.raises(NoSuchContainer):
        await engine.inspect("absent")
    await engine.remove("absent")


async def test_an_engine_that_is_away_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    engine = DockerEngine(Settings(home=tmp_path), "x")
    with pytest.raises(EngineUnavailable, match=r"absent\.sock"):
        await engine.list()
    await engine.close()


async def test_the_image_says_with_which_signal_it_ends(engine: DockerEngine) -> None:
    image = f"k9lite-test/signal-{RUN}"
    build(image, f"FROM {IMAGE}\nSTOPSIGNAL SIGUSR1\n")
    try:
        script = "trap 'exit 5' TERM; trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done"
        asked = dataclasses.replace(spec("p", script), image=image)
        container = await engine.create(asked)
        await engine.start(container)
        async for _ in engine.logs(container, follow=True):
            await engine.terminate(container)  # once it is up
        await eventually(lambda: ended(engine, container))
        assert (await engine.inspect(container)).exit_code == 7
        await engine.remove(container)
    finally:
        remove_image(image)


async def test_pods_that_come_together_share_one_network(engine: DockerEngine) -> None:
    made = await asyncio.gather(*(engine.create(spec(f"p{number}", "sleep 1000")) for number in range(4)))
    states = await asyncio.gather(*(engine.start(container) for container in made))
    assert len({state.address for state in states}) == 4
    assert len(networks(engine)) == 1


async def test_a_network_that_was_removed_is_made_anew(engine: DockerEngine) -> None:
    await engine.create(spec("p", "sleep 1000"))
    remove_networks(engine)
    with pytest.raises((NoSuchContainer, CreateError)):  # Docker tells with the start, Podman with the create
        await engine.start(await engine.create(spec("q", "sleep 1000")))
    assert (await engine.start(await engine.create(spec("q", "sleep 1000")))).phase == "running"


def networks(engine: DockerEngine) -> list[str]:
    shown = ["docker", "network", "ls", "-q", "--filter", f"label=k9lite.io/cluster={engine._cluster_id}"]
    return subprocess.run(shown, check=True, capture_output=True, text=True).stdout.split()


def remove_networks(engine: DockerEngine) -> None:
    subprocess.run(["docker", "network", "rm", *networks(engine)], check=True, capture_output=True)


def build(image: str, dockerfile: str) -> None:
    subprocess.run(
        ["docker", "build", "-q", "-t", image, "-"], input=dockerfile.encode(), check=True, capture_output=True
    )


def remove_image(image: str) -> None:
    subprocess.run(["docker", "image", "rm", "-f", image], check=True, capture_output=True)


@pytest.mark.parametrize("by_cgroup", [True, False])
async def test_what_a_container_uses(engine: DockerEngine, by_cgroup: bool) -> None:
    hold = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); while [ ! -e /stop ]; do y=1; done"
    container = await engine.create(spec("p", hold))
    await engine.start(container)
    if not by_cgroup:
        engine._meter._cgroups[container] = None

    async def grown() -> bool:
        found = await engine.stats([container, "absent"])
        assert found.keys() == {container}
        return found[container].memory_bytes > 30_000_000 and found[container].cpu_seconds > 0.05

    await eventually(grown)
    await engine.kill(container)
    await eventually(lambda: ended(engine, container))
    assert await engine.stats([container]) == {}


async def test_a_program_that_waits_for_input_takes_it_from_who_attaches(engine: DockerEngine) -> None:
    container = await engine.create(spec("p", "read line; echo got $line; exit 6", stdin=True))
    await engine.start(container)
    session = await engine.attach(container, stdin=True)
    try:
        await session.write(b"this\n")
        said = b"".join([chunk async for _, chunk in session.output()])
        assert (said, await session.wait()) == (b"got this\n", 6)
    finally:
        await session.close()
