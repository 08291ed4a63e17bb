"""A whole cluster for a test: a control plane process of its own, in a directory of its own, gone afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.wait import eventually

REPOSITORY = Path(__file__).resolve().parents[2]


def node_port_range() -> tuple[int, int]:
    """A part of the NodePort range that no other test worker uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    first = 30000 + (worker % 8) * 340
    return first, first + 339


class Cluster:
    """Starts, kills and asks one control plane. `home` holds everything it writes."""

    def __init__(self, home: Path, engine: str = "process") -> None:
        self.home = home
        self.engine = engine
        self._process: subprocess.Popen[bytes] | None = None
        first, last = node_port_range()
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("K9LITE_", "COV_"))},
            "K9LITE_HOME": str(home),
            "K9LITE_ENGINE": engine,
            "K9LITE_NODE_PORT_MIN": str(first),
            "K9LITE_NODE_PORT_MAX": str(last),
            "K9LITE_NODE_PORT_ADDRESSES": "127.0.0.1",
            "K9LITE_PROXY_WORKERS": "1",
            "PYTHONPATH": str(REPOSITORY),
            "COLUMNS": "160",
        }

    @property
    def log(self) -> Path:
        return self.home / "test-serve.log"

    async def start(self) -> None:
        """Start the control plane and wait until it answers."""
        if self._process is not None:
            self._process.wait(timeout=30)
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; the process outlives loops
                [sys.executable, "-m", "k9lite", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await eventually(self._is_ready, timeout=30)

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the control plane ended with {self._process.returncode}:\n{self.log.read_text()}")
        try:
            return int(self.announced()["pid"]) == self._process.pid
        except FileNotFoundError:
            return False

    def announced(self) -> dict[str, Any]:
        """What the control plane says of itself in the run directory."""
        content: dict[str, Any] = json.loads((self.home / "data/run/serve.json").read_text())
        return content

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> int:
        """SIGTERM, as systemd; returns the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=30)

    def session(self) -> aiohttp.ClientSession:
        """An HTTP session with the administrator's certificate, relative to the API's address."""
        pki = self.home / "data/pki"
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        url = f"https://127.0.0.1:{self.announced()['port']}"
        return aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def run(
        self, *arguments: str, stdin: bytes = b"", timeout: float = 40, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One `k9lite` command, to its end. Raises TimeoutExpired."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "k9lite", *arguments],
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())

    async def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        """The output of a command that has to succeed."""
        done = await self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"k9lite {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    async def remove(self) -> None:
        """End the control plane and remove all that the cluster made, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if (self.home / "data").exists():
            done = await self.run("serve", "--reset", timeout=60)
            assert done.returncode == 0, done.stderr


@asynccontextmanager
async def cluster(engine: str = "process", *, start: bool = True) -> AsyncIterator[Cluster]:
    """A fresh cluster; with `start`, its control plane runs and answers."""
    with tempfile.TemporaryDirectory(prefix="k9lite-test-", ignore_cleanup_errors=True) as directory:
        made = Cluster(Path(directory) / "home", engine)
        try:
            if start:
                await made.start()
            yield made
        finally:
            await made.remove()
