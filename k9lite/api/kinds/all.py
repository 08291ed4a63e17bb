"""Every kind that is served, and indexes over them. `k9lite.api.catalog` is the way to it."""

from __future__ import annotations

from k9lite.api.kinds.apiextensions import CUSTOMRESOURCEDEFINITIONS
from k9lite.api.kinds.apps import DEPLOYMENTS, REPLICASETS
from k9lite.api.kinds.autoscaling import HPAS, HPAS_V1
from k9lite.api.kinds.batch import CRONJOBS, JOBS
from k9lite.api.kinds.config import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from k9lite.api.kinds.coordination import LEASES
from k9lite.api.kinds.core import ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS
from k9lite.api.kinds.discovery import ENDPOINTSLICES
from k9lite.api.kinds.events import EVENTS_V1
from k9lite.api.kinds.metrics import NODEMETRICS, PODMETRICS
from k9lite.api.kinds.networking import INGRESSCLASSES, INGRESSES
from k9lite.api.kinds.policy import PODDISRUPTIONBUDGETS
from k9lite.api.kinds.quotas import LIMITRANGES, RESOURCEQUOTAS
from k9lite.api.kinds.rbac import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from k9lite.api.kinds.replication import REPLICATIONCONTROLLERS
from k9lite.api.kinds.reviews import REVIEWS
from k9lite.api.kinds.scheduling import PRIORITYCLASSES
from k9lite.api.kinds.service import SERVICES
from k9lite.api.kinds.stateful import CONTROLLERREVISIONS, DAEMONSETS, STATEFULSETS
from k9lite.api.kinds.storage import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES
from k9lite.api.resources import Resource

RESOURCES: tuple[Resource, ...] = (
    PODS, SERVICES, ENDPOINTS, NAMESPACES, NODES, CONFIGMAPS, SECRETS, SERVICEACCOUNTS, EVENTS,
    REPLICATIONCONTROLLERS, RESOURCEQUOTAS, LIMITRANGES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES,
    DEPLOYMENTS, REPLICASETS, STATEFULSETS, DAEMONSETS, CONTROLLERREVISIONS,
    JOBS, CRONJOBS,
    HPAS, HPAS_V1,
    ENDPOINTSLICES,
    EVENTS_V1,
    PODDISRUPTIONBUDGETS,
    INGRESSES, INGRESSCLASSES,
    LEASES,
    STORAGECLASSES,
    PRIORITYCLASSES,
    CUSTOMRESOURCEDEFINITIONS,
    ROLES, CLUSTERROLES, ROLEBINDINGS, CLUSTERROLEBINDINGS,
)  # fmt: skip
"""What the store holds, in the order in which it is told of: groups, and the versions of a group, by preference."""
VIRTUAL: tuple[Resource, ...] = (*REVIEWS, PODMETRICS, NODEMETRICS)
"""What is served, but stored nowhere: answered by what the server knows at that moment."""
SERVED: tuple[Resource, ...] = (*RESOURCES, *VIRTUAL)

STORED = tuple(resource for resource in RESOURCES if resource.storage is None)
"""Those that have objects of their own in the store; the others of RESOURCES are versions of these."""

BY_KEY = {resource.key: resource for resource in (*STORED, *VIRTUAL)}
BY_KIND = {(resource.api_version, resource.kind): resource for resource in SERVED}
BY_PATH = {(resource.group, resource.version, resource.plural): resource for resource in SERVED}
BY_WORD = {
    word.lower(): resource
    for resource in reversed(SERVED)
    for plain in (resource.plural, resource.singular, resource.kind, *resource.short_names)
    for word in (plain, f"{plain}.{resource.group}", f"{plain}.{resource.version}.{resource.group}")
}
