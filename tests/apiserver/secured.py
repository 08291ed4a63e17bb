"""A real API server over TLS, and callers of every sort: certificates, tokens, nobody."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from k9lite.api.objects import Obj
from k9lite.apiserver.authentication import Authenticator
from k9lite.apiserver.certificates import Certificates
from k9lite.apiserver.server import ApiServer
from k9lite.apiserver.service_tokens import ServiceTokens
from k9lite.apiserver.user_tokens import UserTokens
from k9lite.registry.bootstrap import bootstrap
from k9lite.registry.registry import Registry
from k9lite.store.store import Store
from tests.support.clock import FakeClock
from tests.support.server import WrittenLogs

Answer = tuple[int, Any]


class Measured:
    """A metrics source of fixed figures."""

    def __init__(self) -> None:
        self.pods: list[Obj] = []
        self.nodes: list[Obj] = []

    def pod_metrics(self) -> list[Obj]:
        return self.pods

    def node_metrics(self) -> list[Obj]:
        return self.nodes


class Secured:
    """`call` asks as the administrator, as a token, or as whoever a certificate says."""

    def __init__(self, directory: Path, registry: Registry, clock: FakeClock) -> None:
        self.directory = directory
        self.registry = registry
        self.clock = clock
        self.certificates = Certificates(directory / "pki", ("k9lite.example",))
        self.service_tokens = ServiceTokens(directory / "pki/sa.key", registry)
        self.user_tokens = UserTokens(directory / "tokens.json", registry)
        self.measured = Measured()
        self.server = ApiServer(
            registry,
            host="127.0.0.1",
            port=0,
            certificates=self.certificates,
            log_source=WrittenLogs(),
            status=lambda: {"version": "test"},
            metrics=self.measured,
            authenticator=Authenticator(
                tls=True,
                names=("k9lite.example",),
                user_tokens=self.user_tokens,
                service_tokens=self.service_tokens,
            ),
        )
        self.port = 0
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def context(self, certificate: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.directory / "pki/ca.crt"))
        if certificate is not None:
            context.load_cert_chain(certificate.with_suffix(".crt"), certificate.with_suffix(".key"))
        return context

    def certificate(self, user: str, *groups: str, ca: Path | None = None, days: int = 1) -> Path:
        """A client certificate of our CA, or of another; its path without suffix."""
        authority = ca or self.directory / "pki/ca"
        signer = serialization.load_pem_private_key(authority.with_suffix(".key").read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        issuer = x509.load_pem_x509_certificate(authority.with_suffix(".crt").read_bytes()).subject
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=days))
            .sign(signer, hashes.SHA256())
        )
        path = self.directory / f"{user}-{len(list(self.directory.iterdir()))}"
        path.with_suffix(".crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        path.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def _session(self, certificate: Path | None) -> aiohttp.ClientSession:
        key = str(certificate)
        if key not in self._sessions:
            connector = aiohttp.TCPConnector(ssl=self.context(certificate))
            self._sessions[key] = aiohttp.ClientSession(f"https://127.0.0.1:{self.port}", connector=connector)
        return self._sessions[key]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        certificate: Path | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """(status code, parsed answer or text); as the administrator unless told otherwise."""
        who = certificate or (self.directory / "pki/admin" if token is None else None)
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self._session(who).request(method, path, data=data, headers=sent) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def ok(self, method: str, path: str, body: Any = None, **who: Any) -> Any:
        code, answer = await self.call(method, path, body, **who)
        assert code < 300, answer
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **who: Any) -> str:
        """The message of a 403."""
        code, answer = await self.call(method, path, body, **who)
        assert (code, answer["reason"]) == (403, "Forbidden"), answer
        return str(answer["message"])

    async def token(self, role: str, namespace: str = "", seconds: int = 0) -> str:
        body = {"role": role, "namespace": namespace, "seconds": seconds}
        return str((await self.ok("POST", "/k9lite/v1/tokens", body))["token"])

    async def service_token(self, namespace: str, name: str, **spec: Any) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        return str((await self.ok("POST", path, {"spec": spec}))["status"]["token"])

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        await self.server.stop()
        await self.registry.store.close()


@asynccontextmanager
async def secured(directory: Path) -> AsyncIterator[Secured]:
    clock = FakeClock()
    store = await Store.open(directory / "store", clock=clock, history_seconds=3600, history_bytes=1 << 30)
    registry = Registry(store, clock)
    await bootstrap(registry)
    made = Secured(directory, registry, clock)
    made.port = await made.server.start()
    try:
        yield made
    finally:
        await made.close()
