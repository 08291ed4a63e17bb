"""TLS settings of a connection: whom to trust, and the client's own certificate, which never stays on a disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from k9lite.client.errors import KubeconfigError

if TYPE_CHECKING:
    import ssl

    from k9lite.client.kubeconfig import Connection


def ssl_context(connection: Connection) -> ssl.SSLContext | None:
    """The TLS settings of a connection, None for plain HTTP. Raises KubeconfigError."""
    import ssl

    if not connection.server.startswith("https://"):
        return None
    try:
        context = ssl.create_default_context(cadata=connection.ca.decode() or None)
        # Python 3.13 made this the default; authorities of older clusters lack what it asks for (an authority key id).
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if connection.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if connection.certificate:
            load_certificate(context, connection.certificate, connection.key)
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f'the certificates of context "{connection.context}" cannot be used: {error}') from error
    return context


def load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a client certificate from memory. Raises ssl.SSLError."""
    with _readable(certificate.rstrip() + b"\n" + key) as path:
        context.load_cert_chain(path, password=_no_password)


def _no_password() -> str:
    """Without it OpenSSL would ask the terminal for the pass phrase of an encrypted key."""
    raise ValueError("the client key is protected by a pass phrase, which is not supported")


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """A path to read the content from while the block runs. Python's ssl reads files only.

    On Linux it is memory with a name; elsewhere a file of mode 0600 that is removed at once.
    """
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        handle = os.memfd_create("k9lite")
        try:
            os.write(handle, content)
            yield f"/proc/self/fd/{handle}"
        finally:
            os.close(handle)
        return
    handle, path = tempfile.mkstemp(prefix="k9lite-")  # mkstemp makes it 0600
    try:
        with open(handle, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
