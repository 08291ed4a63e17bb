"""Which container of a pod is meant where none is named."""

from __future__ import annotations

from k9lite.api.objects import Obj, dig

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def containers_of(pod: Obj) -> list[Obj]:
    """Every container's spec, init containers first."""
    return [each for key in ("initContainers", "containers") for each in dig(pod, "spec", key, default=[])]


def default_container(pod: Obj) -> Obj:
    """The spec of the one that the pod's annotation names, else of the first."""
    named = dig(pod, "metadata", "annotations", default={}).get(DEFAULT_CONTAINER)
    found = next((each for each in containers_of(pod) if each["name"] == named), None)
    first: Obj = dig(pod, "spec", "containers", default=[])[0]
    return found or first
