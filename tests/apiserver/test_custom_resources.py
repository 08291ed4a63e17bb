"""CustomResourceDefinitions: what they add is served, checked, printed and gone again like everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from k9lite.api.patch import STRATEGIC
from tests.apiserver.http import Http
from tests.support.definitions import CRONTABS, DEFINITIONS, SCHEMA, crontab, definition, version
from tests.support.server import running_server

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
CRD = f"{DEFINITIONS}/crontabs.stable.example.com"


def conditions(obj: Any) -> dict[str, str]:
    return {each["type"]: each["status"] for each in obj["status"]["conditions"]}


async def test_a_definition_is_served_at_once(http: Http) -> None:
    assert (await http.refused("GET", CRONTABS))["code"] == 404
    made = await http.create(DEFINITIONS, definition())
    assert conditions(made) == {"NamesAccepted": "True", "Established": "True"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["listKind"] == "CronTabList"
    assert made["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    listed = await http.get(CRONTABS)
    assert (listed["kind"], listed["apiVersion"], listed["items"]) == ("CronTabList", "stable.example.com/v1", [])


async def test_discovery_follows(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    resources = (await http.get("/apis/stable.example.com/v1"))["resources"]
    assert {each["name"] for each in resources} == {"crontabs", "crontabs/status", "crontabs/scale"}
    crontabs = next(each for each in resources if each["name"] == "crontabs")
    assert (crontabs["shortNames"], crontabs["categories"], crontabs["namespaced"]) == (["cr"], ["all"], True)
    group = await http.get("/apis/stable.example.com")
    assert group["preferredVersion"] == {"groupVersion": "stable.example.com/v1", "version": "v1"}
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, text = await http.call("GET", "/apis", accept=accept)
    assert '"stable.example.com"' in text
    await http.patch(CRD, {"spec": {"versions": [version(served=False)]}})
    assert (await http.refused("GET", "/apis/stable.example.com/v1"))["code"] == 404
    assert (await http.refused("GET", CRONTABS))["code"] == 404


async def test_objects_live_as_others_do(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    made = await http.create(CRONTABS, crontab(replicas=2))
    assert made["spec"] == {"cronSpec": "* * * * */5", "image": "nginx", "replicas": 2}
    assert made["metadata"]["generation"] == 1
    async with http.watch(CRONTABS, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        changed = await http.patch(f"{CRONTABS}/tab", {"spec": {"replicas": 3}})
        assert changed["metadata"]["generation"] == 2
        labelled = await http.patch(f"{CRONTABS}/tab", {"metadata": {"labels": {"a": "b"}}})
        assert labelled["metadata"]["generation"] == 2
        assert await http.names(f"{CRONTABS}?labelSelector=a%3Db") == ["tab"]
        assert await http.names("/apis/stable.example.com/v1/crontabs") == ["tab"]
        step = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
        assert (await http.call("PATCH", f"{CRONTABS}/tab", step, "application/json-patch+json"))[0] == 200
        status, gone = await http.call("DELETE", f"{CRONTABS}/tab")
        assert (status, gone["details"]["group"]) == (200, "stable.example.com")
        assert [kind for kind, _ in await events.take(4)] == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"replicas": 15}, 'CronTab.stable.example.com "tab" is invalid: spec.replicas: Invalid value: 15: '
         "spec.replicas in body should be less than or equal to 10"),
        ({"image": "x"}, 'CronTab.stable.example.com "tab" is invalid: spec.image: Unsupported value: "x"'),
    ],
)  # fmt: skip
async def test_objects_are_held_to_the_schema(http: Http, spec: Any, message: str) -> None:
    await http.create(DEFINITIONS, definition())
    refused = await http.refused("POST", CRONTABS, crontab(**spec))
    assert (refused["code"], refused["reason"], refused["details"]["kind"]) == (422, "Invalid", "CronTab")
    assert refused["message"].startswith(message)
    await http.create(CRONTABS, crontab())
    for method, body, kind in (("PUT", crontab(**spec), "application/json"), ("PATCH", {"spec": spec}, "application/merge-patch+json")):  # fmt: skip
        assert (await http.refused(method, f"{CRONTABS}/tab", body, kind))["message"] == refused["message"]


async def test_metadata_is_held_to_its_types(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    for metadata in ({"name": "x", "labels": ["a"]}, {"name": 5}, {"name": "x", "annotations": {"a": 1}}):
        refused = await http.refused("POST", CRONTABS, crontab() | {"metadata": metadata})
        assert refused["code"] == 400, refused
    assert (await http.refused("POST", CRONTABS, crontab("Bad_Name")))["code"] == 422
    made = await http.create(CRONTABS, crontab() | {"metadata": {"name": "x", "nonsense": 1}})
    assert "nonsense" not in made["metadata"]


async def test_unknown_fields_are_pruned_or_refused(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    made = await http.create(f"{CRONTABS}?fieldValidation=Ignore", crontab(extra=1, anything={"kept": 1}))
    assert made["spec"]["anything"] == {"kept": 1}
    assert "extra" not in made["spec"]
    refused = await http.refused("POST", f"{CRONTABS}?fieldValidation=Strict", crontab("other", extra=1))
    assert refused["code"] == 400
    assert 'strict decoding error: unknown field "spec.extra"' in refused["message"]


async def test_strategic_patches_are_not_for_custom_resources(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    await http.create(CRONTABS, crontab())
    refused = await http.refused("PATCH", f"{CRONTABS}/tab", {"spec": {"replicas": 3}}, STRATEGIC)
    assert refused["code"] == 415
    assert refused["message"].startswith(
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, "
        "application/merge-patch+json"
    )


async def test_explanations_follow(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    address = (await http.get("/openapi/v3"))["paths"]["apis/stable.example.com/v1"]["serverRelativeURL"]
    schemas = (await http.get(address))["components"]["schemas"]
    assert schemas["com.example.stable.v1.CronTab"]["properties"]["spec"] == SCHEMA["properties"]["spec"]


async def test_columns_are_printed(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    await http.create(CRONTABS, crontab(replicas=2))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await http.patch(f"{CRONTABS}/tab/status", ready)
    table = await http.get(CRONTABS, TABLE)
    assert [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]] == [
        ("Name", "string", 0), ("Spec", "string", 0), ("Replicas", "integer", 0), ("Ready", "string", 0),
        ("Age", "date", 1),
    ]  # fmt: skip
    assert table["columnDefinitions"][1]["description"] == "The schedule"
    assert table["rows"][0]["cells"][:4] == ["tab", "* * * * */5", 2, "True"]
    await http.create(DEFINITIONS, definition("plains", "Plain", versions=[version(additionalPrinterColumns=None)]))
    plain = await http.get("/apis/stable.example.com/v1/plains", TABLE)
    assert [each["name"] for each in plain["columnDefinitions"]] == ["Name", "Age"]


async def test_status_is_apart(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    made = await http.create(CRONTABS, crontab() | {"status": {"replicas": "ignored, so not even checked"}})
    assert "status" not in made
    changed = await http.patch(f"{CRONTABS}/tab", {"status": {"replicas": 3}})
    assert "status" not in changed
    changed = await http.patch(f"{CRONTABS}/tab/status", {"status": {"replicas": 3}, "spec": {"replicas": 9}})
    assert (changed["status"], "replicas" in changed["spec"]) == ({"replicas": 3}, False)
    assert changed["metadata"]["generation"] == 1
    refused = await http.refused("PATCH", f"{CRONTABS}/tab/status", {"status": {"replicas": "x"}}, "application/merge-patch+json")  # fmt: skip
    assert refused["code"] == 422


async def test_without_a_status_subresource_status_is_content(http: Http) -> None:
    await http.create(DEFINITIONS, definition(versions=[version(subresources=None)]))
    made = await http.create(CRONTABS, crontab() | {"status": {"replicas": 1}})
    assert made["status"] == {"replicas": 1}
    changed = await http.patch(f"{CRONTABS}/tab", {"status": {"replicas": 2}})
    assert (changed["status"], changed["metadata"]["generation"]) == ({"replicas": 2}, 2)
    for subresource in ("status", "scale"):
        assert (await http.refused("GET", f"{CRONTABS}/tab/{subresource}"))["code"] == 404
    assert (await http.refused("PATCH", f"{CRONTABS}/tab", {"status": {"replicas": "x"}}, "application/merge-patch+json"))["code"] == 422  # fmt: skip


async def test_scale_reads_and_writes_where_the_definition_says(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    await http.create(CRONTABS, crontab(replicas=2))
    await http.patch(f"{CRONTABS}/tab/status", {"status": {"replicas": 1, "selector": "app=x"}})
    scale = await http.get(f"{CRONTABS}/tab/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 2},
        {"replicas": 1, "selector": "app=x"},
    )
    assert (await http.patch(f"{CRONTABS}/tab/scale", {"spec": {"replicas": 5}}))["spec"] == {"replicas": 5}
    scale["spec"]["replicas"] = 4
    del scale["metadata"]["resourceVersion"]
    assert (await http.call("PUT", f"{CRONTABS}/tab/scale", scale))[1]["spec"] == {"replicas": 4}
    assert (await http.get(f"{CRONTABS}/tab"))["spec"]["replicas"] == 4
    assert (await http.refused("PUT", f"{CRONTABS}/tab/scale", scale | {"spec": {"replicas": 11}}))["code"] == 422


async def test_several_versions_share_their_objects(http: Http) -> None:
    newer = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "cronSpec": {"type": "string"}, "added": {"type": "string"}}}}}  # fmt: skip
    versions = [version("v1beta1", storage=False), version("v1"),
                version("v2alpha1", storage=False, schema={"openAPIV3Schema": newer})]  # fmt: skip
    await http.create(DEFINITIONS, definition(versions=versions))
    group = await http.get("/apis/stable.example.com")
    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1", "v2alpha1"]
    beta = CRONTABS.replace("/v1/", "/v1beta1/")
    made = await http.create(beta, crontab() | {"apiVersion": "stable.example.com/v1beta1"})
    assert made["apiVersion"] == "stable.example.com/v1beta1"
    assert (await http.get(f"{CRONTABS}/tab"))["apiVersion"] == "stable.example.com/v1"
    listed = await http.get(beta)
    assert (listed["apiVersion"], listed["items"]) == ("stable.example.com/v1beta1", [made])
    status, unchanged = await http.call("PUT", f"{beta}/tab", made)
    assert (status, unchanged) == (200, made)
    alpha = await http.get(CRONTABS.replace("/v1/", "/v2alpha1/") + "/tab")
    assert alpha["spec"] == {"cronSpec": "* * * * */5"}
    async with http.watch(beta) as events:
        assert (await events.next())["object"] == made
        await http.patch(f"{CRONTABS}/tab", {"spec": {"replicas": 3}})
        event = await events.next()
        assert (event["object"]["apiVersion"], event["object"]["spec"]["replicas"]) == ("stable.example.com/v1beta1", 3)
    refused = await http.refused("POST", beta, crontab("x"))
    assert "does not match the expected API version (stable.example.com/v1beta1)" in refused["message"]


async def test_each_version_holds_to_its_own_schema(http: Http) -> None:
    strict = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "cronSpec": {"type": "string", "maxLength": 3}}}}}  # fmt: skip
    versions = [version("v1"), version("v2", storage=False, schema={"openAPIV3Schema": strict})]
    await http.create(DEFINITIONS, definition(versions=versions))
    refused = await http.refused(
        "POST", CRONTABS.replace("/v1/", "/v2/"), crontab() | {"apiVersion": "stable.example.com/v2"}
    )
    assert "spec.cronSpec: Too long: may not be more than 3 bytes" in refused["message"]


async def test_the_storage_version_may_change(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    await http.create(CRONTABS, crontab())
    changed = await http.patch(CRD, {"spec": {"versions": [version("v1", storage=False), version("v2")]}})
    assert changed["status"]["storedVersions"] == ["v1", "v2"]
    newer = CRONTABS.replace("/v1/", "/v2/")
    assert (await http.get(f"{newer}/tab"))["apiVersion"] == "stable.example.com/v2"
    assert [each["apiVersion"] for each in (await http.get(newer))["items"]] == ["stable.example.com/v2"]
    assert (await http.patch(f"{newer}/tab", {"spec": {"replicas": 2}}))["apiVersion"] == "stable.example.com/v2"
    assert (await http.get(f"{CRONTABS}/tab"))["apiVersion"] == "stable.example.com/v1"


async def test_cluster_scope(http: Http) -> None:
    await http.create(DEFINITIONS, definition(scope="Cluster"))
    path = "/apis/stable.example.com/v1/crontabs"
    made = await http.create(path, crontab())
    assert "namespace" not in made["metadata"]
    assert await http.names(path) == ["tab"]
    assert (await http.refused("GET", CRONTABS))["code"] == 404


async def test_fields_can_be_selected_by(http: Http) -> None:
    fields = [{"jsonPath": ".spec.image"}]
    await http.create(DEFINITIONS, definition(versions=[version(selectableFields=fields)]))
    await http.create(CRONTABS, crontab("a"))
    await http.create(CRONTABS, crontab("b", image="busybox"))
    assert await http.names(f"{CRONTABS}?fieldSelector=spec.image%3Dbusybox") == ["b"]
    assert (await http.refused("GET", f"{CRONTABS}?fieldSelector=spec.replicas%3D1"))["code"] == 400


async def test_rules_that_are_not_evaluated_are_not_silent(http: Http) -> None:
    schema = {**SCHEMA, "x-kubernetes-validations": [{"rule": "self.spec.replicas < 5"}]}
    made = await http.create(DEFINITIONS, definition(versions=[version(schema={"openAPIV3Schema": schema})]))
    condition = next(each for each in made["status"]["conditions"] if each["type"] == "ValidationRulesEvaluated")
    assert (condition["status"], condition["reason"]) == ("False", "NotImplementedYet")
    assert condition["message"].startswith("1 rules of x-kubernetes-validations are not evaluated by k9lite")
    changed = await http.patch(CRD, {"spec": {"versions": [version()]}})
    assert "ValidationRulesEvaluated" not in conditions(changed)


async def test_names_are_given_once(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    second = await http.create(DEFINITIONS, definition("crontabs2", "CronTab"))
    assert conditions(second) == {"NamesAccepted": "False", "Established": "False"}
    assert second["status"]["conditions"][0]["reason"] == "SingularConflict"
    third = await http.create(DEFINITIONS, definition("tabs", "CronTab"))
    assert third["status"]["conditions"][0]["message"] == '"crontab" is already in use'
    assert (await http.refused("GET", CRONTABS.replace("crontabs", "tabs")))["code"] == 404


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"scope": "Everywhere"}, 'spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced"'),
        ({"group": "dotless"}, "spec.group: Invalid value"),
        ({"versions": []}, "spec.versions: Required value"),
        ({"versions": [version(storage=False)]}, "must have exactly one version marked as storage version"),
        ({"versions": [version(), version(storage=False)]}, 'spec.versions[1].name: Duplicate value: "v1"'),
        ({"versions": [version(schema=None)]}, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
        ({"versions": [version(schema={"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}})]},
         "spec.versions[0].schema.openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields"),
        ({"versions": [version(additionalPrinterColumns=[{"name": "X", "type": "string", "jsonPath": "spec"}])]},
         "spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value"),
        ({"versions": [version(subresources={"scale": {"specReplicasPath": ".replicas", "statusReplicasPath": ".status.r"}})]},
         "spec.versions[0].subresources.scale.specReplicasPath: Invalid value"),
        ({"conversion": {"strategy": "Webhook"}, "versions": [version(), version("v2", storage=False)]},
         "conversion webhooks are not called by k9lite"),
        ({"preserveUnknownFields": True}, "spec.preserveUnknownFields: Invalid value: true"),
    ],
)  # fmt: skip
async def test_definitions_that_are_refused(http: Http, spec: Any, message: str) -> None:
    refused = await http.refused("POST", DEFINITIONS, definition(**spec))
    assert refused["code"] == 422
    assert message in refused["message"]


async def test_what_a_definition_may_not_change(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    refused = await http.refused("PATCH", CRD, {"spec": {"scope": "Cluster"}}, "application/merge-patch+json")
    assert 'spec.scope: Invalid value: "Cluster": field is immutable' in refused["message"]
    refused = await http.refused("PATCH", CRD, {"spec": {"versions": [version("v2")]}}, "application/merge-patch+json")
    assert 'status.storedVersions[0]: Invalid value: "v1": must appear in spec.versions' in refused["message"]


async def test_groups_of_the_project_need_approval(http: Http) -> None:
    body = definition(group="x.k8s.io")
    body["metadata"]["name"] = "crontabs.x.k8s.io"
    refused = await http.refused("POST", DEFINITIONS, body)
    assert "metadata.annotations[api-approved.kubernetes.io]: Required value" in refused["message"]
    body["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/1"}
    await http.create(DEFINITIONS, body)


async def test_a_definition_that_ends_takes_no_more_objects(http: Http) -> None:
    await http.create(DEFINITIONS, definition())
    await http.create(CRONTABS, crontab())
    status, ending = await http.call("DELETE", CRD)
    assert (status, "deletionTimestamp" in ending["metadata"]) == (200, True)
    refused = await http.refused("POST", CRONTABS, crontab("late"))
    assert refused["code"] == 405
    assert refused["message"] == "create not allowed while custom resource definition is terminating"
    assert await http.names(CRONTABS) == ["tab"]


async def test_definitions_and_objects_outlive_the_server(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, aiohttp.ClientSession() as session:
        http = Http(session, f"http://127.0.0.1:{server.port}", server.registry)
        await http.create(DEFINITIONS, definition())
        made = await http.create(CRONTABS, crontab())
    async with running_server(tmp_path) as server, aiohttp.ClientSession() as session:
        http = Http(session, f"http://127.0.0.1:{server.port}", server.registry)
        assert (await http.get(CRONTABS))["items"] == [made]
        table = await http.get(DEFINITIONS, TABLE)
        assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Created At"]
        assert table["rows"][0]["cells"] == ["crontabs.stable.example.com", table["rows"][0]["object"]["metadata"]["creationTimestamp"]]  # fmt: skip
