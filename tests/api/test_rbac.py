"""What rules allow and cover."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k9lite.api.rbac import Attributes, Rule, not_covered


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "", urls: str = "") -> Rule:
    def words(text: str) -> list[str]:
        return ["" if word == "core" else word for word in text.split()]

    return Rule.of(
        {
            "verbs": words(verbs),
            "apiGroups": words(groups),
            "resources": words(resources),
            "resourceNames": words(names),
            "nonResourceURLs": words(urls),
        }
    )


@pytest.mark.parametrize(
    ("allowing", "asked", "allowed"),
    [
        (rule("get", "core", "pods"), Attributes("get", "", "pods"), True),
        (rule("get", "core", "pods"), Attributes("list", "", "pods"), False),
        (rule("get", "core", "pods"), Attributes("get", "apps", "pods"), False),
        (rule("get", "core", "pods"), Attributes("get", "", "pods", "log"), False),
        (rule("get", "core", "pods/log"), Attributes("get", "", "pods", "log"), True),
        (rule("get", "core", "pods/log"), Attributes("get", "", "pods"), False),
        (rule("get", "core", "*/log"), Attributes("get", "", "pods", "log"), True),
        (rule("get", "core", "*/scale"), Attributes("get", "", "pods", "log"), False),
        (rule("*", "*", "*"), Attributes("delete", "apps", "deployments", "scale"), True),
        (rule("*", "*", "*"), Attributes("get", path="/metrics"), False),
        (rule("get", "core", "secrets", "a b"), Attributes("get", "", "secrets", name="b"), True),
        (rule("get", "core", "secrets", "a b"), Attributes("get", "", "secrets", name="c"), False),
        (rule("list", "core", "secrets", "a"), Attributes("list", "", "secrets"), False),
        (rule("get", urls="/api/*"), Attributes("get", path="/api/v1"), True),
        (rule("get", urls="/api/*"), Attributes("get", path="/apis"), False),
        (rule("get", urls="/api"), Attributes("get", path="/api/"), False),
        (rule("get", urls="*"), Attributes("get", path="/anything"), True),
        (rule("get", urls="*"), Attributes("get", "", "pods"), False),
    ],
)  # fmt: skip
def test_allows(allowing: Rule, asked: Attributes, allowed: bool) -> None:
    assert allowing.allows(asked) is allowed


@pytest.mark.parametrize(
    ("owned", "wanted", "missing"),
    [
        ([rule("get list", "core", "pods")], [rule("get", "core", "pods")], []),
        ([rule("get", "core", "pods"), rule("list", "core", "pods")], [rule("get list", "core", "pods")], []),
        ([rule("get", "core", "pods")], [rule("get list watch", "core", "pods")], [rule("list watch", "core", "pods")]),
        ([rule("get", "core", "pods", "a")], [rule("get", "core", "pods")], [rule("get", "core", "pods")]),
        ([rule("get", "core", "pods")], [rule("get", "core", "pods", "a")], []),
        ([rule("*", "*", "*")], [rule("get", urls="/x")], [rule("get", urls="/x")]),
        ([rule("get", urls="/x/*")], [rule("get", urls="/x/y")], []),
        ([rule("get", urls="/x/y")], [rule("get", urls="/x/*")], [rule("get", urls="/x/*")]),
        ([rule("get", "core", "pods")], [rule("*", "core", "pods")], [rule("*", "core", "pods")]),
        ([rule("get", "core", "*/log")], [rule("get", "core", "pods/log")], []),
    ],
)  # fmt: skip
def test_covers(owned: list[Rule], wanted: list[Rule], missing: list[Rule]) -> None:
    assert not_covered(owned, wanted) == missing


WORDS = st.frozensets(st.sampled_from(["*", "a", "b", "a/s", "*/s"]), min_size=1, max_size=2)
RULES = st.builds(Rule, WORDS, WORDS, WORDS, st.frozensets(st.sampled_from(["n", "m"]), max_size=1))


@given(st.lists(RULES, max_size=3), st.lists(RULES, max_size=2), st.sampled_from("abc"), st.sampled_from("abc"),
       st.sampled_from("abc"), st.sampled_from(["", "s"]), st.sampled_from(["", "n"]))  # fmt: skip
def test_what_is_covered_allows_nothing_new(
    owned: list[Rule], wanted: list[Rule], verb: str, group: str, resource: str, subresource: str, name: str
) -> None:
    asked = Attributes(verb, group, resource, subresource, name=name)
    if not not_covered(owned, wanted) and any(rule.allows(asked) for rule in wanted):
        assert any(rule.allows(asked) for rule in owned)


def test_rules_are_shown_as_upstream_shows_them() -> None:
    shown = str(rule("list get", "apps core", "pods", "x"))
    assert shown == '{APIGroups:["", "apps"], Resources:["pods"], ResourceNames:["x"], Verbs:["get", "list"]}'
