"""Kubeconfig files: which server to talk to, and as whom.

`read` reads the files that kubectl would read ($KUBECONFIG, else ~/.kube/config), or the one given; `load` picks a
context. Where several files name the same thing the first wins; paths are relative to the file that holds them.
In a pod without a kubeconfig the service account's files are used. Source: k8s.io/client-go/tools/clientcmd.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k9lite.client.errors import KubeconfigError

IN_CLUSTER = "in-cluster"
"""The name of the context that a pod has without a kubeconfig."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_CONFIG = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is handed to plug-ins."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One context: all that a connection needs. Certificates and keys are PEM bytes, empty where there are none.

    Nothing secret is in its repr.
    """

    server: str
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = "default"
    ca: bytes = field(default=b"", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    exec_plugin: Mapping[str, Any] | None = field(default=None, repr=False)
    """The `exec` entry of the user: a command that prints credentials."""
    exec_config: Any = field(default=None, repr=False)
    """What the cluster has to say to plug-ins."""
    directory: Path | None = None
    """Where the kubeconfig is: commands such as `./plugin` are relative to it."""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    impersonate: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Headers that ask the server to act as somebody else."""


@dataclass(frozen=True, slots=True)
class ContextInfo:
    """A context as `config get-contexts` lists it; `server` is empty where its cluster is missing."""

    name: str
    cluster: str
    user: str
    namespace: str
    server: str = ""


def default_paths(environ: Mapping[str, str] | None = None) -> list[Path]:
    """The files kubectl reads."""
    environ = os.environ if environ is None else environ
    listed = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return list(dict.fromkeys(listed)) or [Path("~/.kube/config").expanduser()]


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """Files, merged. `paths` are those that were looked for."""

    paths: list[Path]
    files: list[tuple[Path, dict[str, Any]]] = field(repr=False)

    @property
    def where(self) -> str:
        return ", ".join(str(each) for each, _ in self.files)

    @property
    def current(self) -> str:
        """The name of the current context, empty where none is set."""
        names = (str(content.get("current-context") or "") for _, content in self.files)
        return next((name for name in names if name), "")

    def contexts(self) -> list[ContextInfo]:
        """All contexts, in the files' order."""
        names = [str(entry.get("name")) for _, content in self.files for entry in _entries(content, "contexts")]
        return [self._info(name) for name in dict.fromkeys(names)]

    def _info(self, name: str) -> ContextInfo:
        _, context = self._entry("contexts", "context", name) or (None, {})
        cluster = str(context.get("cluster") or "")
        _, where = self._entry("clusters", "cluster", cluster) or (None, {})
        user, namespace = str(context.get("user") or ""), str(context.get("namespace") or "")
        return ContextInfo(name, cluster, user, namespace, str(where.get("server") or ""))

    def connection(self, context: str | None = None) -> Connection:
        """The connection of a context, the current one by default. Raises KubeconfigError."""
        if not self.files:
            inside = in_cluster() if context in (None, IN_CLUSTER) else None
            if inside is not None:
                return inside
            missing = " and ".join(map(str, self.paths))
            raise KubeconfigError(f"no kubeconfig found: {missing} does not exist")
        name = context or self.current
        if not name:
            raise KubeconfigError(f"{self.where}: current-context is not set; choose one with --context")
        chosen = self._entry("contexts", "context", name)
        if chosen is None:
            known = ", ".join(each.name for each in self.contexts()) or "none"
            raise KubeconfigError(f'{self.where}: context "{name}" does not exist; there is {known}')
        return self._connection(name, chosen[1])

    def _entry(self, section: str, inner: str, name: str) -> tuple[Path, dict[str, Any]] | None:
        """(the file that holds it, the entry's content), from the first file that has the name."""
        for path, content in self.files:
            for entry in _entries(content, section):
                if str(entry.get("name")) == name:
                    value = entry.get(inner)
                    return path, value if isinstance(value, dict) else {}
        return None

    def _connection(self, name: str, context: dict[str, Any]) -> Connection:
        cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
        cluster = self._entry("clusters", "cluster", cluster_name)
        if cluster is None:
            raise KubeconfigError(
                f'{self.where}: context "{name}" names cluster "{cluster_name}", which does not exist'
            )
        user = self._entry("users", "user", user_name) if user_name else None
        if user_name and user is None:
            raise KubeconfigError(f'{self.where}: context "{name}" names user "{user_name}", which does not exist')
        path, server = cluster
        at, who = user or (path, {})
        token_file, plugin = who.get("tokenFile"), who.get("exec")
        if who.get("auth-provider") and not plugin:
            raise KubeconfigError(
                f'{at}: user "{user_name}" has an auth-provider, which Kubernetes removed; use an exec plug-in instead'
            )
        return Connection(
            server=_server(self.where, cluster_name, server),
            context=name,
            cluster=cluster_name,
            user=user_name,
            namespace=str(context.get("namespace") or "default"),
            ca=_material(path, server, "certificate-authority"),
            certificate=_material(at, who, "client-certificate"),
            key=_material(at, who, "client-key"),
            token=str(who.get("token") or ""),
            token_file=at.parent / str(token_file) if token_file else None,
            username=str(who.get("username") or ""),
            password=str(who.get("password") or ""),
            exec_plugin=plugin if isinstance(plugin, dict) else None,
            exec_config=_exec_config(server),
            directory=at.parent,
            insecure=bool(server.get("insecure-skip-tls-verify")),
            tls_server_name=str(server.get("tls-server-name") or ""),
            proxy_url=str(server.get("proxy-url") or ""),
            impersonate=_impersonation(who),
        )


