"""The revisions of a Deployment: which there are, what is in them, and going back to one.

A revision is a ReplicaSet that the Deployment controls, numbered by an annotation.
Source: k8s.io/kubectl/pkg/polymorphichelpers (history.go, rollback.go).
"""

from __future__ import annotations

from k9lite.api.catalog import DEPLOYMENTS, REPLICASETS
from k9lite.api.objects import Obj, annotations_of, controller_of, copy_of, dig, name_of, namespace_of, uid_of
from k9lite.api.selectors import LabelSelector
from k9lite.client.actions import ActionError
from k9lite.client.apply import LAST_APPLIED
from k9lite.client.rest import JSON_PATCH, KubeClient

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
OWN_ANNOTATIONS = (
    LAST_APPLIED, REVISION, "deployment.kubernetes.io/revision-history", "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas", "deprecated.deployment.rollback.to",
)  # fmt: skip
"""Annotations of the Deployment that going back leaves as they are."""
TEMPLATE_HASH = "pod-template-hash"


def revision_of(obj: Obj) -> int:
    """The number of a ReplicaSet or Deployment, 0 where it has none."""
    text = annotations_of(obj).get(REVISION, "")
    return int(text) if text.isdigit() else 0


async def revisions(client: KubeClient, deployment: Obj) -> dict[int, Obj]:
    """The ReplicaSets of a Deployment by revision, the oldest first."""
    selector = str(LabelSelector.from_object(dig(deployment, "spec", "selector", default={})))
    listed = await client.list(REPLICASETS, namespace_of(deployment), label_selector=selector)
    own = [each for each in listed["items"] if (controller_of(each) or {}).get("uid") == uid_of(deployment)]
    return {revision_of(each): each for each in sorted(own, key=revision_of) if revision_of(each)}


def template_of(replica_set: Obj) -> Obj:
    """The pod template as the Deployment had it."""
    template = copy_of(replica_set["spec"]["template"])
    labels = dig(template, "metadata", "labels", default={})
    labels.pop(TEMPLATE_HASH, None)
    return template


def chosen(found: dict[int, Obj], deployment: Obj, wanted: int) -> tuple[int, Obj]:
    """The revision to go back to; 0: the one before the current. Raises ActionError."""
    if wanted:
        if wanted not in found:
            raise ActionError(f"unable to find specified revision {wanted} in history")
        return wanted, found[wanted]
    earlier = sorted(found)[:-1]
    if not earlier:
        raise ActionError(f'no rollout history found for deployment "{name_of(deployment)}"')
    return earlier[-1], found[earlier[-1]]


async def undo(
    client: KubeClient, namespace: str | None, name: str, revision: int = 0, *, dry_run: bool = False
) -> tuple[Obj, int, bool]:
    """(the Deployment, the revision it went to, whether that changed anything). Raises ActionError, ApiError."""
    deployment = await client.get(DEPLOYMENTS, namespace, name)
    if dig(deployment, "spec", "paused"):
        raise ActionError(
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again"
        )
    number, replica_set = chosen(await revisions(client, deployment), deployment, revision)
    template = template_of(replica_set)
    if template == deployment["spec"]["template"]:
        return deployment, number, False
    has = annotations_of(deployment)
    annotations = {key: value for key, value in annotations_of(replica_set).items() if key not in OWN_ANNOTATIONS}
    annotations |= {key: value for key, value in has.items() if key in OWN_ANNOTATIONS}
    patch = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": annotations},
    ]
    changed = await client.patch(DEPLOYMENTS, namespace, name, patch, JSON_PATCH, dry_run=dry_run)
    return changed, number, True


async def pause(client: KubeClient, namespace: str | None, name: str, *, on: bool) -> Obj:
    """Stop a Deployment from rolling out changes, or let it. Raises ActionError where it is so already."""
    deployment = await client.get(DEPLOYMENTS, namespace, name)
    if bool(dig(deployment, "spec", "paused")) == on:
        raise ActionError(f'deployments.apps "{name}" is {"already paused" if on else "not paused"}')
    return await client.patch(DEPLOYMENTS, namespace, name, {"spec": {"paused": True if on else None}})
