"""`k9lite exec`, `attach`, `cp` and `port-forward`, on both engines."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from k9lite.cli.main import run
from tests.support.cluster import Cluster, cluster
from tests.support.images import IMAGE, ensure_image
from tests.support.wait import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    # TLS sockets of a client that left early end a moment after the test; nobody holds them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

every_engine = pytest.mark.parametrize(
    ("engine", "image", "greeting"),
    [
        pytest.param("process", "k9lite/whoami", b"Hostname: web", id="process"),
        pytest.param("docker", IMAGE, b"hello", id="docker", marks=pytest.mark.docker),
    ],
)


SIZED = 'until [ "$(stty size 2>/dev/null)" = "33 77" ]; do sleep 0.05; done; echo sized; read x; exit 5'
"""Waits for the size, which is told once the program runs."""


@contextlib.asynccontextmanager
async def running(engine: str, image: str) -> AsyncIterator[Cluster]:
    """A cluster with one pod `web` that is ready, and a service before it."""
    if engine == "docker":
        ensure_image()
    async with cluster(engine) as served:
        port = {"name": "http", "containerPort": 80}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "c", "image": image, "ports": [port], "env": [{"name": "A", "value": "b"}]}]
            },
        }
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "front"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 8000, "targetPort": "http"}]},
        }
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod, service]}).encode()
        await served.ok("apply", "-f", "-", stdin=manifest)
        await served.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=40s")
        yield served


@every_engine
async def test_exec_and_cp(
    engine: str, image: str, greeting: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(engine, image) as served:
        done = await served.run("exec", "web", "--", "sh", "-c", "echo $A; echo err >&2; exit 3")
        assert (done.returncode, done.stdout) == (3, "b\n")
        assert done.stderr == "err\ncommand terminated with exit code 3\n"
        assert await served.ok("exec", "-i", "pod/web", "--", "cat", stdin=b"to and fro") == "to and fro"
        count = await served.ok("exec", "-i", "web", "--", "sh", "-c", "cat | wc -c", stdin=os.urandom(3_000_000))
        assert int(count) == 3_000_000
        assert len(await served.ok("exec", "web", "--", "sh", "-c", "head -c 3000000 /dev/zero")) == 3_000_000
        await refusals(served, capsys)
        await copies(served, capsys, tmp_path, f"/tmp/k9lite-{os.getpid()}-{tmp_path.name}")
        code, shown = await in_terminal(served, "exec", "-it", "web", "--", "sh", "-c", SIZED)
        assert (code, shown.split()[0]) == (5, "sized")
        assert "Traceback" not in served.log.read_text()


async def inside_us(served: Cluster, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """A command in this process, which saves the start of one: its exit code, stdout and stderr."""
    capsys.readouterr()
    code = await asyncio.to_thread(run, ["--kubeconfig", str(served.home / "data/admin.kubeconfig"), *arguments])
    return code, *capsys.readouterr()


async def refusals(served: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    async def fails(*arguments: str) -> str:
        code, out, err = await inside_us(served, capsys, *arguments)
        assert (code, out) == (1, "")
        return err

    code, out, err = await inside_us(served, capsys, "exec", "web", "--", "nosuch")
    assert code
    assert "executable file not found" in out + err  # Docker tells it as the program's output
    assert await fails("exec", "nosuch", "--", "true") == 'Error: pods "nosuch" not found\n'
    assert "container x is not valid for pod web" in await fails("exec", "web", "-c", "x", "--", "true")
    assert "takes no input" in await fails("attach", "web", "-i")
    assert "does not have a named port" in await fails("port-forward", "web", ":nosuch")
    assert "does not have a service port 1" in await fails("port-forward", "svc/front", "1")
    assert "No such file" in await fails("cp", "web:/nosuch/file", "here")
    assert "doesn't exist in local filesystem" in await fails("cp", "/nosuch/file", "web:/tmp/x")


async def copies(served: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, inside: str) -> None:
    async def copied(source: object, target: object) -> str:
        code, out, err = await inside_us(served, capsys, "cp", str(source), str(target))
        assert (code, out) == (0, ""), err
        return err

    (tmp_path / "there/deep").mkdir(parents=True)
    (tmp_path / "there/deep/file").write_bytes(os.urandom(2_000_000))
    (tmp_path / "there/link").symlink_to("/etc/passwd")
    try:
        assert await copied(tmp_path / "there", f"default/web:{inside}") == ""
        assert "it is a link" in await copied(f"web:{inside}", tmp_path / "back")
        assert not (tmp_path / "back/link").exists()
        assert (tmp_path / "back/deep/file").read_bytes() == (tmp_path / "there/deep/file").read_bytes()
        await copied(tmp_path / "there/deep/file", f"web:{inside}/")
        await copied(f"web:{inside}/file", tmp_path / "one")
        assert (tmp_path / "one").read_bytes() == (tmp_path / "there/deep/file").read_bytes()
    finally:
        await inside_us(served, capsys, "exec", "web", "--", "sh", "-c", f"rm -rf {inside} 2>/dev/null || true")


async def in_terminal(served: Cluster, *arguments: str) -> tuple[int, str]:
    """The exit code of a command in a terminal of 33 lines of 77 characters where enter is pressed, and what it shows."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    before = termios.tcgetattr(slave)
    environment = {key: value for key, value in served.environment.items() if key not in ("COLUMNS", "LINES")}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "k9lite", *arguments, env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        shown = ""
        while "sized" not in shown:
            shown += (await asyncio.to_thread(os.read, master, 65536)).decode()
        os.write(master, b"\r")
        code = await asyncio.wait_for(process.wait(), 40)
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)
    return code, shown


@every_engine
async def test_port_forward(engine: str, image: str, greeting: bytes) -> None:
    async with running(engine, image) as served:
        process = await begun(served, "port-forward", "svc/front", ":8000")
        try:
            assert process.stdout is not None
            line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            match = re.fullmatch(r"Forwarding from 127\.0\.0\.1:(\d+) -> 80\n", line)
            assert match, line
            for _ in range(3):
                assert greeting in await asked(int(match[1]))
            answers = await asyncio.gather(*(asked(int(match[1])) for _ in range(8)))
            assert all(greeting in answer for answer in answers)
            await served.ok("delete", "pod", "web", "--grace-period=1")
            _, said = await asyncio.wait_for(process.communicate(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert (process.returncode, said.decode()) == (1, "Error: lost connection to pod\n")
        assert "Traceback" not in served.log.read_text()


async def asked(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def begun(served: Cluster, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "k9lite", *arguments,
        env=served.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_attach_shows_what_is_written_from_now_on(tmp_path: Path) -> None:
    async with cluster() as served:
        go = tmp_path / "go"
        script = f"echo before; until [ -e {go} ]; do sleep 0.05; done; echo after; exit 4"
        await served.ok("run", "one", "--image=host", "--restart=Never", "--", "sh", "-c", script)
        await served.ok("wait", "--for=condition=Ready", "pod/one", "--timeout=40s")
        process = await begun(served, "attach", "one")
        await eventually(lambda: reads_log(served), timeout=20)
        go.touch()
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert (process.returncode, out) == (4, b"after\n")
        assert err == b"command terminated with exit code 4\n"


def reads_log(served: Cluster) -> bool:
    """Whether the control plane has opened a log, which it does for those who follow it."""
    opened = psutil.Process(served.pid).open_files()
    return any(each.path.endswith("/log") for each in opened)
