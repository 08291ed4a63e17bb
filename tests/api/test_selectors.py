"""Label and field selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.catalog import EVENTS, PODS
from k9lite.api.errors import ApiError
from k9lite.api.selectors import FieldSelector, LabelSelector, Requirement

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), ("app=web", True), ("app==web", True), ("app!=web", False), ("app=web,tier=front", True),
        ("app in (web,api)", True), ("app notin (web)", False), ("absent!=x", True), ("absent notin (x)", True),
        ("app", True), ("!app", False), ("!absent", True), ("app in (a, web),!absent", True), ("app=", False),
    ],
)  # fmt: skip
def test_labels(text: str, matches: bool) -> None:
    assert LabelSelector.parse(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["a=b=c", "a=b,", ",", "a,,b", "=x", "a in b", "a in (b", "-a=b", "a=b c"])
def test_a_broken_label_selector_is_explained(text: str) -> None:
    with pytest.raises(ApiError, match="unable to parse requirement") as caught:
        LabelSelector.parse(text)
    assert caught.value.code == 400


def test_an_object_selector() -> None:
    selector = LabelSelector.from_object(
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}
    )
    assert selector.matches(LABELS)
    assert str(selector) == "app=web,tier=front"
    assert not LabelSelector.from_object(None).matches(LABELS)
    assert LabelSelector.from_object({}).matches(LABELS)
    assert not LabelSelector.from_map({}).matches(LABELS)


words = st.from_regex(r"\A[a-z][a-z0-9]{0,8}\Z")


@given(st.dictionaries(words, words, max_size=4), st.dictionaries(words, words, max_size=3))
def test_equality_selectors_are_subsets(labels: dict[str, str], wanted: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in wanted.items())
    selector = LabelSelector.parse(text)
    assert selector.matches(labels) == (wanted.items() <= labels.items())
    assert LabelSelector.parse(str(selector)) == selector
    if wanted:
        assert LabelSelector.from_map(wanted).matches(labels) == selector.matches(labels)


requirements = st.builds(
    Requirement, words, st.sampled_from(["in", "notin"]), st.frozensets(words, min_size=1, max_size=3)
) | st.builds(Requirement, words, st.sampled_from(["exists", "absent"]))


@given(st.dictionaries(words, words, max_size=4), st.lists(requirements, max_size=4))
def test_every_form_means_the_same_as_text_and_as_object(labels: dict[str, str], wanted: list[Requirement]) -> None:
    selector = LabelSelector(tuple(wanted))
    operators = {"in": "In", "notin": "NotIn", "exists": "Exists", "absent": "DoesNotExist"}
    expressions = [{"key": r.key, "operator": operators[r.operator], "values": sorted(r.values)} for r in wanted]
    assert LabelSelector.parse(str(selector)) == selector
    assert LabelSelector.from_object({"matchExpressions": expressions}) == selector
    expected = all(
        {"in": labels.get(r.key) in r.values, "notin": labels.get(r.key) not in r.values,
         "exists": r.key in labels, "absent": r.key not in labels}[r.operator]
        for r in wanted
    )  # fmt: skip
    assert selector.matches(labels) == expected


def test_fields() -> None:
    pod = {"metadata": {"name": "a", "namespace": "x"}, "status": {"phase": "Running"}, "spec": {"hostNetwork": True}}
    assert FieldSelector.parse("metadata.name=a,status.phase!=Failed,spec.hostNetwork=true", PODS).matches(pod)
    assert FieldSelector.parse("metadata.name==a", PODS).name == "a"
    assert not FieldSelector.parse("spec.nodeName=n", PODS).matches(pod)
    event = {"involvedObject": {"kind": "Pod", "uid": "u"}, "source": {"component": "kubelet"}}
    assert FieldSelector.parse("involvedObject.uid=u,source=kubelet", EVENTS).matches(event)
    with pytest.raises(ApiError, match=r"field label not supported: spec\.x"):
        FieldSelector.parse("spec.x=1", PODS)
