"""The control plane process: opens the rooms in order, wires them together, closes them in reverse.

    store -> registry -> API server -> proxy link -> controllers -> node agent

The API answers first, so that clients can look while containers are still being adopted. On SIGTERM or SIGINT
everything is closed in reverse; pods keep running, and so does the proxy, so that a restart or an upgrade drops no
request (`k9lite stop` ends the proxy too, `--pods` the pods). Nothing is lost when the process is killed: what was
acknowledged is in the store's log, and the next start folds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from k9lite import __version__
from k9lite.clock import SystemClock, rfc3339
from k9lite.identity import Cluster, load_cluster
from k9lite.node.usage import Usage
from k9lite.settings import Settings

if TYPE_CHECKING:
    from k9lite.api.sessions import Command, Session
    from k9lite.apiserver.port_forward import Dial
    from k9lite.apiserver.server import ApiServer
    from k9lite.controllers.manager import Manager
    from k9lite.controllers.proxier import Proxier
    from k9lite.engines.base import Engine
    from k9lite.node.access import PodAccess
    from k9lite.node.agent import NodeAgent
    from k9lite.proxy.link import ProxyLink
    from k9lite.registry.events import EventRecorder
    from k9lite.registry.registry import Registry
    from k9lite.store.store import Store

log = logging.getLogger("k9lite.serve")

DEFAULT_API_PORT = 6445
OPEN_FILES = 65536
RESET_NAMES = ("cluster.json", "admin.kubeconfig", "pki", "tokens.json", "pods", "run", "logs", "store", "lock")
"""What a control plane makes in its data directory, and so all that `reset` removes there."""


class ControlPlane:
    """One cluster, running in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.started_at = self.clock.time()
        self.cluster: Cluster | None = None
        self.store: Store
        self.registry: Registry
        self.server: ApiServer | None = None
        self.manager: Manager | None = None
        self.proxier: Proxier | None = None
        self.link: ProxyLink | None = None
        self.recorder: EventRecorder | None = None
        self.node: NodeAgent | None = None
        self.usage = Usage()
        self.port = 0
        self.announced = False
        self.stopping = asyncio.Event()
        self.stop_pods = False
        self.stop_proxy = False

    async def start(self) -> None:
        """Open everything. Raises DirectoryLocked, OSError (port taken) or SettingsError with the reason."""
        for place in (self.settings.data, self.settings.run, self.settings.logs):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self.open_store()
        self.cluster = load_cluster(self.settings, self.clock)
        await self._start_server()
        await self._start_work()
        self._announce()

    async def open_store(self) -> None:
        from k9lite.registry.bootstrap import bootstrap
        from k9lite.registry.registry import Registry
        from k9lite.store.store import Store

        settings = self.settings
        self.store = await Store.open(
            settings.data / "store",
            clock=self.clock,
            history_seconds=settings.history_seconds,
            history_bytes=settings.history_bytes,
        )
        self.registry = Registry(
            self.store,
            self.clock,
            service_cidr=settings.service_cidr,
            node_ports=range(settings.node_port_min, settings.node_port_max + 1),
            port_is_free=lambda port: port_is_free(settings.node_port_addresses, port),
        )
        await bootstrap(self.registry)

    async def _start_server(self) -> None:
        from k9lite.apiserver.authentication import Authenticator
        from k9lite.apiserver.certificates import Certificates
        from k9lite.apiserver.server import ApiServer
        from k9lite.apiserver.service_tokens import ServiceTokens
        from k9lite.apiserver.user_tokens import UserTokens

        assert self.cluster is not None
        names = tuple(filter(None, (name.strip() for name in self.settings.api_names.split(","))))
        certificates = Certificates(self.settings.data / "pki", names)
        authenticator = Authenticator(
            tls=True,
            names=names,
            user_tokens=UserTokens(self.settings.data / "tokens.json", self.registry),
            service_tokens=ServiceTokens(self.settings.data / "pki/sa.key", self.registry),
        )

        def write_kubeconfig() -> None:
            content = certificates.kubeconfig(f"https://127.0.0.1:{self.port}")
            write_private(self.settings.kubeconfig, content.encode())

        self.server = ApiServer(
            self.registry,
            host="127.0.0.1",
            port=choose_api_port(self.settings, self.cluster),
            certificates=certificates,
            authenticator=authenticator,
            log_source=self,
            metrics=self,
            streams=self,
            status=self.status,
            shutdown=self.request_stop,
            on_renewed=write_kubeconfig,
        )
        self.port = await self.server.start()
        self.cluster.remember_port(self.port)
        write_kubeconfig()

    async def _start_work(self) -> None:
        from k9lite.controllers.manager import Manager
        from k9lite.controllers.proxier import Proxier
        from k9lite.node.agent import NodeAgent
        from k9lite.proxy.link import ProxyLink
        from k9lite.registry.events import EventRecorder

        assert self.cluster is not None
        settings, node_name = self.settings, node_name_of(socket.gethostname())
        self.link = ProxyLink(settings, self.clock)
        await self.link.start()
        self.manager = Manager(self.registry, node_name=node_name, settings=settings)
        await self.manager.start()
        self.proxier = Proxier(self.registry, self.link, settings=settings)
        await self.proxier.start()
        self.recorder = EventRecorder(self.registry, "kubelet", node_name)
        self.node = NodeAgent(
            self.registry,
            make_engines(settings, self.cluster),
            default_engine=self.cluster.engine,
            cluster_id=self.cluster.id,
            node_name=node_name,
            settings=settings,
            drainer=self.link,
            clock=self.clock,
            recorder=self.recorder,
        )
        await self.node.start()

    def _announce(self) -> None:
        """Say in the run directory that this cluster is served, and where."""
        content = {
            "pid": os.getpid(),
            "port": self.port,
            "version": __version__,
            "startedAt": rfc3339(self.started_at),
        }
        write_private(self.settings.run / "serve.json", orjson.dumps(content))
        self.announced = True
        log.info("serving https://127.0.0.1:%d, data in %s", self.port, self.settings.data)

    def logs(self, *arguments: Any, **options: Any) -> AsyncIterator[bytes]:
        """The log source of the API server: the node agent. Raises ApiError 503 until it is there."""
        return self._pods().logs(*arguments, **options)

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> Session:
        return await self._pods().exec(namespace, pod, container, command)

    async def attach(self, namespace: str, pod: str, container: str, *, stdin: bool) -> Session:
        return await self._pods().attach(namespace, pod, container, stdin=stdin)

    def dialer(self, namespace: str, pod: str) -> Dial:
        return self._pods().dialer(namespace, pod)

    def _pods(self) -> PodAccess:
        from k9lite.api.errors import unavailable

        if self.node is None:
            raise unavailable("the node agent is still starting; try again in a moment")
        return self.node.access

    def pod_metrics(self) -> list[dict[str, Any]]:
        """The source of metrics.k8s.io: the node agent. Nothing until it is there."""
        return self.node.metrics.pod_metrics() if self.node else []

    def node_metrics(self) -> list[dict[str, Any]]:
        """As pod_metrics."""
        return self.node.metrics.node_metrics() if self.node else []

    def status(self) -> dict[str, Any]:
        """What `k9lite status` and the app's header show beyond the Kubernetes API."""
        cluster = self.cluster
        return {
            "version": __version__,
            "pid": os.getpid(),
            "startedAt": rfc3339(self.started_at),
            "cluster": cluster.id if cluster else "",
            "engine": cluster.engine if cluster else "",
            "data": str(self.settings.data),
            "port": self.port,
            "resourceVersion": self.store.rv,
            "proxy": self.link.counters() if self.link else {},
            "node": self.usage.shares(),
        }

    def request_stop(self, pods: bool) -> None:
        """`k9lite stop`: end this process and the proxy soon; with `pods`, every pod too (until the next start)."""
        self.stop_pods = self.stop_pods or pods
        self.stop_proxy = True
        self.stopping.set()

    async def stop(self) -> None:
        """Close everything in reverse order. Pods and proxy keep running unless the stop asked for them."""
        if self.announced:
            (self.settings.run / "serve.json").unlink(missing_ok=True)
        if self.node:
            await self.node.stop(pods=self.stop_pods)
        if self.proxier:
            await self.proxier.stop()
        if self.manager:
            await self.manager.stop()
        if self.recorder:
            await self.recorder.close()
        if self.link:
            await self.link.stop(kill=self.stop_proxy)
        if self.server:
            await self.server.stop()
        if hasattr(self, "store"):
            await self.store.close()


