"""A control plane of its own for a benchmark: another process, in a directory of its own, gone afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE_PARENT = Path(__file__).resolve().parents[1]
POLL = 0.002


class Cluster:
    """One running control plane, asked by commands and by its API."""

    def __init__(self, home: Path, engine: str) -> None:
        self.home = home
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("K9LITE_", "PYTHONDONTWRITE"))},
            "K9LITE_HOME": str(home),
            "K9LITE_ENGINE": engine,
            "K9LITE_NODE_PORT_ADDRESSES": "127.0.0.1",
            "PYTHONPATH": str(PACKAGE_PARENT),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "k9lite", "serve"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def announced(self) -> dict[str, Any] | None:
        """What it says of itself once it serves."""
        try:
            content: dict[str, Any] = json.loads((self.home / "data/run/serve.json").read_text())
        except FileNotFoundError:
            if self.process.poll() is not None:
                raise RuntimeError(f"the control plane ended with {self.process.returncode}") from None
            return None
        return content

    def command(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "k9lite", *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"k9lite {' '.join(words)}: {done.stderr}")
        return done.stdout

    def ready_pods(self) -> int:
        pods = json.loads(self.command("get", "deployments", "-o", "json"))["items"]
        return sum(pod.get("status", {}).get("readyReplicas", 0) for pod in pods)


def wait(check: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(POLL)
    return answer


@contextmanager
def running(engine: str = "process") -> Iterator[Cluster]:
    """A cluster whose control plane has announced itself."""
    with tempfile.TemporaryDirectory(prefix="k9lite-bench-", ignore_cleanup_errors=True) as directory:
        made = Cluster(Path(directory) / "home", engine)
        try:
            wait(made.announced)
            yield made
        finally:
            made.process.terminate()
            made.process.wait(60)
            made.command("serve", "--reset")
