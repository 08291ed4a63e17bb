"""resourceVersion, lists, pages and watches (contract section 6.1)."""

from __future__ import annotations

from typing import Any

import pytest

from k9lite.api.errors import ApiError
from tests.apiserver.http import DEFAULT, PODS, REPLICASETS, SERVICES, Http, pod, service
from tests.support.objects import deployment

LIST_OPTIONS = 'ListOptions.meta.k8s.io "" is invalid: '
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


async def rv_of(http: Http) -> int:
    return int((await http.get(PODS))["metadata"]["resourceVersion"])


# Lists -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("resourceVersionMatch=Exact", 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, 'Forbidden: resourceVersionMatch "exact" is forbidden'),
        (
            "resourceVersionMatch=Some&resourceVersion=1",
            422,
            'Unsupported value: "Some": supported values: "", "Exact"',
        ),
        ("sendInitialEvents=true", 422, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ("resourceVersion=x", 400, "resourceVersion"),
        ("resourceVersion=99999", 504, "Too large resource version: 99999, current: "),
        ("limit=-5", 400, "limit"),
        ("continue=nonsense", 400, "continue key is not valid"),
        ("labelSelector=a%20b", 400, "unable to parse requirement: "),
        ("fieldSelector=spec.x%3D1", 400, "field label not supported: spec.x"),
    ],
)
async def test_bad_list_options_are_refused(http: Http, query: str, code: int, message: str) -> None:
    failure = await http.refused("GET", f"{PODS}?{query}")
    assert failure["code"] == code
    assert message in failure["message"]
    if code == 422:
        assert failure["message"].startswith(LIST_OPTIONS)
        assert failure["details"]["causes"]


