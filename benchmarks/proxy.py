"""CPU of the NodePort proxy per request beside HAProxy in TCP mode: nginx behind both, 32 keep-alive connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure, Skipped, show
from k9lite.clock import SystemClock
from k9lite.proxy.link import ProxyLink
from k9lite.settings import Settings

SECONDS = 2
ROUNDS = 5
CONNECTIONS = 32
TARGET = 1.25
TICKS = os.sysconf("SC_CLK_TCK")

NGINX = """
worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{ return 200 "ok\\n"; }} }}
}}
"""
HAPROXY = """
global
  maxconn 4096
defaults
  mode tcp
  balance leastconn
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen bench
  bind 127.0.0.1:{port}
  server nginx 127.0.0.1:{backend}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def running(*command: str) -> Iterator[int]:
    """A process for the time being; gives its pid."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def children(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found += children(int(path.parent.name))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time that the process and its children have used."""
    total = 0
    for each in children(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def load(port: int) -> int:
    """Requests answered in SECONDS; raises where one failed."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS + 20,
    )
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        raise RuntimeError(f"failed requests:\n{done.stdout}")
    found = re.search(r"(\d+) requests in", done.stdout)
    assert found is not None, done.stdout
    return int(found[1])


def measure(pid: int, port: int) -> tuple[float, float]:
    """(CPU microseconds per request, requests per second)."""
    before = cpu_seconds(pid)
    requests = load(port)
    return (cpu_seconds(pid) - before) / requests * 1e6, requests / SECONDS


async def compare(directory: Path, backend: int, haproxy: int, haproxy_pid: int) -> list[Figure]:
    """Both proxies in turn, so that what else the machine does meets both."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    settings = Settings(home=directory / "home")
    link, port = ProxyLink(settings, SystemClock()), free_port()
    try:
        await link.start()
        endpoint = ["127.0.0.1", backend, "nginx", "1"]
        await link.set_table(
            {
                "default/bench:80": {
                    "nodePort": port,
                    "addresses": ["127.0.0.1"],
                    "affinity": 0,
                    "endpoints": [endpoint],
                }
            }
        )
        await asyncio.to_thread(wait_for, port)
        await asyncio.sleep(1)  # all workers are there
        ours, theirs = [], []
        for _ in range(ROUNDS):
            theirs.append(await asyncio.to_thread(measure, haproxy_pid, haproxy))
            ours.append(await asyncio.to_thread(measure, link.pid, port))
    finally:
        await link.stop(kill=True)
    mine, peer = min(ours), min(theirs)  # what else the machine does only ever adds
    note = f"{mine[0]:.1f} and {peer[0]:.1f} µs a request, {mine[1]:,.0f} and {peer[1]:,.0f} requests/s"
    return [Figure("L4 proxy, CPU per request against HAProxy", mine[0] / peer[0], "x", TARGET, note=note)]


def main() -> list[Figure]:
    """Measure and print the table."""
    missing = [tool for tool in ("nginx", "haproxy", "wrk") if shutil.which(tool) is None]
    if missing:
        raise Skipped(f"{', '.join(missing)} not found; install them (Debian: nginx-light, haproxy, wrk) to compare")
    with tempfile.TemporaryDirectory(prefix="k9lite-bench-") as name:
        directory, backend, port = Path(name), free_port(), free_port()
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=backend))
        (directory / "haproxy.cfg").write_text(HAPROXY.format(port=port, backend=backend))
        with (
            running("nginx", "-c", str(directory / "nginx.conf"), "-p", name),
            running("haproxy", "-db", "-f", str(directory / "haproxy.cfg")) as haproxy_pid,
        ):
            wait_for(backend)
            wait_for(port)
            return show(asyncio.run(compare(directory, backend, port, haproxy_pid)))


if __name__ == "__main__":
    main()
