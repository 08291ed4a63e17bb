"""Is there a Docker-compatible engine on this machine? Asked without importing the SDK, which costs memory."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path


def candidates(environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Addresses to try, best first: DOCKER_HOST alone if set, else Docker's, then Podman's sockets."""
    environ = os.environ if environ is None else environ
    if environ.get("DOCKER_HOST"):
        yield environ["DOCKER_HOST"]
        return
    runtime = environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    home = environ.get("HOME", "/nonexistent")
    for path in (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{home}/.docker/run/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    ):
        yield f"unix://{path}"


def docker_socket(environ: Mapping[str, str] | None = None) -> str | None:
    """The first address whose engine answers `/_ping` within two seconds, else None."""
    return next((address for address in candidates(environ) if _answers(address)), None)


def _answers(address: str) -> bool:
    try:
        with _connect(address) as connection:
            connection.settimeout(2)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(256)
    except OSError:
        return False


def _connect(address: str) -> socket.socket:
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        if not Path(rest).exists():
            raise FileNotFoundError(rest)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(2)
        try:
            connection.connect(rest)
        except OSError:
            connection.close()
            raise
        return connection
    if scheme == "tcp":
        host, _, port = rest.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=2)
    raise OSError(f"{address}: only unix:// and tcp:// addresses are tried")
