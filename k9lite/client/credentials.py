"""Who asks: the headers of a request and the client certificate, renewed when they expire or are refused.

Tokens come from the kubeconfig, from a file that is read again each minute, or from a plug-in, whose answer is kept
until it expires. A server that answers 401 is asked once more with fresh credentials.
Source: k8s.io/client-go/transport, k8s.io/client-go/plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from k9lite.client import exec_plugins
from k9lite.client.errors import KubeconfigError
from k9lite.client.kubeconfig import Connection
from k9lite.client.tls import load_certificate, ssl_context
from k9lite.clock import Clock, SystemClock

if TYPE_CHECKING:
    import ssl

TOKEN_FILE_SECONDS = 60.0
"""How long a token file is believed; upstream's own period."""


class Credentials:
    """`tls` and `certificates` (how many there have been) change when a plug-in hands out another certificate."""

    def __init__(self, connection: Connection, clock: Clock | None = None) -> None:
        self._connection = connection
        self._clock = clock or SystemClock()
        self._renewable = bool(
            connection.token_file or (connection.exec_plugin and not connection.token and not connection.username)
        )
        self._token = connection.token
        self._certificate = (connection.certificate, connection.key)
        self._good_until = float("-inf")
        self._lock = asyncio.Lock()
        self.renewals = 0
        self.certificates = 0
        self.tls: ssl.SSLContext | None = ssl_context(connection)

    async def headers(self) -> list[tuple[str, str]]:
        """What to add to a request, some names more than once. Raises KubeconfigError."""
        connection = self._connection
        if self._renewable and self._clock.time() >= self._good_until:
            async with self._lock:
                if self._clock.time() >= self._good_until:
                    await self._renew()
        made = [(name, value) for name, values in connection.impersonate.items() for value in values]
        if self._token:
            made.append(("Authorization", f"Bearer {self._token}"))
        elif connection.username:
            pair = base64.b64encode(f"{connection.username}:{connection.password}".encode()).decode()
            made.append(("Authorization", f"Basic {pair}"))
        return made

    def refused(self, renewal: int) -> bool:
        """The server answered 401 to the credentials of that renewal. True if another try makes sense."""
        if not self._renewable:
            return False
        if renewal == self.renewals:  # others may have renewed them since
            self._good_until = float("-inf")
        return True

    async def _renew(self) -> None:
        path = self._connection.token_file
        if path is None:
            self._take(await exec_plugins.run(self._connection))
        else:
            try:
                self._token = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
                raise KubeconfigError(f"token file {path} cannot be read: {reason}") from error
            self._good_until = self._clock.time() + TOKEN_FILE_SECONDS
        self.renewals += 1

    def _take(self, issued: exec_plugins.Issued) -> None:
        import ssl

        self._token, self._good_until = issued.token, issued.expires
        pair = (issued.certificate, issued.key)
        if not issued.certificate or pair == self._certificate:
            return
        fresh = ssl_context(self._connection)
        if fresh is not None:
            try:
                load_certificate(fresh, *pair)
            except (ssl.SSLError, ValueError) as error:
                raise KubeconfigError(
                    f'the credential plug-in of context "{self._connection.context}" printed a certificate that cannot '
                    f"be used: {error}"
                ) from error
            self.tls = fresh
        self._certificate = pair
        self.certificates += 1
