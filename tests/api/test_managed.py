"""Server-side apply and the ownership of fields."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k9lite.api.catalog import DEPLOYMENTS, PODS, SERVICES
from k9lite.api.errors import ApiError
from k9lite.api.fieldsets import (
    changed,
    difference,
    dotted,
    fields_v1_of,
    from_fields_v1,
    leaves_of,
    merge,
    to_fields_v1,
    with_structs,
    without,
)
from k9lite.api.managed import ANCIENT, Managers, apply, apply_new, track_create, track_update
from k9lite.api.objects import Obj, copy_of
from k9lite.api.resources import Resource
from k9lite.api.shapes import FREE, _of_type, shape_of
from k9lite.api.types import type_of
from k9lite.api.writer import Writer
from tests.support.generated import objects
from tests.support.objects import deployment

slow = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
T1, T2 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def config(**spec: Any) -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def template(*containers: Obj) -> Obj:
    return {"spec": {"containers": list(containers)}}


def owners(obj: Obj) -> dict[str, set[str]]:
    """{manager and operation: the fields, as errors write them}."""
    found = Managers.of(obj).owned
    return {f"{key.manager} {key.operation}": {dotted(path) for path in owned.paths} for key, owned in found.items()}


def applied(
    live: Obj, wanted: Obj, manager: str = "a", *, force: bool = False, resource: Resource = DEPLOYMENTS
) -> Obj:
    return apply(resource, deepcopy(wanted), live, Writer(manager, applies=True, force=force), T2)


def created(wanted: Obj, manager: str = "a", resource: Resource = DEPLOYMENTS) -> Obj:
    return apply_new(resource, deepcopy(wanted), Writer(manager, applies=True), T1)


def test_what_is_applied_is_owned_in_upstreams_form() -> None:
    made = created(config(replicas=1, template=template({"name": "c", "image": "i", "ports": [{"containerPort": 80}]})))
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "a", "operation": "Apply", "apiVersion": "apps/v1", "time": T1, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"c"}': {
                ".": {}, "f:image": {}, "f:name": {},
                "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
            }}}}}},
        }
    ]  # fmt: skip


def test_a_change_of_ones_own_is_no_conflict_and_what_is_left_out_goes() -> None:
    live = created(
        config(replicas=1, paused=True, template=template({"name": "c", "image": "1"}, {"name": "d", "image": "1"}))
    )
    live["spec"]["revisionHistoryLimit"] = 10  # as defaults set it: nobody's
    made = applied(live, config(replicas=2, template=template({"name": "c", "image": "2"})))
    assert made["spec"] == {
        "replicas": 2,
        "revisionHistoryLimit": 10,
        "template": template({"name": "c", "image": "2"}),
    }
    assert "paused" not in str(owners(made))


def test_what_somebody_else_changed_is_a_conflict_unless_the_value_is_the_same() -> None:
    live = created(config(replicas=1))
    scaled = deepcopy(live)
    scaled["spec"]["replicas"] = 5
    track_update(DEPLOYMENTS, scaled, live, Writer("kubectl", subresource="scale"), T1)
    assert owners(scaled) == {"kubectl Update": {".spec.replicas"}}
    with pytest.raises(ApiError) as caught:
        applied(scaled, config(replicas=2))
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
    )
    assert caught.value.causes == [
        {"reason": "FieldManagerConflict", "field": ".spec.replicas",
         "message": 'conflict with "kubectl" with subresource "scale" using apps/v1'}
    ]  # fmt: skip
    assert applied(scaled, config(replicas=5))["spec"]["replicas"] == 5
    forced = applied(scaled, config(replicas=2), force=True)
    assert (forced["spec"]["replicas"], owners(forced)) == (2, {"a Apply": {".spec.replicas"}})


def test_several_conflicts_are_listed_by_manager() -> None:
    live = applied(created(config(replicas=1), "b"), config(paused=True), "c")
    with pytest.raises(ApiError) as caught:
        applied(live, config(replicas=2, paused=False))
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "b":\n- .spec.replicas\nconflicts with "c":\n- .spec.paused'
    )


def test_appliers_share_a_field_until_the_last_one_leaves_it_out() -> None:
    live = created(config(replicas=1, paused=True))
    live = applied(live, config(replicas=1), "b")
    live = applied(live, config(paused=True))
    assert live["spec"] == {"replicas": 1, "paused": True}
    assert owners(live) == {"a Apply": {".spec.paused"}, "b Apply": {".spec.replicas"}}
    assert applied(live, config(paused=True), "b")["spec"] == {"paused": True}


def test_items_of_other_appliers_stay_and_keep_their_place() -> None:
    live = created(config(template=template({"name": "c", "image": "1"}, {"name": "d", "image": "1"})))
    live = applied(live, config(template=template({"name": "side", "image": "s"})), "mesh")
    live = applied(live, config(template=template({"name": "d", "image": "2"}, {"name": "c", "image": "1"})))
    assert [item["name"] for item in live["spec"]["template"]["spec"]["containers"]] == ["d", "side", "c"]
    live = applied(live, config(template=template({"name": "c", "image": "1"})))
    assert [item["name"] for item in live["spec"]["template"]["spec"]["containers"]] == ["side", "c"]


def test_atomic_parts_are_one_leaf() -> None:
    wanted = config(selector={"matchLabels": {"a": "b"}})
    live = created(wanted)
    assert owners(live) == {"a Apply": {".spec.selector"}}
    with pytest.raises(ApiError, match=r"\.spec\.selector$"):
        applied(live, config(selector={"matchLabels": {"a": "c"}}), "b")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"nodeSelector": {"x": "y"}, "tolerations": [{"key": "k"}]},
    }
    assert owners(created(pod, resource=PODS)) == {"a Apply": {".spec.nodeSelector", ".spec.tolerations"}}


def test_the_last_field_takes_its_structs_and_their_defaults_along() -> None:
    probe = {"httpGet": {"port": 80}}
    live = created(config(template=template({"name": "c", "livenessProbe": probe})))
    live["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] |= {"periodSeconds": 10}
    made = applied(live, config(template=template({"name": "c"})))
    assert made["spec"]["template"]["spec"]["containers"] == [{"name": "c"}]


def test_labels_annotations_and_finalizers() -> None:
    wanted = config() | {"metadata": {"name": "web", "labels": {"a": "1"}, "finalizers": ["x.io/a"]}}
    live = created(wanted)
    assert owners(live) == {"a Apply": {".metadata.labels.a", '.metadata.finalizers[="x.io/a"]', ".spec"}}
    live = applied(live, config() | {"metadata": {"name": "web", "labels": {"b": "2"}, "finalizers": ["x.io/b"]}}, "b")
    assert live["metadata"]["labels"] == {"a": "1", "b": "2"}
    assert live["metadata"]["finalizers"] == ["x.io/a", "x.io/b"]
    live = applied(live, config())
    assert (live["metadata"]["labels"], live["metadata"]["finalizers"]) == ({"b": "2"}, ["x.io/b"])
    live = applied(live, config(), "b")
    assert live["metadata"].keys() & {"name", "labels", "finalizers"} == {"name"}


def test_service_ports_are_told_apart_by_port_and_protocol() -> None:
    def service(*ports: Obj) -> Obj:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": list(ports)}}

    live = created(service({"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "name": "t"}), resource=SERVICES)
    live["spec"]["ports"][1]["protocol"] = "TCP"  # the default
    wanted = service({"port": 53, "name": "tt"}, {"port": 53, "protocol": "UDP", "name": "u"})
    made = applied(live, wanted, resource=SERVICES)
    assert made["spec"]["ports"] == [
        {"port": 53, "name": "tt", "protocol": "TCP"},
        {"port": 53, "protocol": "UDP", "name": "u"},
    ]
    for ports, words in (
        ([{"name": "x"}], 'omits key field "port"'),
        ([{"port": 1}, {"port": 1}], "duplicate entries"),
    ):
        with pytest.raises(ApiError, match=words):
            applied(live, service(*ports), resource=SERVICES)


def test_objects_without_owners_belong_to_before_first_apply() -> None:
    live = deployment(replicas=1)
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using apps/v1: .spec.replicas'):
        applied(live, config(replicas=2))
    made = applied(live, config(replicas=1))
    assert set(owners(made)) == {"a Apply", "before-first-apply Update"}


def test_other_writes_own_what_they_change_and_take_it_from_others() -> None:
    live = created(config(replicas=1, paused=True))
    changed = copy_of(live)
    changed["spec"] |= {"replicas": 3, "minReadySeconds": 5}
    del changed["spec"]["paused"]
    track_update(DEPLOYMENTS, changed, live, Writer("kubectl-edit"), T2)
    assert owners(changed) == {"kubectl-edit Update": {".spec.replicas", ".spec.minReadySeconds"}}
    same = copy_of(changed)
    track_update(DEPLOYMENTS, same, changed, Writer("another"), T2)
    assert same == changed


def test_status_is_owned_through_its_subresource_alone() -> None:
    live = deployment() | {"status": {"replicas": 1}}
    track_create(DEPLOYMENTS, live, Writer("kubectl-create"), T1)
    assert not any(path.startswith(".status") for path in owners(live)["kubectl-create Update"])
    changed = copy_of(live)
    changed["status"] = {"replicas": 2}
    track_update(DEPLOYMENTS, changed, live, Writer("controller", subresource="status"), T2)
    assert owners(changed)["controller Update"] == {".status.replicas"}
    assert changed["metadata"]["managedFields"][1]["subresource"] == "status"


def test_objects_of_the_control_plane_are_not_tracked_by_changes() -> None:
    live = deployment()
    changed = copy_of(live)
    changed["metadata"]["labels"] = {"a": "b"}
    track_update(DEPLOYMENTS, changed, live, Writer("kubectl-label"), T2)
    assert "managedFields" not in changed["metadata"]


def test_clients_may_rewrite_and_forget_the_entries() -> None:
    live = created(config(replicas=1))
    entry = live["metadata"]["managedFields"][0]
    for entries, left in (
        ([{}], []),
        ([], [entry]),
        ("", [entry]),
        ([{"manager": 5}], [entry]),
        ([entry | {"manager": "b"}], [entry | {"manager": "b"}]),
    ):
        changed = copy_of(live)
        changed["metadata"]["managedFields"] = entries
        track_update(DEPLOYMENTS, changed, live, Writer("x"), T2)
        assert changed["metadata"].get("managedFields", []) == left


def test_of_many_updaters_the_oldest_become_one() -> None:
    live = created(config(replicas=0))
    for number in range(1, 15):
        changed = copy_of(live)
        changed["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        track_update(DEPLOYMENTS, changed, live, Writer(f"m{number}"), f"2026-01-{number:02}T00:00:00Z")
        live = changed
    found = owners(live)
    assert len([key for key in found if key.endswith("Update")]) == 10
    assert found[f"{ANCIENT} Update"] == {f".metadata.labels.l{number}" for number in range(1, 6)}
    assert "a Apply" in found


@slow
@given(objects(depth=6))
def test_sets_survive_their_written_form(obj: dict[str, Any]) -> None:
    type_name = type_of(obj["apiVersion"], obj["kind"])
    assert type_name
    for shape in (_of_type(type_name), FREE):
        paths = set(leaves_of(obj, shape))
        assert from_fields_v1(to_fields_v1(paths)) == paths
        assert from_fields_v1(fields_v1_of(obj, shape)) == paths
        assert difference(obj, obj, shape) == (set(), set())
        assert difference({}, obj, shape) == (paths, set())
        assert difference(obj, {}, shape) == (set(), paths)
        assert merge(None, obj, FREE) == obj
        assert without(obj, shape, set()) == obj
        rest = leaves_of(without(obj, shape, with_structs(paths)), shape)
        assert not rest.keys() & paths


@slow
@given(objects(depth=4), objects(depth=4))
def test_a_difference_is_the_difference_of_all_members(old: dict[str, Any], new: dict[str, Any]) -> None:
    new = new | {"spec": {**old.get("spec", {}), **new.get("spec", {})}}
    type_name = type_of(old["apiVersion"], old["kind"])
    assert type_name
    for shape in (_of_type(type_name), FREE):
        assert difference(old, new, shape) == changed(leaves_of(old, shape), leaves_of(new, shape))


@slow
@given(
    st.recursive(
        st.none() | st.text(max_size=3),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from([".", "f:a", "k:{}", "v:1", "x", ""]), below),
    )
)
def test_no_written_form_breaks_anything(fields: Any) -> None:
    paths = from_fields_v1(fields)
    assert from_fields_v1(to_fields_v1(paths)) == paths


@slow
@given(st.data())
def test_to_apply_again_changes_nothing(data: st.DataObject) -> None:
    """Any two appliers, in any order, forced: the second apply of the same is the same object."""
    labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3)
    containers = st.lists(st.sampled_from("cde"), unique=True, min_size=1)
    live: Obj | None = None
    for manager in data.draw(st.lists(st.sampled_from("xy"), min_size=1, max_size=5)):
        names = data.draw(containers)
        wanted = config(
            replicas=data.draw(st.integers(0, 2)),
            template=template(*({"name": n, "image": data.draw(st.sampled_from("12"))} for n in names)),
        )
        wanted["metadata"]["labels"] = data.draw(labels)
        live = created(wanted, manager) if live is None else applied(live, wanted, manager, force=True)
        assert applied(live, wanted, manager) == live
        assert live["metadata"]["labels"].items() >= wanted["metadata"]["labels"].items()
        assert [c["name"] for c in live["spec"]["template"]["spec"]["containers"] if c["name"] in names] == names
        owned: set[str] = set().union(*owners(live).values())
        assert {f".metadata.labels.{key}" for key in live["metadata"]["labels"]} <= owned, (
            "nothing is left that nobody owns"
        )


def test_custom_resources_by_their_schema() -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "rules": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
                  "items": {"type": "object", "properties": {"id": {"type": "string"}, "x": {"type": "integer"}}}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic"}, "plain": {"type": "array"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}}}  # fmt: skip
    resource = Resource("example.com", "v1", "Thing", "things", "thing", custom_schema=schema)
    thing = {
        "spec": {
            "rules": [{"id": "a", "x": 1}],
            "tags": ["t"],
            "whole": {"a": 1},
            "plain": [1],
            "free": {"a": {"b": [1]}},
        }
    }
    assert {dotted(path) for path in leaves_of(thing, shape_of(resource))} == {
        '.spec.rules[id="a"]', '.spec.rules[id="a"].id', '.spec.rules[id="a"].x', '.spec.tags[="t"]', ".spec.whole",
        ".spec.plain", ".spec.free.a", ".spec.free.a.b",
    }  # fmt: skip
