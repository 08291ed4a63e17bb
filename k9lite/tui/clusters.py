"""Other clusters in the same app: the list of contexts, and switching to one of them live.

    :ctx -> ContextsDialog -> name -> client -> /version answers -> old feed closed, tables emptied -> new feed
                                                └ it does not: said, and everything stays as it is

Tables are emptied before the new client comes, so that no key can act on a row of another cluster.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from k9lite import contexts
from k9lite.api.errors import ApiError
from k9lite.client.errors import ClientError
from k9lite.client.kubeconfig import ContextInfo
from k9lite.local import LocalError

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient
    from k9lite.tui.app import K9liteApp


class Clusters:
    """The contexts of one app. `kubeconfig` is the file given on the command line, if any."""

    def __init__(self, app: K9liteApp, kubeconfig: Path | None) -> None:
        self._app = app
        self._kubeconfig = kubeconfig

    def known(self) -> tuple[list[ContextInfo], str]:
        """(contexts, what is wrong with the kubeconfig)."""
        try:
            return contexts.listed(self._kubeconfig), ""
        except ClientError as error:
            own = [] if self._kubeconfig else [ContextInfo(contexts.LOCAL, contexts.LOCAL, "", "", "this machine")]
            return own, str(error)

    def names(self) -> list[str]:
        return [each.name for each in self.known()[0]]

    def choose(self) -> None:
        """Show the list; what is chosen is switched to."""
        from k9lite.tui.dialogs.contexts import ContextsDialog

        found, problem = self.known()
        current = self._app.feed.client.context if self._app.feed else ""
        self._app.push_screen(ContextsDialog(found, current, problem), self._chosen)

    def _chosen(self, name: str | None) -> None:
        if name is not None:
            self._app.run_command(f"ctx {name}")

    async def open(self, name: str) -> KubeClient:
        """A client of a context whose server answers. Raises ClientError, ApiError (401), LocalError."""
        client = await asyncio.to_thread(contexts.client_of, self._app.settings, self._kubeconfig, name, lambda _: None)
        try:
            await client.version()
        except ApiError as error:
            if error.code == 401:
                await client.close()
                raise ApiError(401, error.reason, f"{name}: the server does not accept the credentials") from error
        except BaseException:
            await client.close()
            raise
        return client


FAILURES = (ClientError, ApiError, LocalError, OSError)
"""What may go wrong when a cluster is opened."""
