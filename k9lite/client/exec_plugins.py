"""Credential plug-ins: a command of the kubeconfig that prints an ExecCredential, as cloud and OIDC tools do.

    KUBERNETES_EXEC_INFO (kind, apiVersion, spec.interactive, spec.cluster) -> command -> status.token | certificate

It gets no terminal: it runs in a session of its own with an empty standard input, so that it can neither take keys
from the screen nor write over it; what it says on stderr is shown when it fails.
Source: k8s.io/client-go/plugin/pkg/client/auth/exec, KEP-541.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from k9lite.client.errors import KubeconfigError
from k9lite.client.kubeconfig import Connection
from k9lite.clock import parse_rfc3339

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
PLUGIN_SECONDS = 60.0
"""A plug-in may talk to a cloud; a minute is enough for it, or something is wrong."""
LONGEST_COMPLAINT = 1000
"""Letters of a plug-in's stderr that are shown."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a plug-in gave. `expires` is in seconds since the epoch."""

    token: str = field(repr=False, default="")
    certificate: bytes = field(repr=False, default=b"")
    key: bytes = field(repr=False, default=b"")
    expires: float = float("inf")


async def run(connection: Connection) -> Issued:
    """Run the plug-in of a connection. Raises KubeconfigError with what it said and how to install it."""
    plugin = connection.exec_plugin
    assert plugin is not None
    command = str(plugin.get("command") or "")
    what = f'the credential plug-in "{command}" of context "{connection.context}"'
    version = str(plugin.get("apiVersion") or VERSIONS[0])
    if not command:
        raise KubeconfigError(f'user "{connection.user}" has an exec entry without a command')
    if version not in VERSIONS:
        raise KubeconfigError(f"{what} asks for {version}; supported are {' and '.join(VERSIONS)}")
    if plugin.get("interactiveMode") == "Always":
        raise KubeconfigError(
            f"{what} has interactiveMode Always: it needs the terminal, which it cannot have here. "
            "Log in with it first, and set interactiveMode to IfAvailable"
        )
    code, out, err = await _execute(_program(command, connection.directory), plugin, _environment(connection), what)
    if code:
        said = err.decode(errors="replace").strip()[-LONGEST_COMPLAINT:]
        raise KubeconfigError(f"{what} failed ({code}){': ' + said if said else ''}{_hint(plugin)}")
    return _parse(out, version, what)


def _program(command: str, directory: Path | None) -> str:
    """A command with a slash is relative to the kubeconfig, one without is looked for in $PATH."""
    return str(directory / command) if directory is not None and "/" in command else command


def _environment(connection: Connection) -> dict[str, str]:
    plugin = connection.exec_plugin or {}
    listed = plugin.get("env")
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    variables = {str(each["name"]): str(each.get("value") or "") for each in entries if each.get("name")}
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        spec["cluster"] = _cluster_info(connection)
    version = str(plugin.get("apiVersion") or VERSIONS[0])
    info = {"kind": "ExecCredential", "apiVersion": version, "spec": spec}
    return {**os.environ, **variables, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}


def _cluster_info(connection: Connection) -> dict[str, Any]:
    info: dict[str, Any] = {"server": connection.server, "config": connection.exec_config}
    if connection.tls_server_name:
        info["tls-server-name"] = connection.tls_server_name
    if connection.insecure:
        info["insecure-skip-tls-verify"] = True
    if connection.ca:
        info["certificate-authority-data"] = base64.b64encode(connection.ca).decode()
    if connection.proxy_url:
        info["proxy-url"] = connection.proxy_url
    return info


def _hint(plugin: Mapping[str, Any]) -> str:
    hint = str(plugin.get("installHint") or "").strip()
    return f"\n{hint}" if hint else ""


async def _execute(
    program: str, plugin: Mapping[str, Any], environment: dict[str, str], what: str
) -> tuple[int, bytes, bytes]:
    """(exit code, stdout, stderr) of the command."""
    listed = plugin.get("args")
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *[str(each) for each in (listed if isinstance(listed, list) else [])],
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise KubeconfigError(f"{what} cannot be run: {reason}{_hint(plugin)}") from error
    try:
        out, err = await asyncio.wait_for(process.communicate(), PLUGIN_SECONDS)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        if isinstance(error, TimeoutError):
            raise KubeconfigError(f"{what} did not end within {PLUGIN_SECONDS:.0f} s") from error
        raise
    return process.returncode or 0, out, err


def _parse(out: bytes, version: str, what: str) -> Issued:
    """What was printed, never quoted in an error: it may hold secrets."""
    try:
        printed = orjson.loads(out)
        status = printed["status"]
    except (ValueError, KeyError, TypeError):
        raise KubeconfigError(f"{what} did not print an ExecCredential with a status") from None
    if not isinstance(status, dict) or printed.get("kind") != "ExecCredential":
        raise KubeconfigError(f"{what} did not print an ExecCredential with a status")
    if printed.get("apiVersion") != version:
        raise KubeconfigError(f"{what} is configured for {version} and printed {printed.get('apiVersion')}")
    token = str(status.get("token") or "")
    certificate, key = str(status.get("clientCertificateData") or ""), str(status.get("clientKeyData") or "")
    if bool(certificate) != bool(key):
        raise KubeconfigError(f"{what} printed a client certificate without its key, or the other way round")
    if not token and not certificate:
        raise KubeconfigError(f"{what} printed neither a token nor a client certificate")
    expires = status.get("expirationTimestamp")
    try:
        until = parse_rfc3339(str(expires)) if expires else float("inf")
    except ValueError:
        raise KubeconfigError(f"{what} printed an expirationTimestamp that is not RFC 3339: {expires}") from None
    return Issued(token, certificate.encode(), key.encode(), until)
