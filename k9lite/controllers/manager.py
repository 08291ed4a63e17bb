"""Starts and stops the controllers of one cluster."""

from __future__ import annotations

from k9lite.controllers.context import Context
from k9lite.controllers.custom_resources import CustomResourceController
from k9lite.controllers.deployment import DeploymentController
from k9lite.controllers.disruption import DisruptionController
from k9lite.controllers.endpoints import EndpointsController, EndpointSliceController, ServicePods
from k9lite.controllers.event_trimming import EventTrimmer
from k9lite.controllers.garbage_collector import GarbageCollector
from k9lite.controllers.informers import Informers
from k9lite.controllers.namespace import NamespaceController
from k9lite.controllers.node_lifecycle import NodeLifecycle
from k9lite.controllers.not_implemented import NotImplementedNotice
from k9lite.controllers.quota_status import QuotaStatusController
from k9lite.controllers.replicaset import ReplicaSetController
from k9lite.controllers.role_aggregation import RoleAggregation
from k9lite.controllers.runtime import Tasks
from k9lite.controllers.scheduler import Scheduler
from k9lite.controllers.service_accounts import ServiceAccountController
from k9lite.registry.registry import Registry
from k9lite.settings import Settings


class Manager:
    """All controllers over one registry."""

    def __init__(self, registry: Registry, *, node_name: str, settings: Settings) -> None:
        self.node_name = node_name
        self.context = Context(registry, Informers(registry.store, registry.served), Tasks())
        service_pods = ServicePods(self.context)
        Scheduler(self.context)
        DeploymentController(self.context)
        ReplicaSetController(self.context)
        EndpointsController(self.context, service_pods)
        EndpointSliceController(self.context, service_pods)
        CustomResourceController(self.context)
        NamespaceController(self.context)
        GarbageCollector(self.context)
        DisruptionController(self.context)
        ServiceAccountController(self.context)
        QuotaStatusController(self.context)
        RoleAggregation(self.context)
        NotImplementedNotice(self.context)
        self._loops = (EventTrimmer(self.context, settings.event_ttl_seconds), NodeLifecycle(self.context))

    async def start(self) -> None:
        """Read the store and begin to work."""
        self.context.start()
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """End every task; what is unfinished is found again at the next start."""
        await self.context.stop()
