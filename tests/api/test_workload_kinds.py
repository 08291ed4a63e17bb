"""StatefulSet, DaemonSet, ControllerRevision, Job, CronJob: defaults, rules, cells."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.catalog import CONTROLLERREVISIONS, CRONJOBS, DAEMONSETS, JOBS, STATEFULSETS
from k9lite.api.cron import check_schedule
from k9lite.api.errors import ApiError
from k9lite.api.meta import prepare_create, prepare_update
from k9lite.api.objects import Obj, copy_of, dig
from k9lite.api.resources import Resource

NOW = "2026-01-02T03:04:05Z"
LABELS = {"app": "x"}


def template(**spec: Any) -> Obj:
    return {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": [{"name": "c", "image": "i:1"}], **spec}}


def selected(**spec: Any) -> Obj:
    return {"selector": {"matchLabels": dict(LABELS)}, "template": template(), **spec}


def job(**spec: Any) -> Obj:
    return {"template": template(restartPolicy="Never"), **spec}


def cron(**spec: Any) -> Obj:
    return {"schedule": "* * * * *", "jobTemplate": {"spec": job()}, **spec}


SPECS = {STATEFULSETS: selected, DAEMONSETS: selected, JOBS: job, CRONJOBS: cron}


def made(resource: Resource, name: str = "x", **spec: Any) -> Obj:
    obj: Obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {"name": name}}
    obj["spec"] = SPECS[resource](**spec)
    prepare_create(resource, obj, NOW)
    return obj


def cells(resource: Resource, obj: Obj) -> list[Any]:
    return [column.cell(obj, 1767323045.0 + 90) for column in resource.columns if column.name not in ("Name", "Age")]


def test_defaults_and_cells() -> None:
    sts = made(STATEFULSETS, replicas=2, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    assert sts["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert sts["spec"]["volumeClaimTemplates"][0]["status"] == {"phase": "Pending"}
    assert cells(STATEFULSETS, sts) == ["0/2", "c", "i:1"]
    daemons = made(DAEMONSETS)
    assert daemons["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert cells(DAEMONSETS, daemons) == [0, 0, 0, 0, 0, "<none>", "c", "i:1", "app=x"]
    assert cells(CRONJOBS, made(CRONJOBS)) == ["* * * * *", "<none>", "False", 0, "<none>", "c", "i:1", "<none>"]


def test_a_job_selects_its_pods_by_its_own_uid() -> None:
    made_job = made(JOBS)
    uid = made_job["metadata"]["uid"]
    assert made_job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = {"app": "x", "job-name": "x", "controller-uid": uid}
    labels |= {"batch.kubernetes.io/job-name": "x", "batch.kubernetes.io/controller-uid": uid}
    assert made_job["metadata"]["labels"] == made_job["spec"]["template"]["metadata"]["labels"] == labels
    assert made_job["spec"]["completions"] == made_job["spec"]["parallelism"] == 1
    made_job["status"] = {"startTime": NOW, "succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
    assert cells(JOBS, made_job)[:5] == ["Complete", "1/1", "90s", "c", "i:1"]
    made_job["status"] |= {"completionTime": "2026-01-02T03:04:09Z"}
    assert cells(JOBS, made_job)[2] == "4s"
    queue = made(JOBS, parallelism=3)
    assert cells(JOBS, queue)[:3] == ["Running", "0/1 of 3", ""]


@pytest.mark.parametrize(
    ("resource", "spec", "words"),
    [
        (STATEFULSETS, {"replicas": -1}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (STATEFULSETS, {"selector": {}}, "empty selector is invalid for statefulset"),
        (STATEFULSETS, {"podManagementPolicy": "x"}, "must be 'OrderedReady' or 'Parallel'"),
        (STATEFULSETS, {"updateStrategy": {"type": "x"}}, "must be 'RollingUpdate' or 'OnDelete'"),
        (DAEMONSETS, {"selector": {"matchLabels": {"a": "b"}}}, "`selector` does not match template `labels`"),
        (DAEMONSETS, {"updateStrategy": {"type": "x"}}, 'Unsupported value: "x": supported values: "OnDelete", "Roll'),
        (DAEMONSETS, {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}, "may not be set when maxUnavailable"),
        (JOBS, {"template": template()}, 'restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (JOBS, {"backoffLimit": -1}, "spec.backoffLimit: Invalid value: -1"),
        (JOBS, {"selector": {"matchLabels": LABELS}}, "`selector` not auto-generated"),
        (JOBS, {"completionMode": "Indexed", "parallelism": 1}, "when completion mode is Indexed"),
        (CRONJOBS, {"schedule": "x"}, 'spec.schedule: Invalid value: "x": expected exactly 5 fields, found 1: [x]'),
        (CRONJOBS, {"schedule": "TZ=UTC * * * * *"}, "cannot use TZ or CRON_TZ in schedule, use timeZone field"),
        (CRONJOBS, {"timeZone": "Mars/Base"}, 'spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'),
        (CRONJOBS, {"concurrencyPolicy": "x"}, 'supported values: "Allow", "Forbid", "Replace"'),
        (CRONJOBS, {"jobTemplate": {"spec": {"template": template()}}}, "spec.jobTemplate.spec.template.spec.restart"),
    ],
)
def test_what_breaks_a_rule_is_refused(resource: Resource, spec: Obj, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        made(resource, **spec)
    assert caught.value.code == 422
    assert words in str(caught.value)


def test_a_cron_jobs_name_leaves_room_for_its_jobs() -> None:
    with pytest.raises(ApiError, match="must be no more than 52 characters"):
        made(CRONJOBS, name="x" * 53)


@pytest.mark.parametrize(
    ("resource", "path", "value", "words"),
    [
        (
            STATEFULSETS,
            ("spec", "serviceName"),
            "y",
            "updates to statefulset spec for fields other than 'replicas', 'o",
        ),
        (DAEMONSETS, ("spec", "selector"), {"matchLabels": {"app": "x", "a": "b"}}, "field is immutable"),
        (JOBS, ("spec", "completions"), 5, "spec.completions: Invalid value: 5: field is immutable"),
        (JOBS, ("spec", "template", "spec", "hostname"), "h", "spec.template: Invalid value"),
    ],
)
def test_what_may_not_change(resource: Resource, path: tuple[str, ...], value: Any, words: str) -> None:
    old = made(resource)
    new = copy_of(old)
    dig(new, *path[:-1])[path[-1]] = value
    with pytest.raises(ApiError) as caught:
        prepare_update(resource, new, old, None)
    assert words in str(caught.value)


def test_a_statefulset_may_be_scaled_and_its_template_changed() -> None:
    old = made(STATEFULSETS)
    new = copy_of(old)
    new["spec"]["replicas"] = 5
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    prepare_update(STATEFULSETS, new, old, None)
    assert new["metadata"]["generation"] == 2


def test_a_revision_holds_data_for_ever() -> None:
    obj: Obj = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "r"}, "revision": 3}
    with pytest.raises(ApiError, match="data: Required value"):
        prepare_create(CONTROLLERREVISIONS, copy_of(obj), NOW)
    obj["data"] = {"spec": {}}
    prepare_create(CONTROLLERREVISIONS, obj, NOW)
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u", "controller": True}
    obj["metadata"]["ownerReferences"] = [owner]
    assert cells(CONTROLLERREVISIONS, obj) == ["statefulset.apps/web", 3]
    with pytest.raises(ApiError, match="field is immutable"):
        prepare_update(CONTROLLERREVISIONS, copy_of(obj) | {"data": {"spec": {"a": 1}}}, obj, None)


ACCEPTED = [
    "0 0 * * *",
    "*/5 * * * ?",
    "59 23 31 2 *",
    "0 9-17 * jan-mar MON,fri",
    "@hourly",
    "@every 1h30m",
    "5/10 * * * 0",
]


@pytest.mark.parametrize("schedule", ACCEPTED)
def test_schedules(schedule: str) -> None:
    assert check_schedule(schedule) is None


@pytest.mark.parametrize(
    "schedule",
    ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "* * * *",
     "* * * * * *", "@never", "@every", "@every x", "a * * * *", "1-2-3 * * * *", "1/2/3 * * * *", ", * * * *"],
)  # fmt: skip
def test_what_is_no_schedule(schedule: str) -> None:
    assert check_schedule(schedule)


@given(st.text(alphabet="0123456789*/-,?@ jan", max_size=20))
def test_any_text_is_a_schedule_or_told_why_not(text: str) -> None:
    assert check_schedule(text) != ""
