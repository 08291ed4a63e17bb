"""The Authorization header of a request: tokens, token files, basic credentials, and `exec` plug-ins.

A plug-in is a command that prints an ExecCredential; what it prints is kept until it expires or is refused.
Source: k8s.io/client-go/plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import time
from typing import Any

import orjson

from k9lite.client.errors import KubeconfigError
from k9lite.client.kubeconfig import Connection, load_certificate
from k9lite.clock import parse_rfc3339

TOKEN_FILE_SECONDS = 60.0
PLUGIN_SECONDS = 60.0
"""A plug-in may talk to a cloud; a minute is enough for it, or something is wrong."""


class Credentials:
    """Gives headers; runs plug-ins when needed. `tls` receives a certificate that a plug-in hands out."""

    def __init__(self, connection: Connection, tls: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._tls = tls
        self._token = connection.token
        self._good_until = float("inf") if connection.token else 0.0
        self._lock = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """What to add to a request. Raises KubeconfigError."""
        connection = self._connection
        if connection.username:
            pair = base64.b64encode(f"{connection.username}:{connection.password}".encode()).decode()
            return {"Authorization": f"Basic {pair}"}
        if connection.token_file or connection.exec_plugin:
            async with self._lock:
                if time.time() >= self._good_until:
                    await self._renew()
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def refused(self) -> bool:
        """The server answered 401: forget what may be renewed. True if another try makes sense."""
        self._good_until = 0.0
        return bool(self._connection.token_file or self._connection.exec_plugin)

    async def _renew(self) -> None:
        if self._connection.token_file:
            try:
                self._token = self._connection.token_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise KubeconfigError(f"token file {self._connection.token_file} cannot be read: {error}") from error
            self._good_until = time.time() + TOKEN_FILE_SECONDS
        elif self._connection.exec_plugin:
            self._take(await _run(self._connection.exec_plugin, self._connection))

    def _take(self, status: dict[str, Any]) -> None:
        self._token = str(status.get("token") or "")
        expires = status.get("expirationTimestamp")
        self._good_until = parse_rfc3339(str(expires)) if expires else float("inf")
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if certificate and key and self._tls is not None:
            load_certificate(self._tls, str(certificate).encode(), str(key).encode())


async def _run(plugin: Any, connection: Connection) -> dict[str, Any]:
    """The `status` of the ExecCredential that the plug-in prints. Raises KubeconfigError."""
    command = str(plugin.get("command") or "")
    version = str(plugin.get("apiVersion") or "client.authentication.k8s.io/v1")
    info = {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    variables = {str(each["name"]): str(each.get("value", "")) for each in plugin.get("env") or [] if "name" in each}
    what = f'the credential plug-in "{command}" of context "{connection.context}"'
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *[str(each) for each in plugin.get("args") or []],
            env={**os.environ, **variables, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = str(plugin.get("installHint") or "").strip()
        raise KubeconfigError(f"{what} cannot be run: {error.strerror}. {hint}".rstrip()) from error
    try:
        out, err = await asyncio.wait_for(process.communicate(), PLUGIN_SECONDS)
    except BaseException as error:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(error, TimeoutError):
            raise KubeconfigError(f"{what} did not end within {PLUGIN_SECONDS:.0f} s") from error
        raise
    if process.returncode:
        raise KubeconfigError(f"{what} failed ({process.returncode}): {err.decode(errors='replace').strip()}")
    try:
        status = orjson.loads(out)["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise KubeconfigError(f"{what} did not print an ExecCredential with a status") from error
    return status if isinstance(status, dict) else {}
