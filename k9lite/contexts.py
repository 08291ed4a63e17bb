"""Every cluster that can be opened: k9lite's own control plane, and the contexts of the kubeconfig.

The own one is called `k9lite` and comes first. Without a kubeconfig of its own choice, that name always means it, also
where `kubeconfig --merge` has written an entry of the same name: it is started where it does not run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from k9lite import local
from k9lite.client import kubeconfig
from k9lite.client.kubeconfig import ContextInfo
from k9lite.settings import Settings

if TYPE_CHECKING:
    from k9lite.client.rest import KubeClient

LOCAL = "k9lite"
_PRODUCTION = re.compile(r"(?<!non)(?<!non[-_.])(?<!pre)(?<!pre[-_.])prod", re.IGNORECASE)


def is_local(path: Path | None, name: str | None) -> bool:
    """Whether a kubeconfig and a context, as given, mean the own control plane."""
    return path is None and name in (None, "", LOCAL)


def listed(path: Path | None = None) -> list[ContextInfo]:
    """The own control plane (unless a kubeconfig is given) and the kubeconfig's contexts. Raises KubeconfigError."""
    others = kubeconfig.read(path).contexts()
    if path is not None:
        return others
    own = ContextInfo(LOCAL, LOCAL, LOCAL, "", "this machine")
    inside = kubeconfig.in_cluster()
    pod = [ContextInfo(inside.context, inside.cluster, inside.user, inside.namespace, inside.server)] if inside else []
    return [own, *pod, *(each for each in others if each.name != LOCAL)]


def client_of(settings: Settings, path: Path | None, name: str | None, say: Callable[[str], None]) -> KubeClient:
    """A client of a context; `say` hears of the own control plane being started, which blocks.

    Raises KubeconfigError, LocalError.
    """
    from k9lite.client.rest import KubeClient

    if is_local(path, name):
        return KubeClient.from_kubeconfig(local.ensure_running(settings, say))
    if path is None and name == kubeconfig.IN_CLUSTER:
        inside = kubeconfig.in_cluster()
        if inside is not None:
            return KubeClient(inside)
    return KubeClient.from_kubeconfig(path, name)


def is_production(*names: str) -> bool:
    """Whether a context or cluster is called so that mistakes would be dear: `prod`, but not `nonprod`, `pre-prod`."""
    return any(_PRODUCTION.search(name) for name in names)
