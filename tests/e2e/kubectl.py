"""The kubectls of this machine, run against a cluster of the test: nothing of the user's own is read or written.

    @every_kubectl  # once for each version to test; skipped, aloud, where there is none
    async def test_x(shared: Cluster, version: str) -> None:
        kubectl = Kubectl(shared, version)

Found are `kubectl.1.N` (as some SDKs ship them) and plain `kubectl`, on the PATH, beside what `kubectl` on the PATH
links to, and in the directories of the variable K9LITE_TEST_KUBECTLS.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster

VERSIONS = ("1.27", "1.31", "1.33")
"""The versions that tests run by default: the oldest, the last that sends JSON only, the newest."""


@cache
def kubectls() -> dict[str, str]:
    """Every kubectl found, by its minor version: {"1.33": its path}."""
    directories = os.environ.get("K9LITE_TEST_KUBECTLS", "").split(":") + os.environ.get("PATH", "").split(":")
    if on_path := shutil.which("kubectl"):
        directories.append(str(Path(on_path).resolve().parent))
    found: dict[str, str] = {}
    for directory in filter(None, directories):
        for path in sorted(Path(directory).glob("kubectl.1.*")):
            if match := re.fullmatch(r"kubectl\.(1\.\d+)", path.name):
                found.setdefault(match[1], str(path))
    if not found and on_path and (version := _version_of(on_path)):
        found[version] = on_path
    return found


def _version_of(path: str) -> str | None:
    done = subprocess.run([path, "version", "--client", "-o", "json"], capture_output=True, check=False)
    match = re.search(rb'"minor":\s*"(\d+)', done.stdout)
    return f"1.{int(match[1])}" if match else None


def newest() -> str:
    """The newest version found; the test is skipped, aloud, where there is none."""
    if not kubectls():
        pytest.skip("no kubectl on this machine: put one on the PATH, or set K9LITE_TEST_KUBECTLS to its directory")
    return max(kubectls(), key=lambda version: int(version.partition(".")[2]))


def chosen(*versions: str) -> list[str]:
    """Those of the versions that are here, else all that are here, else one that will be skipped."""
    return [version for version in versions if version in kubectls()] or sorted(kubectls()) or ["none"]


every_kubectl = pytest.mark.parametrize("version", chosen(*VERSIONS))
"""Gives the argument `version`, for `Kubectl(cluster, version)`."""


class Kubectl:
    """One version of kubectl against one cluster; its cache and its HOME lie in the cluster's directory."""

    def __init__(self, cluster: Cluster, version: str | None = None) -> None:
        self.cluster = cluster
        self.version = version if version in kubectls() else newest()
        self.home = cluster.home / f"kubectl-{self.version}"
        self.home.mkdir(exist_ok=True)
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "K9LITE_"))},
            "KUBECONFIG": str(cluster.home / "data/admin.kubeconfig"),
            "HOME": str(self.home),
            "TZ": "UTC",
        }

    @property
    def minor(self) -> int:
        return int(self.version.partition(".")[2])

    def command(self, *arguments: str) -> list[str]:
        """The whole command line, for tests that start it themselves (watches, port-forward, exec -i)."""
        return [kubectls()[self.version], f"--cache-dir={self.home / 'cache'}", *arguments]

    async def run(
        self, *arguments: str, stdin: bytes = b"", timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """To its end; killed after `timeout` seconds."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *arguments: str, stdin: bytes = b"", timeout: float = 60, **environment: str) -> str:
        """The output of a command that has to succeed."""
        done = await self.run(*arguments, stdin=stdin, timeout=timeout, **environment)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    async def fails(self, *arguments: str, stdin: bytes = b"", timeout: float = 60) -> str:
        """What a command says that has to fail."""
        done = await self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} succeeded:\n{done.stdout}"
        return done.stderr

    async def get(self, *arguments: str) -> dict[str, Any]:
        """`get ... -o json`, parsed."""
        parsed: dict[str, Any] = json.loads(await self.ok("get", *arguments, "-o", "json"))
        return parsed
