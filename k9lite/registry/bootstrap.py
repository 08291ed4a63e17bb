"""The objects every cluster has from its first start: four namespaces, the Service of the API, the default roles."""

from __future__ import annotations

from k9lite.api.catalog import NAMESPACES, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj
from k9lite.registry.default_roles import bootstrap_roles
from k9lite.registry.registry import Registry

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def bootstrap(registry: Registry) -> None:
    """Create what is missing of them; what is there stays as it is."""
    for name in SYSTEM_NAMESPACES:
        if registry.store.get(NAMESPACES.key, "", name) is None:
            await registry.create(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    if registry.store.get(SERVICES.key, "default", "kubernetes") is None:
        await _create_api_service(registry)
    await bootstrap_roles(registry)


async def _create_api_service(registry: Registry) -> None:
    service: Obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
    }
    try:
        await registry.create(SERVICES, "default", service)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