async def test_a_version_that_is_yet_to_come_names_its_cause(http: Http) -> None:
    for path in (PODS, f"{SERVICES}/kubernetes"):
        failure = await http.refused("GET", f"{path}?resourceVersion=99999")
        assert failure["reason"] == "Timeout"
        assert failure["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_any_and_not_older_than_answer_with_the_newest(http: Http) -> None:
    await http.create(PODS, pod("a"))
    before = await rv_of(http)
    await http.create(PODS, pod("b"))
    for query in ("", "?resourceVersion=0", f"?resourceVersion={before}",
                  f"?resourceVersion={before}&resourceVersionMatch=NotOlderThan"):  # fmt: skip
        assert await http.names(PODS + query) == ["a", "b"]


async def test_exact_is_the_state_of_then(http: Http) -> None:
    await http.create(PODS, pod("kept"))
    await http.create(PODS, pod("removed"))
    await http.create(PODS, pod("changed", at="first"))
    then = await rv_of(http)
    await http.call("DELETE", f"{PODS}/removed")
    await http.patch(f"{PODS}/changed", {"metadata": {"labels": {"at": "second"}}})
    await http.patch(f"{PODS}/changed", {"metadata": {"labels": {"at": "third"}}})
    await http.create(PODS, pod("added"))
    await http.create(PODS, pod("removed"))
    for query in ("resourceVersionMatch=Exact", "limit=10"):
        found = await http.get(f"{PODS}?resourceVersion={then}&{query}")
        assert found["metadata"] == {"resourceVersion": str(then)}
        assert [item["metadata"]["name"] for item in found["items"]] == ["changed", "kept", "removed"]
        assert found["items"][0]["metadata"]["labels"] == {"at": "first"}
    assert await http.names(PODS) == ["added", "changed", "kept", "removed"]


async def test_pages_belong_to_one_snapshot(http: Http) -> None:
    for name in "bdfh":
        await http.create(PODS, pod(name))
    first = await http.get(f"{PODS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 2
    for name in "ceg":
        await http.create(PODS, pod(name))
    await http.call("DELETE", f"{PODS}/h")
    second = await http.get(f"{PODS}?limit=1&continue={first['metadata']['continue']}")
    third = await http.get(f"{PODS}?limit=5&continue={second['metadata']['continue']}")
    pages = (first, second, third)
    assert [item["metadata"]["name"] for page in pages for item in page["items"]] == ["b", "d", "f", "h"]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1
    assert "continue" not in third["metadata"]


async def test_pages_go_on_over_namespaces_and_through_tables(http: Http) -> None:
    await http.create("/api/v1/namespaces", {"metadata": {"name": "another"}})
    for space in ("default", "another"):
        await http.create(f"/api/v1/namespaces/{space}/pods", pod("p"))
    first = await http.get("/api/v1/pods?limit=1", TABLE)
    assert first["metadata"]["remainingItemCount"] == 1
    second = await http.get(f"/api/v1/pods?continue={first['metadata']['continue']}", TABLE)
    spaces = [row["object"]["metadata"]["namespace"] for page in (first, second) for row in page["rows"]]
    assert spaces == ["another", "default"]


async def test_what_is_left_is_not_counted_where_a_selector_chooses(http: Http) -> None:
    for name in "abc":
        await http.create(PODS, pod(name, app="x"))
    page = await http.get(f"{PODS}?limit=1&labelSelector=app%3Dx")
    assert set(page["metadata"]) == {"resourceVersion", "continue"}
    rest = f"{PODS}?labelSelector=app%3Dx&continue={page['metadata']['continue']}"
    assert await http.names(rest) == ["b", "c"]


async def test_continue_goes_with_no_other_version(http: Http) -> None:
    for name in "ab":
        await http.create(PODS, pod(name))
    token = (await http.get(f"{PODS}?limit=1"))["metadata"]["continue"]
    failure = await http.refused("GET", f"{PODS}?continue={token}&resourceVersion=1&resourceVersionMatch=Exact")
    assert "resourceVersionMatch is forbidden when continue is provided" in failure["message"]
    failure = await http.refused("GET", f"{PODS}?continue={token}&resourceVersion=1")
    assert failure["message"] == "specifying resource version is not allowed when using continue"


async def test_a_page_whose_snapshot_is_gone_says_how_to_go_on(http: Http) -> None:
    for name in "abc":
        await http.create(PODS, pod(name))
    first = await http.get(f"{PODS}?limit=1")
    then = first["metadata"]["resourceVersion"]
    http.registry.store._history = (-1, 0)  # everything is too old
    await http.create(PODS, pod("bb"))
    await http.registry.store.trim()
    expired = await http.refused("GET", f"{PODS}?limit=1&continue={first['metadata']['continue']}")
    assert (expired["code"], expired["reason"]) == (410, "Expired")
    assert expired["message"].startswith("The provided continue parameter is too old to display a consistent list")
    assert await http.names(f"{PODS}?continue={expired['metadata']['continue']}") == ["b", "bb", "c"]
    exact = await http.refused("GET", f"{PODS}?resourceVersion={then}&resourceVersionMatch=Exact")
    assert (exact["code"], exact["reason"]) == (410, "Expired")


async def test_metadata_alone_can_be_asked_for(http: Http) -> None:
    await http.create(PODS, pod("p", app="x"))
    one = await http.get(f"{PODS}/p", PARTIAL)
    assert (one["kind"], one["apiVersion"], one["metadata"]["labels"]) == (
        "PartialObjectMetadata", "meta.k8s.io/v1", {"app": "x"},
    )  # fmt: skip
    assert "spec" not in one
    many = await http.get(PODS, PARTIAL.replace("Metadata;", "MetadataList;"))
    assert (many["kind"], many["items"]) == ("PartialObjectMetadataList", [one])


@pytest.mark.parametrize(
    "accept", ["text/html", "application/json;as=Table;v=v1beta1;g=meta.k8s.io", "application/xml"]
)
async def test_what_cannot_be_accepted_is_refused(http: Http, accept: str) -> None:
    status, failure = await http.call("GET", PODS, accept=accept)
    assert (status, failure["reason"]) == (406, "NotAcceptable")
    assert failure["message"].startswith("only the following media types are accepted: application/json")


async def test_the_first_acceptable_clause_decides(http: Http) -> None:
    for accept, kind in (
        ("application/vnd.kubernetes.protobuf, */*", "PodList"),
        ("application/vnd.kubernetes.protobuf,application/json", "PodList"),
        ("text/html, application/json", "PodList"),
        (f"application/json;as=Table;v=v1beta1;g=meta.k8s.io,{TABLE}", "Table"),
        ("", "PodList"),
    ):
        assert (await http.get(PODS, accept))["kind"] == kind, accept


# Field selectors -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "selector"),
    [
        (PODS, "metadata.name=it"),
        (PODS, "metadata.namespace=default"),
        (PODS, "spec.nodeName="),
        (PODS, "spec.restartPolicy=Always,spec.schedulerName=default-scheduler"),
        (PODS, "spec.serviceAccountName==default"),
        (PODS, "spec.hostNetwork=false"),
        (PODS, "status.phase=Pending"),
        (PODS, "status.podIP=,status.podIPs=,status.nominatedNodeName="),
        (PODS, "status.phase!=Succeeded,status.phase!=Failed"),
        (SERVICES, "spec.type=ClusterIP,spec.clusterIP!=None"),
        (REPLICASETS, "status.replicas=0"),
        ("/api/v1/nodes", "spec.unschedulable=false"),
    ],
)
async def test_every_field_that_can_be_selected_by(http: Http, path: str, selector: str) -> None:
    bodies: dict[str, Any] = {
        PODS: pod("it"), SERVICES: service("it"), "/api/v1/nodes": {"metadata": {"name": "it"}},
        REPLICASETS: deployment("it") | {"kind": "ReplicaSet"},
    }  # fmt: skip
    await http.create(path, bodies[path])
    chosen = selector.replace("=", "%3D").replace("!", "%21")
    assert "it" in await http.names(f"{path}?fieldSelector={chosen}")
    first = selector.split(",")[0]
    contrary = first.replace("!=", "=") if "!=" in first else first.replace("==", "=").replace("=", "!=")
    assert "it" not in await http.names(f"{path}?fieldSelector={contrary.replace('=', '%3D')}")


async def test_namespaces_are_selected_by_phase(http: Http) -> None:
    assert "default" in await http.names("/api/v1/namespaces?fieldSelector=status.phase%3DActive")
    assert not await http.names("/api/v1/namespaces?fieldSelector=status.phase%3DTerminating")
    failure = await http.refused("GET", "/api/v1/namespaces?fieldSelector=metadata.namespace%3Dx")
    assert failure["message"] == "field label not supported: metadata.namespace"


# Watches ---------------------------------------------------------------------------------------------
async def test_a_watch_begins_with_what_there_is_in_the_order_of_its_versions(http: Http) -> None:
    for name in "cab":
        await http.create(PODS, pod(name))
    for version in ({}, {"resourceVersion": ""}, {"resourceVersion": 0}):
        async with http.watch(PODS, **version) as events:
            assert await events.take(3) == [("ADDED", "c"), ("ADDED", "a"), ("ADDED", "b")]
            made = await http.create(PODS, pod("d"))
            event = await events.next()
            assert (event["type"], event["object"]) == ("ADDED", made)
        await http.call("DELETE", f"{PODS}/d")


async def test_a_watch_resumes_without_gap_or_repeat(http: Http) -> None:
    await http.create(PODS, pod("a"))
    since = await rv_of(http)
    await http.create(PODS, pod("b"))
    await http.patch(f"{PODS}/b", {"metadata": {"labels": {"x": "1"}}})
    await http.call("DELETE", f"{PODS}/a")
    async with http.watch(PODS, resourceVersion=since) as events:
        assert await events.take(3) == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


async def test_a_watch_from_before_the_history_gets_an_error_event(http: Http) -> None:
    made = await http.create(PODS, pod("a"))
    http.registry.store._history = (-1, 0)
    await http.create(PODS, pod("b"))
    await http.registry.store.trim()
    async with http.watch(PODS, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        (event,) = await events.rest()
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert event["object"]["message"].startswith("too old resource version: ")
    assert not http.registry.store._watches


async def test_selectors_turn_changes_into_coming_and_going(http: Http) -> None:
    await http.create(PODS, pod("p", app="y"))
    async with http.watch(PODS, labelSelector="app in (x)") as events:
        for label in ("x", "y", "x"):
            await http.patch(f"{PODS}/p", {"metadata": {"labels": {"app": label}}})
        await http.patch(f"{PODS}/p", {"metadata": {"labels": {"more": "1"}}})
        await http.call("DELETE", f"{PODS}/p")
        seen = [await events.next() for _ in range(5)]
    assert [event["type"] for event in seen] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    assert seen[1]["object"]["metadata"]["labels"] == {"app": "x"}  # what it was when it still was in
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert seen[4]["object"]["metadata"]["labels"] == {"app": "x", "more": "1"}


async def test_field_selectors_do_so_too(http: Http) -> None:
    await http.create(PODS, pod("p"))
    async with http.watch(PODS, fieldSelector="spec.nodeName=n,metadata.name=p") as events:
        await http.create(f"{PODS}/p/binding", {"target": {"name": "n"}})
        await http.create(PODS, pod("other"))
        await http.call("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        assert await events.take(2) == [("ADDED", "p"), ("DELETED", "p")]


async def test_a_single_object_is_watched_under_its_own_path(http: Http) -> None:
    for name in "ab":
        await http.create(PODS, pod(name))
    async with http.watch(f"{PODS}/b") as events:
        assert await events.take(1) == [("ADDED", "b")]


WATCH_LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


async def test_a_watch_list_marks_the_end_of_its_beginning(http: Http) -> None:
    for name in "ab":
        await http.create(PODS, pod(name))
    for version in ({}, {"resourceVersion": 1}):
        async with http.watch(PODS, **WATCH_LIST, **version) as events:
            assert await events.take(2) == [("ADDED", "a"), ("ADDED", "b")]
            mark = await events.next()
            assert mark["type"] == "BOOKMARK"
            assert mark["object"] == {
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"resourceVersion": str(await rv_of(http)),
                             "annotations": {"k8s.io/initial-events-end": "true"}},
            }  # fmt: skip
            await http.create(PODS, pod("c"))
            assert await events.take(1) == [("ADDED", "c")]
        await http.call("DELETE", f"{PODS}/c")


async def test_initial_events_can_be_left_out(http: Http) -> None:
    await http.create(PODS, pod("a"))
    async with http.watch(PODS, **(WATCH_LIST | {"sendInitialEvents": "false"})) as events:
        await http.create(PODS, pod("b"))
        assert await events.take(1) == [("ADDED", "b")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ("sendInitialEvents=true&resourceVersionMatch=Exact", 'Unsupported value: "Exact"'),
        ("resourceVersionMatch=NotOlderThan", "is forbidden for watch unless sendInitialEvents is provided"),
    ],
)
async def test_bad_watch_options_are_refused(http: Http, query: str, message: str) -> None:
    failure = await http.refused("GET", f"{PODS}?watch=true&{query}")
    assert failure["code"] == 422
    assert failure["message"].startswith(LIST_OPTIONS)
    assert message in failure["message"]


async def test_a_watch_ends_in_time_and_with_a_bookmark_for_who_asks(http: Http) -> None:
    await http.create(PODS, pod("a", app="x"))
    async with http.watch(PODS, timeoutSeconds=1, allowWatchBookmarks="true", labelSelector="app=x") as events:
        await http.create(PODS, pod("b", app="y"))
        seen = await events.rest()
    assert [event["type"] for event in seen] == ["ADDED", "BOOKMARK"]
    assert seen[-1]["object"]["metadata"]["resourceVersion"] == str(await rv_of(http))
    async with http.watch(PODS, timeoutSeconds=1) as events:
        assert [event["type"] for event in await events.rest()] == ["ADDED", "ADDED"]


async def test_a_slow_watcher_is_told_to_list_again(http: Http) -> None:
    watch = http.registry.store.watch("pods", max_pending=1)
    for name in "abc":
        await http.create(PODS, pod(name))
    with pytest.raises(ApiError) as raised:
        await anext(watch)
    assert raised.value.code == 410
    watch.close()


async def test_unchanged_writes_give_no_event(http: Http) -> None:
    made = await http.create(PODS, pod("p", app="x"))
    async with http.watch(PODS, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        assert await http.patch(f"{PODS}/p", {"metadata": {"labels": {"app": "x"}}}) == made
        assert (await http.call("PUT", f"{PODS}/p", made))[1] == made
        await http.create(f"{DEFAULT}/pods", pod("q"))
        assert await events.take(1) == [("ADDED", "q")]
