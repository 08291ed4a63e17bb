"""What can go wrong between a client and its server, besides the server's own answers (`ApiError`).

ClientError                 str(error) is a sentence for people
├── KubeconfigError         the kubeconfig cannot be used: file, key and reason
├── ConnectionLost          the server could not be reached, or went away
└── ManifestError           a file of objects cannot be used: file, line and reason
"""

from __future__ import annotations


class ClientError(Exception):
    """A failure that a user can understand and mend."""


class KubeconfigError(ClientError):
    """The kubeconfig is missing, broken or names what it does not hold."""


class ConnectionLost(ClientError):
    """The server cannot be reached or closed the connection; trying again later may work."""


class ManifestError(ClientError):
    """A manifest that cannot be read; the message starts with file and line."""
