"""Bearer tokens for people and programs outside the cluster, each with a role: `k9lite token`.

    tokens.json (0600)   id -> SHA-256 of the secret, who it is for, when it ends

The secret is shown once and stored nowhere. What a token may do is an ordinary RoleBinding or ClusterRoleBinding of
the user `k9lite:token:ID`, so `kubectl get rolebindings` shows it and a deleted namespace takes it along. A deleted
token is refused at once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Any

import orjson

from k9lite.api.catalog import CLUSTERROLEBINDINGS, ROLEBINDINGS
from k9lite.api.errors import ApiError, bad_request, internal, invalid
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj
from k9lite.api.rbac import GROUP
from k9lite.api.validation import unsupported
from k9lite.clock import parse_rfc3339, rfc3339
from k9lite.registry.registry import Registry
from k9lite.registry.users import AUTHENTICATED, User

PREFIX = "k9lite_"
ROLES = ("admin", "edit", "view")
CLUSTER_ROLES = {"admin": "cluster-admin"}
"""What a role is called when it is for all namespaces; an admin of everything is a cluster-admin."""
MAX_SECONDS = 1 << 32


class UserTokens:
    """The tokens of one cluster. Raises ApiError 500 where the file is damaged."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self._path = path
        self._registry = registry
        self._entries: dict[str, dict[str, Any]] | None = None

    def user_of(self, token: str) -> User | None:
        """The user of a token of ours; None if it is unknown, wrong or expired."""
        identity, _, secret = token.removeprefix(PREFIX).partition("_")
        entry = self._load().get(identity)
        if entry is None or not hmac.compare_digest(_hash(secret), entry["sha256"]):
            return None
        if entry["expires"] and parse_rfc3339(entry["expires"]) <= self._registry.clock.time():
            return None
        return User(_user_name(identity), ("k9lite:tokens", AUTHENTICATED), identity)

    def list(self) -> list[Obj]:
        """What may be shown of each token."""
        return [
            {"id": identity, **{key: value for key, value in entry.items() if key != "sha256"}}
            for identity, entry in self._load().items()
        ]

    async def create(self, asked: Any) -> Obj:
        """From {role, namespace, seconds}; the answer holds the token. Raises ApiError 400, 404 or 422."""
        role, namespace, seconds = _check(asked)
        entries = self._load()
        identity, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        now = self._registry.clock.time()
        entry = {
            "role": role,
            "namespace": namespace,
            "created": rfc3339(now),
            "expires": rfc3339(now + seconds) if seconds else "",
            "sha256": _hash(secret),
        }
        resource = ROLEBINDINGS if namespace else CLUSTERROLEBINDINGS
        await self._registry.create(resource, namespace, _binding(identity, role, namespace))
        self._save({**entries, identity: entry})
        shown = {key: value for key, value in entry.items() if key != "sha256"}
        return {"id": identity, **shown, "token": f"{PREFIX}{identity}_{secret}"}

    async def delete(self, identity: str) -> None:
        """Refuse the token from now on, and remove its binding. Raises ApiError 404."""
        entries = self._load()
        if identity not in entries:
            raise ApiError(404, "NotFound", f'token "{identity}" not found')
        namespace = entries[identity]["namespace"]
        self._save({key: value for key, value in entries.items() if key != identity})
        resource = ROLEBINDINGS if namespace else CLUSTERROLEBINDINGS
        try:
            await self._registry.delete(resource, namespace, _binding_name(identity), DeleteOptions())
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    def _load(self) -> dict[str, dict[str, Any]]:
        if self._entries is None:
            try:
                self._entries = dict(orjson.loads(self._path.read_bytes())["tokens"])
            except FileNotFoundError:
                self._entries = {}
            except (OSError, ValueError, KeyError, TypeError) as error:
                why = f"{self._path} cannot be used ({error}): restore it, or remove it, which revokes every token"
                raise internal(why) from error
        return self._entries

    def _save(self, entries: dict[str, dict[str, Any]]) -> None:
        """Whole or not at all: a token must neither live on nor be lost by half a file."""
        temporary = self._path.with_suffix(".new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps({"tokens": entries}, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        self._entries = entries


def _hash(secret: str) -> str:
    """Secrets are 256 random bits, so that neither salt nor a slow hash would add anything."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(asked: Any) -> tuple[str, str, int]:
    if not isinstance(asked, dict):
        raise bad_request("a token is asked for with an object: role, and namespace and seconds if wanted")
    role, namespace, seconds = asked.get("role"), asked.get("namespace") or "", asked.get("seconds") or 0
    if role not in ROLES:
        raise invalid("Token", "", "", [unsupported("role", role or "", ROLES)])
    if not isinstance(namespace, str) or not isinstance(seconds, int) or not 0 <= seconds <= MAX_SECONDS:
        raise bad_request("namespace must be a name, seconds a whole number up to 4294967296")
    return str(role), namespace, int(seconds)


def _user_name(identity: str) -> str:
    return f"k9lite:token:{identity}"


def _binding_name(identity: str) -> str:
    return f"k9lite:token:{identity}"


def _binding(identity: str, role: str, namespace: str) -> Obj:
    resource = ROLEBINDINGS if namespace else CLUSTERROLEBINDINGS
    cluster_role = role if namespace else CLUSTER_ROLES.get(role, role)
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": _binding_name(identity), "labels": {"k9lite.io/token": identity}},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": cluster_role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": _user_name(identity)}],
    }