def make_engines(settings: Settings, cluster: Cluster) -> dict[str, Engine]:
    """The engines of this node by name; Docker's SDK is imported only where an engine is there to talk to."""
    from k9lite.engines.detect import docker_socket
    from k9lite.engines.process import ProcessEngine

    engines: dict[str, Engine] = {"process": ProcessEngine(settings, cluster.id)}
    if cluster.engine == "docker" or docker_socket() is not None:
        from k9lite.engines.docker import DockerEngine

        engines["docker"] = DockerEngine(settings, cluster.id)
    return engines


def choose_api_port(settings: Settings, cluster: Cluster) -> int:
    """The port asked for, else that of the last start, else 6445 for the default cluster; 0: the system chooses."""
    if settings.api_port:
        return settings.api_port
    wanted = cluster.api_port or (0 if settings.home or settings.data_dir else DEFAULT_API_PORT)
    return wanted if wanted and port_is_free("127.0.0.1", wanted) else 0


def port_is_free(addresses: str, port: int) -> bool:
    """Whether a TCP listener could be opened on that port of every (comma-separated) address."""
    for address in filter(None, (part.strip() for part in addresses.split(","))):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def node_name_of(hostname: str) -> str:
    """The host's name as a valid Node name (lower case RFC 1123), `localhost` if nothing is left of it."""
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in hostname.lower())
    return kept.strip("-")[:63].rstrip("-") or "localhost"


