"""What every command gets: its arguments, the settings, where to print, and a client when it asks for one."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k9lite.settings import Settings

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient


class CommandError(Exception):
    """A command that cannot be done as asked; str(error) goes after `Error: `."""


class UsageError(CommandError):
    """Wrong arguments; the command to look at is added."""


@dataclass(frozen=True, slots=True)
class AppRequest:
    """What the app should show. `kinds` empty: the home screen."""

    settings: Settings
    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    read_only: bool = False
    kinds: tuple[str, ...] = ()


OpenApp = Callable[[AppRequest], int]
"""Opens the full-screen app and returns the exit code once it is closed."""


@dataclass(slots=True)
class Context:
    """`command` holds what followed `--`."""

    args: Namespace
    settings: Settings
    command: list[str] = field(default_factory=list)
    open_app: OpenApp | None = None

    def arg(self, name: str, default: Any = None) -> Any:
        """An argument that may not be given."""
        return getattr(self.args, name, default)

    @property
    def is_local(self) -> bool:
        """Whether the command is for k9lite's own control plane, not for another cluster."""
        from k9lite import contexts

        return contexts.is_local(self._given_kubeconfig, self.arg("context"))

    @property
    def _given_kubeconfig(self) -> Path | None:
        given = self.arg("kubeconfig")
        return Path(given).expanduser() if given else None

    def say(self, text: str) -> None:
        """A remark that is not the command's output."""
        print(text, file=sys.stderr, flush=True)

    def kubeconfig(self) -> Path | None:
        """The kubeconfig to use; starts the local control plane where that is meant. None: kubectl's default."""
        if not self.is_local:
            return self._given_kubeconfig
        from k9lite import local

        return local.ensure_running(self.settings, self.say)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[KubeClient]:
        """The client of the cluster, closed at the end."""
        from k9lite import contexts

        async with contexts.client_of(self.settings, self._given_kubeconfig, self.arg("context"), self.say) as client:
            yield client

    def namespace(self, client: KubeClient) -> str:
        """The namespace asked for, else the context's."""
        return str(self.arg("namespace") or client.namespace)

    def app_request(self, *, read_only: bool = False, kinds: tuple[str, ...] = ()) -> AppRequest:
        return AppRequest(
            self.settings,
            self._given_kubeconfig,
            self.arg("context"),
            self.arg("namespace"),
            read_only,
            kinds,
        )
