"""Which groups, versions and resources are served: the aggregated v2 and v2beta1 documents, and the older ones.

Documents are made once for each tuple of served resources; a new custom resource makes a new tuple.
"""

from __future__ import annotations

from functools import lru_cache

from k9lite.api.objects import Obj, encode
from k9lite.api.resources import Resource

_SCALE = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
_TOKEN = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
_POLICY = {"group": "policy", "version": "v1", "kind": "Eviction"}
Resources = tuple[Resource, ...]
_OPTIONS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}
SUBRESOURCE_VERBS = {"status": ["get", "patch", "update"], "scale": ["get", "patch", "update"], "log": ["get"],
          "finalize": ["update"], "binding": ["create"], "eviction": ["create"], "token": ["create"],
          "exec": ["create", "get"], "attach": ["create", "get"], "portforward": ["create", "get"]}  # fmt: skip


def aggregated_version(accept: str) -> str | None:
    """`v2` or `v2beta1` as the client asks for; None: the older documents."""
    clauses = [clause.replace(" ", "") for clause in accept.split(",")]
    asked = [clause for clause in clauses if "g=apidiscovery.k8s.io" in clause and "as=APIGroupDiscoveryList" in clause]
    for version in ("v2", "v2beta1"):
        if any(f"v={version}" in clause.split(";") for clause in asked):
            return version
    return None


@lru_cache(maxsize=16)
def aggregated(resources: Resources, core: bool, version: str) -> bytes:
    """The APIGroupDiscoveryList of `/api` (core) or `/apis`."""
    items = []
    for group in [""] if core else named_groups(resources):
        versions = [{"version": name, "freshness": "Current",
                     "resources": [_aggregated(resource) for resource in of(resources, group, name)]}
                    for name in versions_of(resources, group)]  # fmt: skip
        items.append({"metadata": {"name": group} if group else {}, "versions": versions})
    return encode(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }
    )


def named_groups(resources: Resources) -> list[str]:
    return list(dict.fromkeys(resource.group for resource in resources if resource.group))


def versions_of(resources: Resources, group: str) -> list[str]:
    return list(dict.fromkeys(resource.version for resource in resources if resource.group == group))


def of(resources: Resources, group: str, version: str) -> list[Resource]:
    return [resource for resource in resources if (resource.group, resource.version) == (group, version)]


def _kind_of(resource: Resource, subresource: str) -> Obj:
    own = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    if subresource in _OPTIONS:
        return {"group": "", "version": "v1", "kind": _OPTIONS[subresource]}
    return {"scale": _SCALE, "eviction": _POLICY, "token": _TOKEN}.get(subresource, own)


def _aggregated(resource: Resource) -> Obj:
    return {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": [
            {"subresource": name, "responseKind": _kind_of(resource, name), "verbs": SUBRESOURCE_VERBS[name]}
            for name in resource.subresources
        ],
    }


def _group(resources: Resources, name: str) -> Obj:
    names = versions_of(resources, name)
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in names]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


@lru_cache(maxsize=128)
def legacy(resources: Resources, path: str) -> bytes | None:
    """The older document of `/api`, `/api/v1`, `/apis`, `/apis/G` or `/apis/G/V`; None where there is none."""
    parts = path.strip("/").split("/")
    if parts == ["api"]:
        return encode({"kind": "APIVersions", "versions": versions_of(resources, ""), "serverAddressByClientCIDRs": []})
    if parts == ["apis"]:
        groups = [_group(resources, name) for name in named_groups(resources)]
        return encode({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    if parts[0] == "api" and len(parts) == 2:
        return _resources(resources, "", parts[1])
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in named_groups(resources):
        return encode({"kind": "APIGroup", "apiVersion": "v1", **_group(resources, parts[1])})
    if parts[0] == "apis" and len(parts) == 3:
        return _resources(resources, parts[1], parts[2])
    return None


def _resources(resources: Resources, group: str, version: str) -> bytes | None:
    found = of(resources, group, version)
    if not found:
        return None
    entries: list[Obj] = []
    for resource in found:
        entries.append(
            {"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
             "kind": resource.kind, "verbs": list(resource.verbs), "shortNames": list(resource.short_names),
             "categories": list(resource.categories)}
        )  # fmt: skip
        for name in resource.subresources:
            entry = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
                     "kind": _kind_of(resource, name)["kind"], "verbs": SUBRESOURCE_VERBS[name]}  # fmt: skip
            entries.append(
                entry | {k: v for k, v in _kind_of(resource, name).items() if name in ("scale", "eviction", "token")}
            )
    group_version = f"{group}/{version}" if group else version
    return encode({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries})
