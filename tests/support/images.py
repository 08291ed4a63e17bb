"""The image that container tests run: BusyBox alone, built from the host's static binary without a registry."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path

import pytest

IMAGE = "k9lite-test/busybox:4"
_APPLETS = (
    "sh",
    "sleep",
    "httpd",
    "cat",
    "echo",
    "kill",
    "hostname",
    "true",
    "false",
    "yes",
    "env",
    "seq",
    "pwd",
    "nc",
    "tar",
    "stty",
    "test",
    "wc",
    "head",
    "rm",
)
_WHO = "#!/bin/sh\necho 'Content-Type: text/plain'\necho\nhostname\n"


@lru_cache(maxsize=1)
def docker_answers() -> bool:
    """Whether a container engine answers on this machine."""
    try:
        probe = subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def require_docker() -> None:
    """Skip the test where no engine answers; fail instead where K9LITE_REQUIRE_DOCKER says that one must."""
    if docker_answers():
        return
    if os.environ.get("K9LITE_REQUIRE_DOCKER"):
        pytest.fail("K9LITE_REQUIRE_DOCKER is set, but no container engine answers")
    pytest.skip("no container engine answers on this machine")


def _busybox() -> bytes:
    for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")):
        if path.exists():
            program = path.read_bytes()
            if b"/ld-linux" not in program[:4096]:  # no interpreter named: statically linked
                return program
    pytest.skip("container tests need Debian's busybox-static")


def ensure_image() -> str:
    """Import the image unless the engine has it. Returns its name."""
    require_docker()
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0:
        return IMAGE
    imported = subprocess.run(
        [
            "docker",
            "import",
            "--change",
            "ENV PATH=/bin",
            "--change",
            """CMD ["sh", "-c", "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait"]""",
            "-",
            IMAGE,
        ],
        input=_filesystem(),
        capture_output=True,
        check=False,
    )
    assert imported.returncode == 0, imported.stderr.decode()
    return IMAGE


def _filesystem() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for directory in ("bin", "etc", "tmp", "proc", "sys", "dev", "www", "www/cgi-bin"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777 if directory == "tmp" else 0o755
            tar.addfile(entry)
        for name, mode, data in (
            ("bin/busybox", 0o755, _busybox()),
            ("etc/passwd", 0o644, b"root:x:0:0:root:/:/bin/sh\n"),
            ("www/index.html", 0o644, b"hello\n"),
            ("www/cgi-bin/who", 0o755, _WHO.encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(data)
            tar.addfile(entry, io.BytesIO(data))
        for applet in _APPLETS:
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return content.getvalue()
