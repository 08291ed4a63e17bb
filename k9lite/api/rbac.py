"""What a rule of RBAC allows, and which rules cover which. Pure.

Source: k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go and component-helpers/auth/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from k9lite.api.objects import Obj, dig, labels_of, name_of
from k9lite.api.selectors import LabelSelector

GROUP = "rbac.authorization.k8s.io"
ANY = "*"
_FIELDS = (("APIGroups", "apiGroups"), ("Resources", "resources"), ("ResourceNames", "resourceNames"),
           ("NonResourceURLs", "nonResourceURLs"), ("Verbs", "verbs"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attributes:
    """One request to decide on. `path` is set for what is no resource; then only `verb` counts beside it."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A PolicyRule, ready to be asked."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rule: Obj) -> Rule:
        def words(key: str) -> frozenset[str]:
            return frozenset(rule.get(key) or ())

        return cls(
            words("verbs"), words("apiGroups"), words("resources"), words("resourceNames"), words("nonResourceURLs")
        )

    def allows(self, asked: Attributes) -> bool:
        if ANY not in self.verbs and asked.verb not in self.verbs:
            return False
        if asked.path:
            return any(_path_matches(url, asked.path) for url in self.urls)
        if ANY not in self.groups and asked.group not in self.groups:
            return False
        if self.names and asked.name not in self.names:
            return False
        return self._has_resource(asked.resource, asked.subresource)

    def _has_resource(self, resource: str, subresource: str) -> bool:
        if ANY in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources

    def covers(self, other: Rule) -> bool:
        """Whether whoever has this rule may do all that the other allows."""
        if ANY not in self.verbs and not other.verbs <= self.verbs:
            return False
        if other.urls:
            return all(any(_url_covers(own, url) for own in self.urls) for url in other.urls)
        if ANY not in self.groups and not other.groups <= self.groups:
            return False
        if self.names and not (other.names and other.names <= self.names):
            return False
        return all(self._covers_resource(resource) for resource in other.resources)

    def _covers_resource(self, resource: str) -> bool:
        if ANY in self.resources or resource in self.resources:
            return True
        _, slash, subresource = resource.partition("/")
        return bool(slash) and f"*/{subresource}" in self.resources

    def parts(self) -> Iterable[Rule]:
        """The smallest rules that together are this one: each part may be covered by another rule."""
        for verb, url in product(sorted(self.verbs), sorted(self.urls)):
            yield Rule(frozenset((verb,)), urls=frozenset((url,)))
        for group, resource, verb in product(sorted(self.groups), sorted(self.resources), sorted(self.verbs)):
            part = (frozenset((verb,)), frozenset((group,)), frozenset((resource,)))
            if self.names:
                yield from (Rule(*part, frozenset((name,))) for name in sorted(self.names))
            else:
                yield Rule(*part)

    def __str__(self) -> str:
        """As upstream prints a rule in a refusal."""
        words = (self.groups, self.resources, self.names, self.urls, self.verbs)
        shown = [
            f"{label}:[{', '.join(_quoted(word) for word in sorted(values))}]"
            for (label, _), values in zip(_FIELDS, words, strict=True)
            if values
        ]
        return "{" + ", ".join(shown) + "}"


def _quoted(word: str) -> str:
    return f'"{word}"'


def not_covered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of the wanted rules that no owned rule covers, those that differ only in verbs put together."""
    missing: dict[tuple[Any, ...], set[str]] = {}
    for rule in wanted:
        for part in rule.parts():
            if not any(own.covers(part) for own in owned):
                key = (part.groups, part.resources, part.names, part.urls)
                missing.setdefault(key, set()).update(part.verbs)
    return [Rule(frozenset(verbs), *key) for key, verbs in missing.items()]


def aggregated_rules(role: Obj, others: Iterable[Obj]) -> list[Obj] | None:
    """The rules of the ClusterRoles that a role selects, in the order of their names; None if it selects none."""
    selectors = [
        LabelSelector.from_object(each) for each in dig(role, "aggregationRule", "clusterRoleSelectors", default=[])
    ]
    if not selectors:
        return None
    rules: list[Obj] = []
    for other in sorted(others, key=name_of):
        if name_of(other) != name_of(role) and any(selector.matches(labels_of(other)) for selector in selectors):
            rules += [rule for rule in other.get("rules") or [] if rule not in rules]
    return rules


def _path_matches(url: str, path: str) -> bool:
    return url == path or (url.endswith(ANY) and path.startswith(url[:-1]))


def _url_covers(own: str, other: str) -> bool:
    return own == other or (own.endswith(ANY) and other.startswith(own[:-1]))
