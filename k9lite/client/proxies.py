"""Which HTTP proxy a server is asked through: the kubeconfig's, else that of the environment, as Go programs choose it.

$HTTPS_PROXY or $HTTP_PROXY by the server's scheme (in capitals or not), unless $NO_PROXY names the server: by name
(`example.com` and all below it, `.example.com` only those below), address, network (`10.0.0.0/8`), `host:port`, or `*`.
This machine itself is never asked through a proxy. Source: golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from k9lite.client.errors import KubeconfigError


def proxy_of(server: str, configured: str = "", environ: Mapping[str, str] | None = None) -> str | None:
    """The proxy's URL, None to connect directly. Raises KubeconfigError for one that is not supported."""
    if configured:
        return _checked(configured, "proxy-url of the cluster")
    environ = os.environ if environ is None else environ
    parts = urlsplit(server)
    host = (parts.hostname or "").lower().rstrip(".")
    name = f"{parts.scheme}_proxy"
    url = environ.get(name.upper()) or environ.get(name) or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not url or _is_this_machine(host) or _is_excepted(host, port, environ):
        return None
    return _checked(url if "://" in url else f"http://{url}", f"${name.upper()}")


def _checked(url: str, source: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise KubeconfigError(f"{source}: a proxy must be http:// or https://, {scheme}:// is not supported")
    return url


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_excepted(host: str, port: int, environ: Mapping[str, str]) -> bool:
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return any(_matches(entry.strip().lower(), host, port) for entry in listed.split(",") if entry.strip())


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and _address(entry) is None:
        if int(number) != port:
            return False
        entry = name.strip("[]")
    if address is not None:
        return address == _address(entry)
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")