def read(path: Path | None = None) -> Kubeconfig:
    """The file, or the default files as far as they exist. Raises KubeconfigError for broken ones."""
    paths = [path] if path else default_paths()
    return Kubeconfig(paths, [(each, _read(each)) for each in paths if path or each.exists()])


def load(path: Path | None = None, context: str | None = None) -> Connection:
    """The connection of a context, the file's current one by default. Raises KubeconfigError."""
    return read(path).connection(context)


def contexts(path: Path | None = None) -> list[str]:
    """The names of the contexts of the file, or of the default files. Raises KubeconfigError."""
    return [each.name for each in read(path).contexts()]


def in_cluster(environ: Mapping[str, str] | None = None, directory: Path = SERVICE_ACCOUNT) -> Connection | None:
    """The connection of the pod this runs in, None elsewhere. Source: k8s.io/client-go/rest.InClusterConfig."""
    environ = os.environ if environ is None else environ
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    token, ca, namespace = directory / "token", directory / "ca.crt", directory / "namespace"
    if not host or not port or not token.exists():
        return None
    try:
        return Connection(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            context=IN_CLUSTER,
            cluster=IN_CLUSTER,
            user="serviceaccount",
            namespace=(namespace.read_text(encoding="utf-8").strip() if namespace.exists() else "") or "default",
            ca=ca.read_bytes() if ca.exists() else b"",
            token_file=token,
        )
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"the service account's files in {directory} cannot be read: {error}") from error


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


def _server(where: str, cluster: str, entry: dict[str, Any]) -> str:
    server = str(entry.get("server") or "").rstrip("/")
    try:
        valid = server.startswith(("https://", "http://")) and bool(urlsplit(server).hostname)
        _ = urlsplit(server).port
    except ValueError:
        valid = False
    if not valid:
        raise KubeconfigError(f'{where}: cluster "{cluster}" has no server that starts with https:// or http://')
    return server


def _material(path: Path, entry: dict[str, Any], key: str) -> bytes:
    """The bytes under `KEY-data` (base64), else of the file under `KEY` (relative to the kubeconfig)."""
    data, file = entry.get(f"{key}-data"), entry.get(key)
    if data:
        try:
            return base64.b64decode("".join(str(data).split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise KubeconfigError(f"{path}: {key}-data is not valid base64") from error
    if not file:
        return b""
    try:
        return (path.parent / str(file)).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path}: {key} {file} cannot be read: {error.strerror}") from error


def _exec_config(cluster: dict[str, Any]) -> Any:
    extensions = cluster.get("extensions")
    for entry in extensions if isinstance(extensions, list) else []:
        if isinstance(entry, dict) and entry.get("name") == EXEC_CONFIG:
            return entry.get("extension")
    return None


def _impersonation(user: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The headers of `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    headers: dict[str, tuple[str, ...]] = {}
    for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(key):
            headers[header] = (str(user[key]),)
    if isinstance(user.get("as-groups"), list):
        headers["Impersonate-Group"] = tuple(str(each) for each in user["as-groups"])
    extra = user.get("as-user-extra")
    for key, values in extra.items() if isinstance(extra, dict) else ():
        if isinstance(values, list):
            headers[f"Impersonate-Extra-{key}"] = tuple(str(each) for each in values)
    return headers
