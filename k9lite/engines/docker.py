"""Containers on Docker, or on Podman through its Docker-compatible socket.

The Docker SDK blocks, so its calls run in a pool of threads that bounds how many the engine sees at once. The SDK's
low-level client is used: one HTTP request a call, plain dicts. Containers are found again by their labels alone;
what does not carry this cluster's label is never touched.

One bridge network per cluster. Where the host can route to it (Linux with a local engine) a pod's address is its
container's; elsewhere (Docker Desktop, an engine on another host) ports are published on 127.0.0.1.
API: https://docs.docker.com/reference/api/engine/
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from k9lite.api.sessions import Command, Session
from k9lite.engines import docker_exec
from k9lite.engines.base import (
    ContainerSpec,
    ContainerState,
    CreateError,
    EngineInfo,
    ImageError,
    NoSuchContainer,
    Progress,
    Usage,
)
from k9lite.engines.docker_answers import image_id, published, pull_message, seconds, words
from k9lite.engines.docker_connection import Connection
from k9lite.engines.docker_stats import Meter
from k9lite.engines.expansion import expand_all, expand_env
from k9lite.settings import Settings

if TYPE_CHECKING:
    import docker

LABEL = "k9lite.io/"
_PHASES = {"created": "created", "running": "running", "paused": "running", "restarting": "running"}


class DockerEngine:
    """One cluster's containers on one engine. Connects at the first call and again after the engine was away."""

    name = "docker"

    def __init__(self, settings: Settings, cluster_id: str) -> None:
        self._settings = settings
        self._cluster_id = cluster_id
        self._network = f"k9lite-{cluster_id}"
        self._connection = Connection()
        self._call = self._connection.call
        self._network_id = ""
        self._one_maker = asyncio.Lock()
        """The engine takes any number of networks of one name, so only one call at a time may look and make."""
        self._meter = Meter(self._call)

    # Calls -------------------------------------------------------------------------------------------
    async def info(self) -> EngineInfo:
        version = await self._call(lambda client: client.version())
        names = [part.get("Name", "") for part in version.get("Components") or []]
        name = "podman" if any("Podman" in part for part in names) else "docker"
        return EngineInfo(name, str(version.get("Version", "")))

    async def image_id(self, image: str) -> str | None:
        from docker.errors import NotFound

        def ask(client: docker.APIClient) -> str | None:
            try:
                return image_id(client, image)
            except NotFound:
                return None

        return await self._call(ask)

    async def pull(self, image: str, progress: Progress) -> str:
        loop = asyncio.get_running_loop()

        def bring(client: docker.APIClient) -> str:
            from docker.utils import parse_repository_tag

            repository, tag = parse_repository_tag(image)
            layers: dict[str, str] = {}
            why = ""
            for line in client.pull(repository, tag=tag or "latest", stream=True, decode=True):
                why = str(line.get("error", why))  # read on: a stream that is read to its end is closed
                if line.get("id") and line.get("status"):
                    layers[line["id"]] = line["status"]
                    done = sum(status in ("Pull complete", "Already exists") for status in layers.values())
                    loop.call_soon_threadsafe(progress, f"Pulling {image}: {done} of {len(layers)} layers")
            if why:
                raise ImageError(pull_message(image, why), "ErrImagePull")
            return image_id(client, image)

        try:
            return await self._call(bring)
        except CreateError as error:
            raise ImageError(pull_message(image, str(error)), "ErrImagePull") from error

    async def list(self) -> list[ContainerState]:
        summaries = await self._call(
            lambda client: client.containers(all=True, filters={"label": f"{LABEL}cluster={self._cluster_id}"})
        )
        states = await asyncio.gather(*(self._inspect_or_none(summary["Id"]) for summary in summaries))
        return [state for state in states if state is not None]

    async def create(self, spec: ContainerSpec) -> str:
        from docker.errors import APIError

        network = await self._ensure_network()
        name = f"k9lite_{spec.name}_{spec.pod}_{spec.namespace}_{spec.pod_uid[:8]}_{spec.attempt}"

        def make(client: docker.APIClient) -> str:
            try:
                return str(self._create(client, spec, name, network)["Id"])
            except APIError as error:
                if error.status_code == 409 or "already in use" in words(error):  # Docker; Podman
                    found = client.inspect_container(name)
                    if self._labels(spec).items() <= (found["Config"]["Labels"] or {}).items():
                        return str(found["Id"])
                raise

        try:
            return await self._call(make)
        except CreateError as error:
            if "network not found" in str(error):  # Podman tells with the create, Docker with the start
                self._network_id = ""
            raise

    def _create(self, client: docker.APIClient, spec: ContainerSpec, name: str, network: str) -> dict[str, Any]:
        from docker.types import LogConfig

        exposed = [(port.container_port, port.protocol.lower()) for port in spec.ports]
        bindings: dict[int | str, Any] = {}
        for port in spec.ports:
            key = f"{port.container_port}/{port.protocol.lower()}"
            if port.host_port:
                bindings[key] = port.host_port
            elif not self._connection.routable:
                bindings[key] = ("127.0.0.1", None)
        env = expand_env(spec.env, {})
        limits: dict[str, Any] = {}
        if spec.memory_bytes:
            limits |= {"mem_limit": spec.memory_bytes, "memswap_limit": spec.memory_bytes}
        if spec.cpu_millis:
            limits |= {"cpu_period": 100_000, "cpu_quota": spec.cpu_millis * 100}
        if spec.cpu_request_millis:
            limits["cpu_shares"] = max(2, spec.cpu_request_millis * 1024 // 1000)
        host = client.create_host_config(
            network_mode=network,
            port_bindings=bindings or None,
            log_config=LogConfig(
                type=LogConfig.types.JSON,
                config={
                    "max-size": str(self._settings.log_max_bytes),
                    "max-file": str(self._settings.log_max_files),
                },
            ),
            **limits,
        )
        made: dict[str, Any] = client.create_container(
            spec.image,
            command=expand_all(spec.args, env) or None,
            entrypoint=expand_all(spec.command, env) or None,
            environment=env,
            working_dir=spec.working_dir or None,
            stdin_open=spec.stdin,
            tty=spec.tty,
            hostname=spec.pod[:63].rstrip("-."),
            ports=exposed or None,
            labels=self._labels(spec),
            host_config=host,
            name=name,
        )
        return made

    def _labels(self, spec: ContainerSpec) -> dict[str, str]:
        values = {
            "cluster": self._cluster_id,
            "namespace": spec.namespace,
            "pod": spec.pod,
            "pod-uid": spec.pod_uid,
            "container": spec.name,
            "attempt": str(spec.attempt),
        }
        return {LABEL + key: value for key, value in values.items()}

    async def start(self, container: str) -> ContainerState:
        def run(client: docker.APIClient) -> dict[str, Any]:
            self._start(client, container)
            found: dict[str, Any] = client.inspect_container(container)
            return found

        try:
            return self._state(await self._call(run))
        except CreateError as error:
            raise CreateError(str(error), "RunContainerError") from error

    def _start(self, client: docker.APIClient, container: str) -> None:
        from docker.errors import NotFound

        try:
            client.start(container)
        except NotFound as error:
            if "network" in words(error):  # removed behind our back: the container can never start; make both anew
                self._network_id = ""
                client.remove_container(container, force=True, v=True)
            raise

    async def inspect(self, container: str) -> ContainerState:
        return self._state(await self._call(lambda client: client.inspect_container(container)))

    async def stats(self, containers: Sequence[str]) -> dict[str, Usage]:
        return await self._meter.stats(containers)

    async def terminate(self, container: str) -> None:
        """With the signal that the image's STOPSIGNAL names, else SIGTERM, as the kubelet's runtimes do."""
        with contextlib.suppress(NoSuchContainer):
            config = (await self._call(lambda client: client.inspect_container(container)))["Config"]
            await self._signal(container, config.get("StopSignal") or "SIGTERM")

    async def kill(self, container: str) -> None:
        await self._signal(container, "SIGKILL")

    async def _signal(self, container: str, name: str) -> None:
        with contextlib.suppress(NoSuchContainer, CreateError):  # gone, or not running (409)
            await self._call(lambda client: client.kill(container, name))

    async def remove(self, container: str) -> None:
        with contextlib.suppress(NoSuchContainer):
            await self._call(lambda client: client.remove_container(container, force=True, v=True))

    async def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: float | None = None,
    ) -> AsyncIterator[bytes]:
        def ask(client: docker.APIClient) -> Iterator[bytes]:
            chunks: Iterator[bytes] = client.logs(
                container,
                stdout=True,
                stderr=True,
                stream=True,
                follow=follow,
                timestamps=timestamps,
                tail="all" if tail is None else tail,
                since=None if since is None else max(since, 0.001),
            )
            return chunks

        stream = await self._call(ask)
        rest = b""
        async for chunk in self._connection.pump(stream):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if rest:
            yield rest + b"\n"

    async def exec(self, container: str, command: Command) -> Session:
        return await docker_exec.run(
            self._call, await self._raw_address(), container, command, local=self._connection.routable
        )

    async def attach(self, container: str, *, stdin: bool) -> Session:
        return await docker_exec.attach(self._call, await self._raw_address(), container, stdin=stdin)

    async def _raw_address(self) -> tuple[str, str]:
        version = await self._call(lambda client: str(client.api_version))
        return self._connection.address, f"/v{version}"

    async def exits(self) -> AsyncIterator[str]:
        stream = await self._call(
            lambda client: client.events(
                decode=True,
                filters={
                    "type": "container",
                    "event": ["die", "destroy", "oom", "died", "remove"],  # in Docker's words and in Podman's
                    "label": f"{LABEL}cluster={self._cluster_id}",
                },
            )
        )
        async for event in self._connection.pump(stream):
            yield str(event.get("id") or event.get("Actor", {}).get("ID", ""))

    async def close(self) -> None:
        self._connection.close()

    async def remove_all(self) -> None:
        from docker.errors import NotFound

        def clear(client: docker.APIClient) -> None:
            labelled = {"label": f"{LABEL}cluster={self._cluster_id}"}
            for summary in client.containers(all=True, filters=labelled):
                with contextlib.suppress(NotFound):
                    client.remove_container(summary["Id"], force=True, v=True)
            for network in client.networks(filters=labelled):
                with contextlib.suppress(NotFound):
                    client.remove_network(network["Id"])

        await self._call(clear)
        self._network_id = ""

    # The engine --------------------------------------------------------------------------------------
    async def _ensure_network(self) -> str:
        """The id of the cluster's network, made if there is none."""
        async with self._one_maker:
            if not self._network_id:
                self._network_id = await self._call(self._find_or_make_network)
            return self._network_id

    def _find_or_make_network(self, client: docker.APIClient) -> str:
        ours = {f"{LABEL}cluster": self._cluster_id}
        labelled = {"label": f"{LABEL}cluster={self._cluster_id}"}
        found = [item for item in client.networks(filters=labelled) if item["Name"] == self._network]
        if found:
            return str(min(found, key=lambda item: (item["Created"], item["Id"]))["Id"])
        made = client.create_network(self._network, driver="bridge", labels=ours, check_duplicate=True)
        return str(made["Id"])

    async def _inspect_or_none(self, container: str) -> ContainerState | None:
        with contextlib.suppress(NoSuchContainer):
            return await self.inspect(container)
        return None

    def _state(self, found: dict[str, Any]) -> ContainerState:
        labels = found["Config"].get("Labels") or {}
        state = found["State"]
        status = str(state.get("Status", ""))
        phase = _PHASES.get(status, "exited" if status in ("exited", "dead", "removing") else "unknown")
        networks = found.get("NetworkSettings") or {}
        address = str(((networks.get("Networks") or {}).get(self._network) or {}).get("IPAddress") or "")
        return ContainerState(
            id=str(found["Id"]),
            namespace=labels.get(f"{LABEL}namespace", ""),
            pod=labels.get(f"{LABEL}pod", ""),
            pod_uid=labels.get(f"{LABEL}pod-uid", ""),
            name=labels.get(f"{LABEL}container", ""),
            attempt=int(labels.get(f"{LABEL}attempt", "0")),
            phase=phase,
            image=str(found["Config"].get("Image", "")),
            image_id=str(found.get("Image", "")),
            exit_code=int(state.get("ExitCode") or 0),
            oom_killed=bool(state.get("OOMKilled")),
            error=str(state.get("Error") or ""),
            started_at=seconds(state.get("StartedAt")),
            finished_at=seconds(state.get("FinishedAt")),
            address=address if self._connection.routable else "127.0.0.1",
            host_ports={} if self._connection.routable else published(networks.get("Ports") or {}),
        )
