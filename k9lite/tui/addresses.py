"""Where a service is reached from here."""

from __future__ import annotations

from urllib.parse import urlsplit

from k9lite.api.objects import Obj, dig

_SCHEMES = {443: "https", 8443: "https"}


def service_urls(service: Obj, server: str) -> list[str]:
    """URLs of a service's TCP ports: by its load balancer, else by its NodePorts on the API server's host."""
    urls: list[str] = []
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    host = str(ingress[0].get("ip") or ingress[0].get("hostname") or "") if ingress else ""
    node = urlsplit(server).hostname or "127.0.0.1"
    for port in dig(service, "spec", "ports", default=[]):
        if port.get("protocol", "TCP") != "TCP":
            continue
        number = port.get("port") if host else port.get("nodePort")
        if not number:
            continue
        scheme = _SCHEMES.get(port.get("port"), "http")
        address = host or node
        urls.append(f"{scheme}://{f'[{address}]' if ':' in address else address}:{number}")
    return urls
