"""kubectl's exec, attach, cp, port-forward, run -i: over WebSocket and SPDY, on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.kubectl import Kubectl, chosen
from tests.support.cluster import Cluster, cluster
from tests.support.images import IMAGE, ensure_image
from tests.support.wait import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(120),
    # TLS sockets of a client that left early end a moment after the test; nobody holds them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ENGINES = [
    pytest.param("process", "k9lite/whoami", b"Hostname: web", id="process"),
    pytest.param("docker", IMAGE, b"hello", id="docker", marks=pytest.mark.docker),
]
every_engine = pytest.mark.parametrize(("engine", "image", "greeting"), ENGINES)
# SPDY alone; exec over WebSocket; everything over WebSocket.
every_transport = pytest.mark.parametrize("version", chosen("1.29", "1.30", "1.33"))


# The first size comes a moment after the program has started.
UNTIL_RESIZED = 'until [ "$(stty size 2>/dev/null)" = "33 77" ]; do sleep 0.05; done; echo resized; exit 5'


@contextlib.asynccontextmanager
async def running(version: str, engine: str, image: str) -> AsyncIterator[tuple[Kubectl, Cluster]]:
    """A cluster with one pod `web` that is ready."""
    if engine == "docker":
        ensure_image()
    async with cluster(engine) as served:
        kubectl = Kubectl(served, version)
        await kubectl.ok("run", "web", f"--image={image}", "--port=80", "--image-pull-policy=IfNotPresent")
        await kubectl.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=40s")
        yield kubectl, served


@every_engine
@every_transport
async def test_exec(version: str, engine: str, image: str, greeting: bytes) -> None:
    async with running(version, engine, image) as (kubectl, served):
        done = await kubectl.run("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
        assert (done.returncode, done.stdout) == (3, "out\n")
        assert done.stderr == "err\ncommand terminated with exit code 3\n"
        assert await kubectl.ok("exec", "-i", "web", "--", "cat", stdin=b"to and fro") == "to and fro"
        count = await kubectl.ok("exec", "-i", "web", "--", "sh", "-c", "cat | wc -c", stdin=os.urandom(3_000_000))
        assert int(count) == 3_000_000
        assert (
            "executable file not found"
            in (await kubectl.run("exec", "web", "--", "nosuch")).stderr
            + (await kubectl.run("exec", "web", "--", "nosuch")).stdout
        )
        assert "container x is not valid for pod web" in await kubectl.fails("exec", "web", "-c", "x", "--", "true")
        size = await in_terminal(kubectl, "exec", "-it", "web", "--", "sh", "-c", UNTIL_RESIZED)
        assert size == (5, "resized")
        await an_abandoned_program_ends(kubectl)
        assert "Traceback" not in served.log.read_text()


async def in_terminal(kubectl: Kubectl, *arguments: str) -> tuple[int, str]:
    """The exit code and the first line of a kubectl whose terminal has 33 lines of 77 characters."""
    import fcntl
    import struct
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    try:
        process = await asyncio.create_subprocess_exec(
            *kubectl.command(*arguments), env=kubectl.environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        code = await asyncio.wait_for(process.wait(), 40)
        shown = os.read(master, 65536).decode()
    finally:
        os.close(master)
    return code, re.sub(r"\s+", " ", shown.replace("\r\n", "\n").split("\n")[0]).strip()


async def an_abandoned_program_ends(kubectl: Kubectl) -> None:
    """What a client started ends with it."""
    mark = f"{os.getpid()}{kubectl.minor}"
    process = await asyncio.create_subprocess_exec(
        *kubectl.command("exec", "web", "--", "sleep", f"99{mark}"), env=kubectl.environment
    )

    def sleeps() -> bool:
        lines = (each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"]))
        return any(len(line) == 2 and line[0].endswith("sleep") and line[1] == f"99{mark}" for line in lines)

    await eventually(sleeps, timeout=20)
    process.kill()
    await process.wait()
    await eventually(lambda: not sleeps(), timeout=20)


@every_engine
@pytest.mark.parametrize("version", chosen("1.30", "1.33"))
async def test_port_forward(version: str, engine: str, image: str, greeting: bytes) -> None:
    async with running(version, engine, image) as (kubectl, served):
        process = await asyncio.create_subprocess_exec(
            *kubectl.command("port-forward", "pod/web", ":80", ":81"),
            env=kubectl.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            ports: dict[str, int] = {}
            while len(ports) < 2:
                line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
                if match := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
                    ports[match[2]] = int(match[1])
            for _ in range(3):
                assert greeting in await asked(ports["80"])
            answers = await asyncio.gather(*(asked(ports["80"]) for _ in range(8)))
            assert all(greeting in answer for answer in answers)
            assert await asked(ports["81"]) == b""
        finally:
            if process.returncode is None:
                process.terminate()
            _, said = await process.communicate()
        assert b"error forwarding port 81 to pod" in said
        assert "Traceback" not in served.log.read_text()


async def asked(port: int) -> bytes:
    """An HTTP answer, empty where the connection is only closed."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return b""
    try:
        writer.write(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@every_engine
async def test_copies_and_one_off_pods(engine: str, image: str, greeting: bytes, tmp_path: Path) -> None:
    async with running("1.33", engine, image) as (kubectl, _):
        inside = f"/tmp/k9lite-{os.getpid()}-{tmp_path.name}"
        (tmp_path / "there").mkdir()
        (tmp_path / "there/file").write_bytes(os.urandom(200_000))
        try:
            await kubectl.ok("cp", str(tmp_path / "there"), f"web:{inside}")
            await kubectl.ok("cp", f"web:{inside}", str(tmp_path / "back"))
            assert (tmp_path / "back/file").read_bytes() == (tmp_path / "there/file").read_bytes()
        finally:
            await kubectl.ok("exec", "web", "--", "sh", "-c", f"rm -rf {inside} 2>/dev/null || true")
        run = ("run", "once", "-i", "--rm", "--restart=Never", f"--image={'host' if engine == 'process' else image}")
        said = await kubectl.ok(*run, "--command", "--", "sh", "-c", "echo done")
        assert "done" in said + await kubectl.ok("get", "pods")
        assert "ephemeral containers are disabled" in await kubectl.fails("debug", "web", "-it", f"--image={image}")
