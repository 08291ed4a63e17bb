"""The environment of host processes, and how strays are told by it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

MARK = "K9LITE_CONTAINER"
_INHERITED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "JAVA_HOME",
    "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip


def base_environment(cluster_id: str, container: str, pod: str) -> dict[str, str]:
    """What every process gets."""
    return {**_inherited(), "HOSTNAME": pod, MARK: f"{cluster_id}/{container}"}


@lru_cache(maxsize=1)
def _inherited() -> dict[str, str]:
    """Only what programs need to run at all: a pod must not depend on the terminal that happened to start the control
    plane, nor see its secrets."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    env.setdefault("PATH", os.defpath)
    return env


def end_strays(cluster_id: str, may_live: Callable[[str], bool]) -> None:
    """SIGKILL to processes that left the group of a container (daemons in sessions of their own) and outlived it.

    `may_live` is asked, from this thread, whether processes of a container are in order.
    Linux only: elsewhere the environment of processes cannot be read.
    """
    prefix = f"{MARK}={cluster_id}/".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if entry.stat().st_uid != os.getuid():
                continue
            content = (entry / "environ").read_bytes()
            at = content.find(prefix)
            if at < 0:
                continue
            container = content[at + len(prefix) :].split(b"\0", 1)[0].decode()
            if not may_live(container):
                os.kill(int(entry.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue
