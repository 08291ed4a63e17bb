"""Kubeconfig files: which server to talk to, and as whom.

`load` reads the files that kubectl would read ($KUBECONFIG, else ~/.kube/config), or the one given, and picks a
context. Where several files name the same thing the first wins. Source: k8s.io/client-go/tools/clientcmd.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k9lite.client.errors import KubeconfigError

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Connection:
    """One context: all that a connection needs. Certificates and keys are PEM bytes, empty where there are none."""

    server: str
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = "default"
    ca: bytes = b""
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: Mapping[str, Any] | None = None
    """The `exec` entry of the user: a command that prints credentials."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


def default_paths(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The files kubectl reads."""
    environ = os.environ if environ is None else environ
    listed = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [Path("~/.kube/config").expanduser()]


def load(path: Path | None = None, context: str | None = None) -> Connection:
    """The connection of a context, the file's current one by default. Raises KubeconfigError."""
    paths = [path] if path else default_paths()
    files = [(each, _read(each)) for each in paths if path or each.exists()]
    if not files:
        raise KubeconfigError(f"no kubeconfig found: {' and '.join(map(str, paths))} does not exist")
    where = ", ".join(str(each) for each, _ in files)
    name = context or next(
        (str(content["current-context"]) for _, content in files if content.get("current-context")), ""
    )
    if not name:
        raise KubeconfigError(f"{where}: current-context is not set; choose one with --context")
    chosen = _entry(files, "contexts", "context", name)
    if chosen is None:
        known = ", ".join(context_names(files)) or "none"
        raise KubeconfigError(f'{where}: context "{name}" does not exist; there is {known}')
    return _connection(files, where, name, chosen[1])


def context_names(files: list[tuple[Path, dict[str, Any]]]) -> list[str]:
    """The names of all contexts, in order."""
    names = [str(entry.get("name")) for _, content in files for entry in _entries(content, "contexts")]
    return list(dict.fromkeys(names))


def contexts(path: Path | None = None) -> list[str]:
    """The names of the contexts of the file, or of the default files. Raises KubeconfigError."""
    return context_names([(each, _read(each)) for each in ([path] if path else default_paths()) if each.exists()])


def _read(path: Path) -> dict[str, Any]:
    from k9lite.client.yamlio import parse_yaml

    try:
        content = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise KubeconfigError(f"kubeconfig {path} cannot be read: {reason}") from error
    except Exception as error:
        raise KubeconfigError(f"kubeconfig {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise KubeconfigError(f"kubeconfig {path} must be a mapping with clusters, contexts and users")
    return content


def _entries(content: dict[str, Any], section: str) -> list[dict[str, Any]]:
    listed = content.get(section) or []
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _entry(
    files: list[tuple[Path, dict[str, Any]]], section: str, inner: str, name: str
) -> tuple[Path, dict[str, Any]] | None:
    """(the file that holds it, the entry's content), from the first file that has the name."""
    for path, content in files:
        for entry in _entries(content, section):
            if str(entry.get("name")) == name:
                value = entry.get(inner)
                return path, value if isinstance(value, dict) else {}
    return None


def _connection(files: list[tuple[Path, dict[str, Any]]], where: str, name: str, context: dict[str, Any]) -> Connection:
    cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
    cluster = _entry(files, "clusters", "cluster", cluster_name)
    if cluster is None:
        raise KubeconfigError(f'{where}: context "{name}" names cluster "{cluster_name}", which does not exist')
    server = str(cluster[1].get("server") or "").rstrip("/")
    if not server.startswith(("https://", "http://")):
        raise KubeconfigError(f'{where}: cluster "{cluster_name}" has no server that starts with https:// or http://')
    user = _entry(files, "users", "user", user_name) if user_name else None
    if user_name and user is None:
        raise KubeconfigError(f'{where}: context "{name}" names user "{user_name}", which does not exist')
    at, who = user or (cluster[0], {})
    token_file = who.get("tokenFile")
    plugin = who.get("exec")
    return Connection(
        server=server,
        context=name,
        cluster=cluster_name,
        user=user_name,
        namespace=str(context.get("namespace") or "default"),
        ca=_material(*cluster, "certificate-authority"),
        certificate=_material(at, who, "client-certificate"),
        key=_material(at, who, "client-key"),
        token=str(who.get("token") or ""),
        token_file=at.parent / str(token_file) if token_file else None,
        username=str(who.get("username") or ""),
        password=str(who.get("password") or ""),
        exec_plugin=plugin if isinstance(plugin, dict) else None,
        insecure=bool(cluster[1].get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster[1].get("tls-server-name") or ""),
        proxy_url=str(cluster[1].get("proxy-url") or ""),
    )


def _material(path: Path, entry: dict[str, Any], key: str) -> bytes:
    """The bytes under `KEY-data` (base64), else of the file under `KEY` (relative to the kubeconfig)."""
    data, file = entry.get(f"{key}-data"), entry.get(key)
    if data:
        try:
            return base64.b64decode(str(data), validate=True)
        except binascii.Error as error:
            raise KubeconfigError(f"{path}: {key}-data is not valid base64") from error
    if not file:
        return b""
    try:
        return (path.parent / str(file)).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path}: {key} {file} cannot be read: {error.strerror}") from error


def ssl_context(connection: Connection) -> ssl.SSLContext | None:
    """The TLS settings of a connection, None for plain HTTP. Raises KubeconfigError."""
    import ssl

    if not connection.server.startswith("https://"):
        return None
    try:
        ca = connection.ca.decode() or None
        context = ssl.create_default_context(cadata=ca)
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if connection.certificate:
            load_certificate(context, connection.certificate, connection.key)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f'the certificates of context "{connection.context}" cannot be used: {error}') from error
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client certificate from memory. Python's ssl reads files only: a private one lives for this call."""
    import tempfile

    handle, name = tempfile.mkstemp(prefix="k9lite-")  # mkstemp makes it 0600
    try:
        with open(handle, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key)
        context.load_cert_chain(name)
    finally:
        os.unlink(name)
