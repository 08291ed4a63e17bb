"""The Kubernetes REST API over the registry, on aiohttp.

One handler takes every path: resource paths are parsed, not routed, so a new kind needs nothing here. Objects are
answered with the bytes that the store holds. Every failure is answered with a Status; none with a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import random
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from k9lite import __version__
from k9lite.api.errors import ApiError, internal, unavailable, unknown_path
from k9lite.api.objects import Obj, encode
from k9lite.api.writer import warning_header
from k9lite.apiserver import discovery, openapi, warnings
from k9lite.apiserver.access import Access
from k9lite.apiserver.authentication import Authenticator
from k9lite.apiserver.bodies import parse_body
from k9lite.apiserver.limits import GuardedServer, InFlight, check_headers, lasts, read_body, set_patience
from k9lite.apiserver.metrics import MetricsSource
from k9lite.apiserver.requests import Target, target_of, whole_number
from k9lite.apiserver.verbs import Verbs
from k9lite.apiserver.virtual import Virtual
from k9lite.registry.registry import Registry
from k9lite.registry.users import User, requester

if TYPE_CHECKING:
    from k9lite.api.sessions import Command, Session
    from k9lite.apiserver.certificates import Certificates
    from k9lite.apiserver.port_forward import Dial
    from k9lite.apiserver.user_tokens import UserTokens

log = logging.getLogger("k9lite.apiserver")
QUIET = logging.getLogger("k9lite.apiserver.http")
"""aiohttp's: what clients send that is no HTTP is answered with 400, and is no business of the log's."""
QUIET.setLevel(logging.CRITICAL)

JSON_HEADERS = {"Content-Type": "application/json"}
OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
RENEW_SECONDS = 12 * 3600.0
KUBERNETES_MINOR = "32"
LINGER_SECONDS = 2.0
"""How long the rest of a refused body is read and dropped, so that its sender gets to read why."""
SLICE = 128 * 1024
"""Bytes of a big body that are written at once."""
FIRST_LINE_SECONDS = 1.0
"""How long a log may take to fail before its headers are sent."""


class LogSource(Protocol):
    """Where pod logs come from: the node agent."""

    def logs(
        self, namespace: str, pod: str, container: str, *, follow: bool, tail_lines: int | None, previous: bool,
        timestamps: bool, since: float | None,
    ) -> AsyncIterator[bytes]: ...  # fmt: skip


class PodStreams(Protocol):
    """Where the streams of running containers come from: the node agent. Each call raises ApiError."""

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> Session: ...

    async def attach(self, namespace: str, pod: str, container: str, *, stdin: bool) -> Session: ...

    def dialer(self, namespace: str, pod: str) -> Dial:
        """How to connect to one port of a pod that runs."""


class ApiServer:
    """Serves one registry. Without certificates it speaks plain HTTP and trusts everyone: for tests on loopback."""

    def __init__(
        self,
        registry: Registry,
        *,
        host: str,
        port: int,
        certificates: Certificates | None,
        log_source: LogSource,
        streams: PodStreams | None = None,
        authenticator: Authenticator | None = None,
        metrics: MetricsSource | None = None,
        in_flight: InFlight | None = None,
        status: Callable[[], Obj] | None = None,
        shutdown: Callable[[bool], None] | None = None,
        on_renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._host, self._port = host, port
        self._certificates = certificates
        self._verbs = Verbs(registry, log_source)
        self._streams = streams
        self._authenticator = authenticator or Authenticator(tls=certificates is not None)
        self._access = Access(registry.authorizer)
        self._virtual = Virtual(registry, self._authenticator, metrics)
        self._status = status
        self._shutdown = shutdown
        self._on_renewed = on_renewed
        self._runner: web.ServerRunner | None = None
        self._background: list[asyncio.Task[None]] = []
        self._in_flight = in_flight or InFlight()
        self.guard: GuardedServer

    async def start(self) -> int:
        """Listen; returns the port. Raises OSError if it is taken."""
        self.guard = GuardedServer(
            self._handle,
            access_log=None,
            logger=QUIET,
            handler_cancellation=True,
            keepalive_timeout=3600,
            lingering_time=LINGER_SECONDS,
            max_line_size=65536,
            max_field_size=65536,
        )
        self._runner = web.ServerRunner(self.guard, shutdown_timeout=0.5)
        self._background = [asyncio.create_task(self.guard.watch_over(), name="slow-clients")]
        await self._runner.setup()
        context = self._certificates.server_context() if self._certificates else None
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=context)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        if self._certificates and context:
            self._background.append(asyncio.create_task(self._renew(context), name="certificate-renewal"))
        return int(self._runner.addresses[0][1])

    async def _renew(self, context: Any) -> None:
        """New connections use a new certificate before the old one ends."""
        assert self._certificates is not None
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if self._certificates.renew():
                    self._certificates.load_into(context)
                    self._on_renewed()  # the kubeconfig holds the administrator's
            except Exception:
                log.exception("certificates could not be renewed; trying again in %d hours", RENEW_SECONDS // 3600)

    async def stop(self) -> None:
        """End every connection."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()

    # One request -------------------------------------------------------------------------------------
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        said = warnings.begin()
        try:
            answer = await self._answer(request)
            if said and not answer.prepared:
                answer.headers["Warning"] = warning_header(said)
            return answer
        except ApiError as error:
            return _status(error)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return _status(internal("the request failed for a reason of k9lite's own; the control plane's log has it"))

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        check_headers(request)
        self._authenticator.check_origin(request)
        if path in OPEN_PATHS or path.startswith(("/livez/", "/readyz/")):
            return _open(path)
        user = self._access.impersonated(self._authenticator.user_of(request), request.headers)
        requester.set(user)
        if path in ("/api", "/apis") or path.startswith(("/api/", "/apis/")):
            return await self._api(request, user, path)
        self._access.check_path(user, request.method, path)
        with self._in_flight.one(stream=False):
            if path.startswith("/openapi/"):
                return openapi.answer(request, path, f"v1.{KUBERNETES_MINOR}.0", self._registry.served.resources)
            return await self._own(request, path)

    async def _api(self, request: web.BaseRequest, user: User, path: str) -> web.StreamResponse:
        """Discovery, or the resource that the path names."""
        found = self._discovery(path, request.headers.get("Accept", ""))
        if found is not None:
            self._access.check_path(user, request.method, path)
            return found
        try:
            target = target_of(path, self._registry.served)
        except ApiError:  # who may not even look learns nothing of what there is
            self._access.check_path(user, request.method, path)
            raise
        self._access.check_resource(user, request.method, target, request.query)
        stream = lasts(target.subresource) or (request.method == "GET" and self._verbs.is_watch(target, request.query))
        set_patience(request, target.subresource)
        with self._in_flight.one(stream=stream):
            return await self._resource(request, user, target)

    def _discovery(self, path: str, accept: str) -> web.Response | None:
        resources = self._registry.served.resources
        if path in ("/api", "/apis"):
            version = discovery.aggregated_version(accept)
            if version:
                kind = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                body = discovery.aggregated(resources, path == "/api", version)
                return web.Response(body=body, headers={"Content-Type": kind})
        legacy = discovery.legacy(resources, path) if path.count("/") <= 3 else None
        return web.Response(body=legacy, headers=JSON_HEADERS) if legacy is not None else None

    async def _resource(self, request: web.BaseRequest, user: User, target: Target) -> web.StreamResponse:
        if target.subresource in ("exec", "attach", "portforward") and request.method in ("GET", "POST"):
            return await self._remote(request, target)
        body = await read_body(request) if request.method in ("POST", "PUT", "PATCH", "DELETE") else b""
        if self._virtual.has(target):
            return await _whole(request, *self._virtual.answer(request, user, target, body))
        if request.method == "PATCH" and self._verbs.would_create(request, target):
            self._access.check_create(user, target)
        if request.method == "GET" and target.subresource == "log":
            return await self._log(request, target)
        if request.method == "GET" and self._verbs.is_watch(target, request.query):
            seconds = whole_number(request.query, "timeoutSeconds") or random.uniform(1800, 3600)
            watch, chunks = self._verbs.watch(target, request.query, request.headers.get("Accept", ""), seconds)
            async with watch:  # closed even if the client goes before the first chunk
                return await self._stream(request, chunks, "application/json")
        # A client that goes ends its watch, but never a write that has begun.
        code, answer = await asyncio.shield(self._verbs.answer(request, target, body))
        return await _whole(request, code, answer)

    async def _stream(
        self, request: web.BaseRequest, chunks: AsyncIterator[bytes], content_type: str
    ) -> web.StreamResponse:
        """Headers at once, then chunks as they come; a client that goes ends the source."""
        response = web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async with contextlib.aclosing(chunks) as source:  # type: ignore[type-var]
                async for chunk in source:
                    for start in range(0, len(chunk), SLICE):  # a slow reader holds a slice, not the chunk
                        await response.write(memoryview(chunk)[start : start + SLICE] if len(chunk) > SLICE else chunk)
            await response.write_eof()
        except ConnectionResetError:
            pass
        except Exception as error:  # too late for a Status: a broken connection tells the client that there was more
            log.warning("%s %s broke off: %s", request.method, request.path, error, exc_info=error)
            if request.transport:
                request.transport.abort()
        return response

    async def _log(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """A log that cannot be had is a Status, which the source says with its first line or instead of it."""
        source = aiter(await self._verbs.log(target, request.query))
        first = asyncio.ensure_future(_next_or_end(source))
        try:
            await asyncio.wait({first}, timeout=FIRST_LINE_SECONDS)
            if first.done():
                first.result()
        except BaseException:
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            raise

        async def lines() -> AsyncIterator[bytes]:
            try:
                if (line := await first) is None:
                    return
                yield line
                async for line in source:
                    yield line
            finally:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
                if close := getattr(source, "aclose", None):
                    await close()

        return await self._stream(request, lines(), "text/plain")

    async def _remote(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """Streams of a container that runs. What cannot be had is refused before the upgrade."""
        from k9lite.apiserver import port_forward, remote_command

        streams = self._streams
        if streams is None:
            raise unavailable("the node agent is not there; try again in a moment")
        space, pod = target.namespace or "", target.name
        if target.subresource == "portforward":
            return await port_forward.serve(request, pod, streams.dialer(space, pod))
        runs = target.subresource == "exec"
        options = remote_command.Options.parse(request.query, needs_command=runs)
        container = self._verbs.container_of(target, options.container)

        async def start() -> Session:
            if runs:
                return await streams.exec(space, pod, container, options.command)
            return await streams.attach(space, pod, container, stdin=options.stdin)

        return await remote_command.serve(request, options, start)

    async def _own(self, request: web.BaseRequest, path: str) -> web.Response:
        """k9lite's own paths: what a Kubernetes API has no word for."""
        if path == "/k9lite/v1/status" and request.method == "GET" and self._status:
            return web.Response(body=encode(self._status()), headers=JSON_HEADERS)
        if path == "/k9lite/v1/shutdown" and request.method == "POST" and self._shutdown:
            content = parse_body("", await read_body(request) or b"{}")
            self._shutdown(bool(isinstance(content, dict) and content.get("pods")))
            return web.Response(status=202, body=encode({"status": "stopping"}), headers=JSON_HEADERS)
        tokens = self._authenticator.user_tokens
        if tokens is not None and (path + "/").startswith("/k9lite/v1/tokens/"):
            return await _tokens(tokens, request, path.removeprefix("/k9lite/v1/tokens").lstrip("/"))
        raise unknown_path()


async def _tokens(tokens: UserTokens, request: web.BaseRequest, identity: str) -> web.Response:
    """`k9lite token`: list, create, delete. A token is shown once, in the answer that creates it."""
    code, answer = 200, Obj()
    if request.method == "GET" and not identity:
        answer = {"items": tokens.list()}
    elif request.method == "POST" and not identity:
        code, answer = 201, await asyncio.shield(tokens.create(parse_body("", await read_body(request))))
    elif request.method == "DELETE" and identity:
        await asyncio.shield(tokens.delete(identity))
        answer = {"id": identity, "status": "deleted"}
    else:
        raise unknown_path()
    return web.Response(status=code, body=encode(answer), headers={**JSON_HEADERS, "Cache-Control": "no-store"})


async def _whole(request: web.BaseRequest, code: int, body: bytes) -> web.StreamResponse:
    """One JSON body, big ones in slices: a connection's TLS buffers grow to the largest write and stay that large."""
    if len(body) <= SLICE:
        return web.Response(status=code, body=body, headers=JSON_HEADERS)
    response = web.StreamResponse(status=code, headers=JSON_HEADERS)
    response.content_length = len(body)
    await response.prepare(request)
    with contextlib.suppress(ConnectionResetError):
        for start in range(0, len(body), SLICE):
            await response.write(memoryview(body)[start : start + SLICE])
        await response.write_eof()
    return response


async def _next_or_end(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)


def _status(error: ApiError) -> web.Response:
    headers = dict(JSON_HEADERS)
    if error.details.get("retryAfterSeconds"):
        headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return web.Response(status=error.code, body=encode(error.to_status()), headers=headers)


def _open(path: str) -> web.Response:
    if path != "/version":
        return web.Response(body=b"ok", headers={"Content-Type": "text/plain"})
    version = {
        "major": "1",
        "minor": KUBERNETES_MINOR,
        "gitVersion": f"v1.{KUBERNETES_MINOR}.0+k9lite.{__version__}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
    return web.Response(body=encode(version), headers=JSON_HEADERS)
