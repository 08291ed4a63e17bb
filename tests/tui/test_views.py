"""Every view: cells of real objects, roles, and sort keys that can be compared."""

from __future__ import annotations

import pytest

from k9lite.api.catalog import RESOURCES
from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.tui.views import VIEWS, GenericView, PodsView, View, view_for
from tests.tui.rows import NOW, pod

META = {"name": "web", "namespace": "default", "uid": "u", "creationTimestamp": "2023-11-14T21:13:20Z"}

SAMPLES: dict[str, tuple[Obj, dict[str, str], str]] = {
    "pods": (pod(1, "ImagePullBackOff"), {"Ready": "0/1", "Status": "ImagePullBackOff", "Node": "laptop", "Age": "60m"}, "error"),
    "deployments.apps": (
        {"kind": "Deployment", "metadata": META, "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": "nginx"}]}}},
         "status": {"readyReplicas": 1, "updatedReplicas": 3, "availableReplicas": 1}},
        {"Ready": "1/3", "Up-to-date": "3", "Available": "1", "Image": "nginx"}, "pending",
    ),
    "replicasets.apps": (
        {"kind": "ReplicaSet", "metadata": META | {"annotations": {"deployment.kubernetes.io/revision": "4"}}, "spec": {"replicas": 0}},
        {"Ready": "0/0", "Revision": "4"}, "completed",
    ),
    "services": (
        {"kind": "Service", "metadata": META, "spec": {"type": "NodePort", "clusterIP": "10.43.0.1", "selector": {"app": "web"},
         "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}},
        {"Type": "NodePort", "Cluster-IP": "10.43.0.1", "External-IP": "-", "Ports": "80:30080/TCP", "Selector": "app=web"}, "ok",
    ),
    "nodes": (
        {"kind": "Node", "metadata": META, "spec": {"unschedulable": True}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
         "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}], "allocatable": {"cpu": "4"}}},
        {"Status": "Ready,Cordoned", "Internal-IP": "127.0.0.1", "CPU": "4", "Memory": "-"}, "pending",
    ),
    "namespaces": ({"kind": "Namespace", "metadata": META, "status": {"phase": "Active"}}, {"Status": "Active"}, "ok"),
    "events": (
        {"kind": "Event", "metadata": META, "type": "Warning", "reason": "BackOff", "message": "a\nb", "count": 3,
         "lastTimestamp": "2023-11-14T22:12:20Z", "involvedObject": {"kind": "Pod", "name": "web"}},
        {"Last seen": "60s", "Object": "pod/web", "Message": "a b", "Count": "3"}, "pending",
    ),
    "endpoints": (
        {"kind": "Endpoints", "metadata": META, "subsets": [{"notReadyAddresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
        {"Ready": "0/1", "Endpoints": "-"}, "error",
    ),
    "endpointslices.discovery.k8s.io": (
        {"kind": "EndpointSlice", "metadata": META | {"labels": {"kubernetes.io/service-name": "shop"}}, "addressType": "IPv4",
         "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "conditions": {"ready": False}}]},
        {"Ready": "1/2", "Service": "shop", "Ports": "80/TCP", "Addresses": "10.0.0.1,10.0.0.2"}, "ok",
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", SAMPLES)
def test_cells_and_role(key: str) -> None:
    obj, cells, role = SAMPLES[key]
    view = next(view for view in VIEWS if view.resource.key == key)()
    shown = dict(zip([column.name for column in view.columns], view.cells(obj, NOW), strict=True))
    assert {name: shown[name] for name in cells} == cells
    assert view.role(obj, NOW) == role


@pytest.mark.parametrize("view", [*(view() for view in VIEWS), *(GenericView(resource) for resource in RESOURCES)])
def test_a_bare_object_has_all_cells_and_comparable_keys(view: View) -> None:
    bare: Obj = {"kind": view.resource.kind, "metadata": {"name": "x", "uid": "u"}}
    full = SAMPLES[view.resource.key][0] if view.resource.key in SAMPLES else bare
    assert all(isinstance(cell, str) for cell in view.cells(bare, NOW))
    for column in view.columns:
        if column.key:
            assert len(sorted((column.key(bare), column.key(full)))) == 2
    assert view.role(bare, NOW)


def test_a_kind_without_a_view_gets_the_columns_of_kubectl() -> None:
    unknown = Resource("example.com", "v1", "Widget", "widgets", "widget")
    assert [column.name for column in view_for(unknown).columns] == ["Name", "Age"]
    assert isinstance(view_for(PodsView.resource), PodsView)


def test_pod_roles() -> None:
    view = PodsView()
    done, going = pod(1), pod(2)
    done["status"] = {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
    }
    going["metadata"]["deletionTimestamp"] = "2023-11-14T22:13:00Z"
    roles = [
        view.role(one, NOW) for one in (done, going, pod(3), pod(4, "ContainerCreating"), pod(5, "CrashLoopBackOff"))
    ]
    assert roles == ["completed", "terminating", "ok", "pending", "error"]
