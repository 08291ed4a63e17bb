"""Who asks: the user of a request, which admission looks at deep inside the registry."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from k9lite.api.objects import Obj

MASTERS, AUTHENTICATED, UNAUTHENTICATED = "system:masters", "system:authenticated", "system:unauthenticated"
SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user, as UserInfo says it. Members of system:masters may do everything."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups

    def info(self) -> Obj:
        """The UserInfo of reviews."""
        shown: Obj = {"username": self.name, "uid": self.uid, "groups": list(self.groups), "extra": dict(self.extra)}
        return {key: value for key, value in shown.items() if value}


ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
EVERYONE = User("system:unsecured", (MASTERS, AUTHENTICATED))
"""Whoever asks a server without TLS."""


def service_account(namespace: str, name: str, uid: str = "", extra: Mapping[str, list[str]] | None = None) -> User:
    """The user that a ServiceAccount is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"{SERVICE_ACCOUNT}{namespace}:{name}", groups, uid, extra or {})


requester: ContextVar[User | None] = ContextVar("requester", default=None)
"""The user whose request is being served; None for the control plane's own parts, which are trusted."""
