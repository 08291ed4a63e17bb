"""The batch group, v1: Job, CronJob. Source: k8s.io/kubernetes/pkg/apis/batch/{v1/defaults.go,validation}."""

from __future__ import annotations

from typing import Any

from k9lite.api import podspec
from k9lite.api.cron import check_schedule
from k9lite.api.errors import Cause
from k9lite.api.kinds.apps import default_template, selector_text
from k9lite.api.kinds.core import AGE, NAME
from k9lite.api.objects import Obj, dig, is_deleting, is_true, labels_of
from k9lite.api.printing import NONE, age, containers_of, human_duration
from k9lite.api.resources import Column, Resource
from k9lite.api.selectors import LabelSelector, field_reader
from k9lite.api.validation import check_labels, check_non_negative, immutable, required, unsupported, wrong
from k9lite.clock import parse_rfc3339

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"
_MODES = ("Indexed", "NonIndexed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_NAME_LIMIT = 52
"""Of CronJobs: their jobs' names have 11 characters more, and have to be labels."""


# Job -------------------------------------------------------------------------------------------------
def _default_job(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    for field, value in (
        ("parallelism", 1),
        ("backoffLimit", 6),
        ("completionMode", "NonIndexed"),
        ("suspend", False),
        ("manualSelector", False),
        ("podReplacementPolicy", "TerminatingOrFailed"),
    ):
        if spec.get(field) is None:
            spec[field] = value
    default_template(spec)
    template = spec.get("template")
    if not isinstance(template, dict):
        return
    if not spec["manualSelector"]:
        _generate_selector(obj, spec, template)
    if not labels_of(obj) and labels_of(template):
        obj["metadata"]["labels"] = dict(labels_of(template))


def _generate_selector(obj: Obj, spec: Obj, template: Obj) -> None:
    """The job's own uid tells its pods from all others. Source: pkg/registry/batch/job/strategy.go."""
    uid, name = obj["metadata"]["uid"], obj["metadata"].get("name", "")
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels |= {CONTROLLER_UID: uid, JOB_NAME: name, "controller-uid": uid, "job-name": name}
    spec.setdefault("selector", {"matchLabels": {CONTROLLER_UID: uid}})


def _validate_job(obj: Obj) -> list[Cause]:
    return _validate_job_spec(obj.get("spec"), "spec", generated=True)


def _validate_job_spec(spec: Any, field: str, *, generated: bool) -> list[Cause]:
    """`generated`: of a Job, whose selector is there by now; without it, of a CronJob's template."""
    if not isinstance(spec, dict):
        return [required(field)]
    causes: list[Cause] = []
    for name in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
        causes += check_non_negative(f"{field}.{name}", spec.get(name))
    if spec.get("completionMode") not in (None, *_MODES):
        causes.append(unsupported(f"{field}.completionMode", spec["completionMode"], _MODES))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        causes.append(required(f"{field}.completions", "when completion mode is Indexed"))
    template = spec.get("template")
    if not isinstance(template, dict):
        return [*causes, required(f"{field}.template")]
    labels = dig(template, "metadata", "labels", default={})
    causes += check_labels(f"{field}.template.labels", labels)
    if generated:
        causes += _check_selector(spec, field, labels)
    elif spec.get("manualSelector"):
        causes.append(unsupported(f"{field}.manualSelector", True, ("nil", "false")))
    causes += podspec.validate_pod_spec(template.get("spec"), f"{field}.template.spec")
    if dig(template, "spec", "restartPolicy") == "Always":
        causes.append(required(f"{field}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'))
    return causes


def _check_selector(spec: Obj, field: str, labels: dict[str, str]) -> list[Cause]:
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        return [required(f"{field}.selector")]
    if not spec["manualSelector"] and CONTROLLER_UID not in (selector.get("matchLabels") or {}):
        return [wrong(f"{field}.selector", selector, "`selector` not auto-generated")]
    if not LabelSelector.from_object(selector).matches(labels):
        return [wrong(f"{field}.template.metadata.labels", labels, "`selector` does not match template `labels`")]
    return []


def _validate_job_update(new: Obj, old: Obj) -> list[Cause]:
    fields = ("completions", "selector", "template", "completionMode")
    return [cause for field in fields for cause in immutable(f"spec.{field}", new, old, "spec", field)]


def _job_status(obj: Obj) -> None:
    obj["status"] = {}


def _job_state(obj: Obj, _: float) -> str:
    for condition, shown in (("Complete", "Complete"), ("Failed", "Failed")):
        if is_true(obj, condition):
            return shown
    if is_deleting(obj):
        return "Terminating"
    return next(
        (name for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if is_true(obj, name)), "Running"
    )


def _completions(obj: Obj, _: float) -> str:
    done, wanted = dig(obj, "status", "succeeded", default=0), dig(obj, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    at_once = dig(obj, "spec", "parallelism", default=0)
    return f"{done}/1 of {at_once}" if at_once > 1 else f"{done}/1"


def _duration(obj: Obj, now: float) -> str:
    start, end = dig(obj, "status", "startTime"), dig(obj, "status", "completionTime")
    return human_duration((parse_rfc3339(end) if end else now) - parse_rfc3339(start)) if start else ""


def _template(field: str, *path: str) -> Any:
    return lambda obj, _: containers_of(dig(obj, *path, "spec", "template", default={}), field)


JOBS = Resource(
    "batch", "v1", "Job", "jobs", "job",
    categories=("all",), subresources=("status",), has_generation=True, orphans_by_default=True,
    default=_default_job, reset_status=_job_status, validate=_validate_job, validate_update=_validate_job_update,
    selectable_fields={"status.successful": field_reader("status.succeeded", 0)},
    columns=(
        NAME,
        Column("Status", _job_state),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        Column("Containers", _template("name"), priority=1),
        Column("Images", _template("image"), priority=1),
        Column("Selector", lambda obj, _: selector_text(obj), priority=1),
    ),
)  # fmt: skip


# CronJob ---------------------------------------------------------------------------------------------
def _default_cron_job(obj: Obj) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    for field, value in (
        ("concurrencyPolicy", "Allow"),
        ("suspend", False),
        ("successfulJobsHistoryLimit", 3),
        ("failedJobsHistoryLimit", 1),
    ):
        if spec.get(field) is None:
            spec[field] = value
    if isinstance(dig(spec, "jobTemplate", "spec"), dict):
        default_template(spec["jobTemplate"]["spec"])


def _validate_cron_job(obj: Obj) -> list[Cause]:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec")]
    causes: list[Cause] = []
    name = obj["metadata"]["name"]
    if len(name) > _NAME_LIMIT:
        causes.append(wrong("metadata.name", name, f"must be no more than {_NAME_LIMIT} characters"))
    causes += _validate_schedule(spec)
    for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes += check_non_negative(f"spec.{field}", spec.get(field))
    if spec["concurrencyPolicy"] not in _CONCURRENCY:
        causes.append(unsupported("spec.concurrencyPolicy", spec["concurrencyPolicy"], _CONCURRENCY))
    if not isinstance(spec.get("jobTemplate"), dict):
        return [*causes, required("spec.jobTemplate")]
    return causes + _validate_job_spec(spec["jobTemplate"].get("spec"), "spec.jobTemplate.spec", generated=False)


def _validate_schedule(spec: Obj) -> list[Cause]:
    schedule, zone = str(spec.get("schedule") or ""), spec.get("timeZone")
    causes: list[Cause] = []
    if not schedule:
        causes.append(required("spec.schedule"))
    elif "TZ" in schedule:
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.append(wrong("spec.schedule", schedule, why))
    elif problem := check_schedule(schedule):
        causes.append(wrong("spec.schedule", schedule, problem))
    if zone is not None and not _is_zone(zone):
        causes.append(wrong("spec.timeZone", zone, f"unknown time zone {zone}"))
    return causes


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return name.lower() != "local"


def _selector_text(template: Obj) -> str:
    return selector_text(template) if dig(template, "spec", "selector") else NONE


def _last_schedule(obj: Obj, now: float) -> str:
    last = dig(obj, "status", "lastScheduleTime")
    return age(last, now) if last else NONE


CRONJOBS = Resource(
    "batch", "v1", "CronJob", "cronjobs", "cronjob",
    short_names=("cj",), categories=("all",), subresources=("status",), has_generation=True,
    default=_default_cron_job, reset_status=_job_status, validate=_validate_cron_job,
    columns=(
        NAME,
        Column("Schedule", lambda obj, _: dig(obj, "spec", "schedule", default="")),
        Column("Timezone", lambda obj, _: dig(obj, "spec", "timeZone", default=NONE)),
        Column("Suspend", lambda obj, _: str(bool(dig(obj, "spec", "suspend")))),
        Column("Active", lambda obj, _: len(dig(obj, "status", "active", default=())), type="integer"),
        Column("Last Schedule", _last_schedule),
        AGE,
        Column("Containers", _template("name", "spec", "jobTemplate"), priority=1),
        Column("Images", _template("image", "spec", "jobTemplate"), priority=1),
        Column("Selector", lambda obj, _: _selector_text(dig(obj, "spec", "jobTemplate")), priority=1),
    ),
)  # fmt: skip