def allow_open_files() -> None:
    """Every watch is an open file: as many as the system lets us have, up to 65,536."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def write_private(path: Path, content: bytes) -> None:
    """Replace a file whole, readable by its owner alone."""
    temporary = path.with_name(path.name + ".new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


async def _run(settings: Settings) -> int:
    plane = ControlPlane(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, plane.stopping.set)
    try:
        try:
            await plane.start()
        except Exception as error:
            reason = _explain(error)
            if reason is None:
                raise
            print(f"Error: {reason}", file=sys.stderr, flush=True)
            return 1
        gc.collect()
        gc.freeze()
        await plane.stopping.wait()
        log.info("stopping")
        return 0
    finally:
        await plane.stop()


def _explain(error: Exception) -> str | None:
    """What to tell the user about a start that failed; None for a defect of ours."""
    from k9lite.settings import SettingsError
    from k9lite.store.errors import DirectoryLocked

    if isinstance(error, DirectoryLocked | SettingsError):
        return str(error)
    if isinstance(error, OSError):
        return f"the control plane cannot start: {error}"
    return None


async def _reset(settings: Settings) -> int:
    """Remove all that this cluster made: containers, processes, networks, the proxy, and its files."""
    from k9lite.engines.base import EngineError
    from k9lite.node.agent import remove_all
    from k9lite.proxy.link import ProxyLink

    plane = ControlPlane(settings)
    try:
        await plane.open_store()
        plane.cluster = load_cluster(settings, plane.clock)
        link = ProxyLink(settings, plane.clock)
        await link.start(spawn=False)
        await link.stop(kill=True)
        await remove_all(make_engines(settings, plane.cluster))
    except Exception as error:
        reason = str(error) if isinstance(error, EngineError) else _explain(error)
        if reason is None:
            raise
        print(f"Error: {reason}", file=sys.stderr, flush=True)
        return 1
    finally:
        if hasattr(plane, "store"):
            await plane.store.close()
    remove_files(settings)
    return 0


def remove_files(settings: Settings) -> None:
    """Delete what control planes write; a directory that holds anything else stays."""
    for name in RESET_NAMES:
        path = settings.data / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(settings.logs, ignore_errors=True)
    if settings.proxy_socket.parent != settings.run:
        shutil.rmtree(settings.proxy_socket.parent, ignore_errors=True)
    shutil.rmtree(settings.proxy_socket.parent, ignore_errors=True)
    with contextlib.suppress(OSError):
        settings.data.rmdir()


def main(settings: Settings, *, reset: bool = False) -> int:
    """Serve until SIGTERM or SIGINT (or reset the cluster). Returns the exit code."""
    import uvloop

    allow_open_files()
    logging.basicConfig(
        level=os.environ.get("K9LITE_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)sZ %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        stream=sys.stderr,
    )
    logging.Formatter.converter = time.gmtime
    return uvloop.run(_reset(settings) if reset else _run(settings))
