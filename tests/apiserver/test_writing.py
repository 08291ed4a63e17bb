"""Create, update, patch and delete: what is refused, kept, dry-run or held (contract sections 6.2 and 6.5)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from k9lite.api import meta
from tests.apiserver.http import DEFAULT, MERGE, PODS, SERVICES, Http, pod, service
from tests.support.objects import deployment

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
JSON_PATCH = "application/json-patch+json"
FINALIZER = ["example.com/hold"]


async def version(http: Http) -> int:
    return http.registry.store.rv


# Create ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (deployment("x"), 400, "the object provided is unrecognized"),
        (pod("x") | {"kind": "Pod", "apiVersion": "v2"}, 400,
         "the API version in the data (v2) does not match the expected API version (v1)"),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400,
         "the namespace of the provided object does not match the namespace sent on the request"),
        ({"metadata": {"name": "x", "resourceVersion": "5"}}, 400,
         "resourceVersion should not be set on objects to be created"),
        ({"spec": {}}, 422, 'Pod "" is invalid: metadata.name: Required value: name or generateName is required'),
        ({"metadata": {"name": "Bad_Name"}}, 422, 'Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"'),
    ],
)  # fmt: skip
async def test_what_cannot_be_created(http: Http, body: Any, code: int, message: str) -> None:
    failure = await http.refused("POST", PODS, body)
    assert failure["code"] == code
    assert failure["message"].startswith(message)
    assert await http.names(PODS) == []


async def test_the_server_owns_part_of_metadata_and_the_status(http: Http) -> None:
    forged = {"uid": "u", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7, "selfLink": "/x",
              "deletionTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}  # fmt: skip
    body = deployment("web")
    body["metadata"] |= forged
    body["status"] = {"replicas": 9}
    made = await http.create(DEPLOYMENTS, body)
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["uid"] != "u"
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    assert not {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"} & set(made["metadata"])
    assert made["status"] == {}


async def test_names_are_generated_and_tried_again(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "n" * 70
    made = await http.create(PODS, {"metadata": {"generateName": base}, "spec": pod("x")["spec"]})
    assert re.fullmatch("n{58}[bcdfghjklmnpqrstvwxz2456789]{5}", made["metadata"]["name"])
    choices = iter([list("aaaaa"), list("aaaaa"), list("bbbbb")])
    monkeypatch.setattr(meta.random, "choices", lambda *_, **__: next(choices))  # type: ignore[attr-defined]
    for suffix in ("aaaaa", "bbbbb"):
        made = await http.create(PODS, {"metadata": {"generateName": "p-"}, "spec": pod("x")["spec"]})
        assert made["metadata"]["name"] == "p-" + suffix


async def test_nothing_is_created_where_no_namespace_is(http: Http) -> None:
    failure = await http.refused("POST", "/api/v1/namespaces/absent/pods", pod("p"))
    assert failure["message"] == 'namespaces "absent" not found'
    assert failure["details"] == {"name": "absent", "kind": "namespaces"}


async def test_a_namespace_that_ends_takes_nothing_more(http: Http) -> None:
    await http.create("/api/v1/namespaces", {"metadata": {"name": "ending"}})
    status, ending = await http.call("DELETE", "/api/v1/namespaces/ending")
    assert (status, ending["status"]["phase"]) == (200, "Terminating")
    assert ending["spec"]["finalizers"] == ["kubernetes"]
    failure = await http.refused("POST", "/api/v1/namespaces/ending/pods", pod("q"))
    assert failure["message"] == (
        'pods "q" is forbidden: unable to create new content in namespace ending because it is being terminated'
    )
    assert failure["details"]["causes"][0]["reason"] == "NamespaceTerminating"


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_some_namespaces_stay(http: Http, name: str) -> None:
    assert (await http.refused("DELETE", f"/api/v1/namespaces/{name}"))["code"] == 403


# Dry run ---------------------------------------------------------------------------------------------
async def test_a_dry_run_answers_and_stores_nothing(http: Http) -> None:
    kept = await http.create(PODS, pod("kept"))
    await http.create(SERVICES, service("held", finalizers=FINALIZER))
    await http.create(DEPLOYMENTS, deployment("web"))
    before, dry = await version(http), "dryRun=All"
    status, made = await http.call("POST", f"{PODS}?{dry}", pod("new"))
    assert (status, made["status"]["phase"]) == (201, "Pending")
    assert made["metadata"]["uid"]
    changed = kept | {"metadata": kept["metadata"] | {"labels": {"a": "b"}}}
    for method, path, body, content_type in (
        ("PUT", f"{PODS}/kept?{dry}", changed, "application/json"),
        ("PATCH", f"{PODS}/kept?{dry}", {"metadata": {"labels": {"a": "b"}}}, MERGE),
    ):
        status, answer = await http.call(method, path, body, content_type)
        assert (status, answer["metadata"]["labels"]) == (200, {"a": "b"})
    for path in (f"{PODS}/kept?{dry}", f"{SERVICES}/held?{dry}", f"{PODS}?{dry}", f"{DEFAULT}/services?{dry}"):
        assert (await http.call("DELETE", path))[0] == 200
        assert (await http.call("DELETE", path.split("?")[0], {"dryRun": ["All"]}))[0] == 200
    status, held = await http.call("DELETE", f"{SERVICES}/held?{dry}")
    assert held["metadata"]["deletionTimestamp"]
    status, scale = await http.call("PATCH", f"{DEPLOYMENTS}/web/scale?{dry}", {"spec": {"replicas": 3}}, MERGE)
    assert (status, scale["spec"]["replicas"]) == (200, 3)
    assert (await http.call("PUT", f"{DEPLOYMENTS}/web/scale?{dry}", {"spec": {"replicas": 3}}))[0] == 200
    assert (await http.call("PUT", f"{PODS}/kept/status?{dry}", kept | {"status": {"phase": "Failed"}}))[0] == 200
    assert (await http.call("POST", f"{PODS}/kept/binding?{dry}", {"target": {"name": "n"}}))[0] == 201
    assert (await http.call("POST", f"{PODS}/kept/eviction?{dry}", {"metadata": {"name": "kept"}}))[0] == 201
    await http.refused("POST", f"{PODS}?{dry}", pod("kept"))
    finalized: Any = {"spec": {"finalizers": []}}
    assert (await http.call("PUT", f"/api/v1/namespaces/kube-node-lease/finalize?{dry}", finalized))[0] == 200
    assert await version(http) == before


async def test_a_dry_run_of_another_kind_is_refused(http: Http) -> None:
    for method, path in (("POST", PODS), ("PUT", f"{PODS}/p"), ("DELETE", f"{PODS}/p"), ("DELETE", PODS)):
        failure = await http.refused(method, f"{path}?dryRun=Some", pod("p") if method != "DELETE" else None)
        assert failure["code"] == 422
        assert 'supported values: "All"' in failure["message"]


# Update ----------------------------------------------------------------------------------------------
async def test_an_update_is_held_to_the_version_and_uid_it_names(http: Http) -> None:
    made = await http.create(SERVICES, service("s"))
    stale = {"name": "s", "resourceVersion": "1"}
    conflict = await http.refused("PUT", f"{SERVICES}/s", made | {"metadata": stale})
    assert conflict["message"] == (
        'Operation cannot be fulfilled on services "s": the object has been modified; please apply your changes to the '
        "latest version and try again"
    )
    assert conflict["details"] == {"name": "s", "kind": "services"}
    other = await http.refused("PUT", f"{SERVICES}/s", service("s", uid="another"))
    assert (other["code"], "Precondition failed: UID in precondition: another" in other["message"]) == (409, True)
    status, changed = await http.call("PUT", f"{SERVICES}/s", service("s", labels={"a": "b"}))
    assert (status, changed["metadata"]["labels"]) == (200, {"a": "b"})
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert (await http.refused("PUT", f"{SERVICES}/absent", service("absent")))["code"] == 404


async def test_the_url_names_the_object(http: Http) -> None:
    made = await http.create(SERVICES, service("s"))
    bare = {"spec": made["spec"], "metadata": {"labels": {"a": "b"}}}
    status, changed = await http.call("PUT", f"{SERVICES}/s", bare, "")
    assert (status, changed["metadata"]["name"], changed["metadata"]["namespace"]) == (200, "s", "default")
    for metadata in ({"name": "t"}, {"name": "s", "namespace": "other"}):
        assert (await http.refused("PUT", f"{SERVICES}/s", bare | {"metadata": metadata}))["code"] == 400


async def test_what_never_changes_and_what_is_ignored(http: Http) -> None:
    made = await http.create(DEPLOYMENTS, deployment("web"))
    body = deployment("web", replicas=3)
    body["metadata"] |= {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 77}
    body["status"] = {"replicas": 9}
    _, changed = await http.call("PUT", f"{DEPLOYMENTS}/web", body)
    assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert (changed["metadata"]["generation"], changed["status"]) == (2, {})
    body["spec"]["replicas"] = 8
    _, changed = await http.call("PUT", f"{DEPLOYMENTS}/web/status", body)
    assert changed["status"] == {"replicas": 9}
    assert (changed["spec"]["replicas"], changed["metadata"]["generation"]) == (3, 2)
    assert (await http.patch(f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}}))["metadata"]["generation"] == 2
    assert (await http.patch(f"{DEPLOYMENTS}/web", {"metadata": {"annotations": {"a": "b"}}}))["metadata"][
        "generation"
    ] == 3


async def test_patches_by_type(http: Http) -> None:
    made = await http.create(SERVICES, service("s", labels={"a": "b"}))
    path = f"{SERVICES}/s"
    merged = await http.patch(path, {"metadata": {"labels": {"a": None, "c": "d"}}})
    assert merged["metadata"]["labels"] == {"c": "d"}
    add = [{"op": "add", "path": "/metadata/labels/e", "value": "f"}]
    assert (await http.call("PATCH", path, add, JSON_PATCH))[1]["metadata"]["labels"] == {"c": "d", "e": "f"}
    for patch, content_type, code, message in (
        ([{"op": "test", "path": "/metadata/name", "value": "x"}], JSON_PATCH, 422, "the server rejected our request"),
        ([{"op": "remove", "path": "/metadata/nothing"}], JSON_PATCH, 422, "the server rejected our request"),
        ({}, JSON_PATCH, 400, "error decoding patch"),
        (b"[{", JSON_PATCH, 400, "error decoding patch"),
        ({"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}, MERGE, 409, "Operation cannot"),
        (b"x", "text/plain", 415, "the body of the request was in an unknown format - accepted media types include: "),
    ):
        failure = await http.refused("PATCH", path, patch, content_type)
        assert (failure["code"], failure["message"][: len(message)]) == (code, message)


# Delete ----------------------------------------------------------------------------------------------
async def test_a_finalizer_holds_and_the_last_one_frees(http: Http) -> None:
    await http.create(SERVICES, service("s", finalizers=[*FINALIZER, "example.com/too"]))
    path = f"{SERVICES}/s"
    async with http.watch(SERVICES, fieldSelector="metadata.name=s") as events:
        status, held = await http.call("DELETE", path)
        assert (status, held["metadata"]["finalizers"]) == (200, [*FINALIZER, "example.com/too"])
        again = (await http.call("DELETE", path))[1]
        assert again == held
        added = await http.refused("PATCH", path, {"metadata": {"finalizers": ["example.com/new"]}}, MERGE)
        assert "no new finalizers can be added if the object is being deleted" in added["message"]
        assert added["code"] == 422
        kept = await http.patch(path, {"metadata": {"finalizers": FINALIZER, "deletionTimestamp": None}})
        assert kept["metadata"]["deletionTimestamp"] == held["metadata"]["deletionTimestamp"]
        await http.patch(path, {"metadata": {"finalizers": None}})
        assert [kind for kind, _ in await events.take(4)] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert (await http.refused("GET", path))["code"] == 404


@pytest.mark.parametrize(
    ("options", "query", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, "", ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, "", ["orphan"]),
        ({"orphanDependents": True}, "", ["orphan"]),
        (None, "propagationPolicy=Foreground", ["foregroundDeletion"]),
        (None, "orphanDependents=true", ["orphan"]),
        ({"propagationPolicy": "Background"}, "", None),
        ({"orphanDependents": False}, "", None),
        (None, "", None),
    ],
)
async def test_how_dependents_are_dealt_with(http: Http, options: Any, query: str, finalizers: Any) -> None:
    await http.create(SERVICES, service("s"))
    status, answer = await http.call("DELETE", f"{SERVICES}/s?{query}", options)
    assert status == 200
    if finalizers:
        assert answer["metadata"]["finalizers"] == finalizers
        status, answer = await http.call("DELETE", f"{SERVICES}/s", {"propagationPolicy": "Background"})
    assert (status, answer["kind"], answer["metadata"]["name"]) == (200, "Service", "s")
    assert "s" not in await http.names(SERVICES)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
        ({"propagationPolicy": "Sideways"}, 422, 'Unsupported value: "Sideways"'),
        (
            {"preconditions": {"uid": "another"}},
            409,
            "Precondition failed: UID in precondition: another, UID in object",
        ),
        ({"preconditions": {"resourceVersion": "1"}}, 409, "Precondition failed: ResourceVersion in precondition: 1, "),
        ({"gracePeriodSeconds": "x"}, 400, "DeleteOptions"),
        ({"kind": "Pod"}, 400, "the body of a DELETE must be DeleteOptions, not Pod"),
        ([], 400, "DeleteOptions must be an object"),
    ],
)
async def test_what_a_delete_refuses(http: Http, options: Any, code: int, message: str) -> None:
    await http.create(SERVICES, service("s"))
    failure = await http.refused("DELETE", f"{SERVICES}/s", options)
    assert failure["code"] == code
    assert message in failure["message"]
    assert "s" in await http.names(SERVICES)


async def test_the_right_preconditions_let_it_go(http: Http) -> None:
    made = (await http.create(SERVICES, service("s")))["metadata"]
    preconditions = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    status, gone = await http.call("DELETE", f"{SERVICES}/s", {"preconditions": preconditions})
    assert (status, gone["metadata"]["uid"]) == (200, made["uid"])
    assert "s" not in await http.names(SERVICES)


async def test_bound_pods_go_gracefully_and_sooner_but_never_later(http: Http) -> None:
    await http.create(PODS, pod("p"))
    await http.create(f"{PODS}/p/binding", {"target": {"name": "n"}})
    for grace, kept in ((None, 30), (40, 30), (5, 5), (-3, 1)):
        _, ending = await http.call("DELETE", f"{PODS}/p", None if grace is None else {"gracePeriodSeconds": grace})
        assert ending["metadata"]["deletionGracePeriodSeconds"] == kept
    status, gone = await http.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
    assert (status, gone["kind"]) == (200, "Pod")
    assert await http.names(PODS) == []


async def test_a_collection_is_deleted_by_selector(http: Http) -> None:
    for name, label in (("a", "x"), ("b", "y"), ("c", "x")):
        await http.create(PODS, pod(name, app=label))
    status, gone = await http.call("DELETE", f"{PODS}?labelSelector=app%3Dx")
    assert (status, gone["kind"]) == (200, "PodList")
    assert await http.names(PODS) == ["b"]


# Paths and media -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "path", "code", "reason", "message"),
    [
        ("GET", "/api/v1/nonsense", 404, "NotFound", "the server could not find the requested resource"),
        ("GET", f"{PODS}/x", 404, "NotFound", 'pods "x" not found'),
        ("GET", f"{DEPLOYMENTS}/x", 404, "NotFound", 'deployments.apps "x" not found'),
        ("POST", f"{PODS}/x", 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        ("POST", "/api/v1/pods", 405, "MethodNotAllowed", "the server does not allow this method"),
        ("DELETE", "/api/v1/pods", 405, "MethodNotAllowed", "the server does not allow this method"),
        ("DELETE", "/api/v1/namespaces", 405, "MethodNotAllowed", "the server does not allow this method"),
        ("PUT", PODS, 405, "MethodNotAllowed", "the server does not allow this method"),
        ("PATCH", PODS, 405, "MethodNotAllowed", "the server does not allow this method"),
        ("OPTIONS", PODS, 405, "MethodNotAllowed", "the server does not allow this method"),
        ("DELETE", f"{PODS}/x/status", 405, "MethodNotAllowed", "the server does not allow this method"),
    ],
)  # fmt: skip
async def test_paths_and_methods_that_are_not_served(
    http: Http, method: str, path: str, code: int, reason: str, message: str
) -> None:
    failure = await http.refused(method, path)
    assert (failure["code"], failure["reason"]) == (code, reason)
    assert failure["message"].startswith(message)


async def test_slashes_at_the_end_do_no_harm(http: Http) -> None:
    for path in ("/api/", "/apis/", f"{PODS}/", f"{SERVICES}/kubernetes/", "/version/", "/api/v1/"):
        assert (await http.call("GET", path))[0] == 200


async def test_bodies_are_known_by_their_type_or_their_first_bytes(http: Http) -> None:
    yaml = b"metadata: {name: y}\nspec: {ports: [{port: 80}]}\n"
    for name, body, content_type in (
        ("j", b'\n {"metadata": {"name": "j"}, "spec": {"ports": [{"port": 80}]}}', ""),
        ("y", yaml, ""),
        ("z", yaml.replace(b"name: y", b"name: z"), "application/yaml"),
        ("q", yaml.replace(b"name: y", b"name: q"), "application/octet-stream"),
    ):
        status, made = await http.call("POST", SERVICES, body, content_type)
        assert (status, made["metadata"]["name"]) == (201, name)
    failure = await http.refused("POST", SERVICES, service("t"), "text/plain")
    assert (failure["code"], failure["reason"]) == (415, "UnsupportedMediaType")
    assert failure["message"].startswith("the body of the request was in an unknown format - accepted media types")
    failure = await http.refused("POST", SERVICES, b" " * (3 * 1024 * 1024 + 1))
    assert (failure["code"], failure["reason"]) == (413, "RequestEntityTooLarge")
    assert failure["message"].startswith("Request entity too large: limit is 3145728")
