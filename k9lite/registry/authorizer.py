"""RBAC: whether a user may do something, decided from the roles and bindings in the store.

Bindings are indexed by subject, roles are compiled at first use; both anew when the store has changed them, so that a
decision always follows the last acknowledged write. Members of system:masters are let through before any of that.
Source: k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/rbac.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from k9lite.api.catalog import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.api.rbac import GROUP, Attributes, Rule
from k9lite.registry.users import SERVICE_ACCOUNT, User
from k9lite.store.store import Store

_Subject = tuple[str, str]
_Index = dict[str, dict[_Subject, list[Obj]]]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` says which binding allows it, or which roles are missing."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """One for each store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index: _Index = {}
        self._indexed: tuple[int, int] = (-1, -1)
        self._rules: dict[tuple[str, str, str], tuple[int, tuple[Rule, ...]]] = {}

    def decide(self, user: User, asked: Attributes) -> Decision:
        """RBAC's answer."""
        if user.is_master:
            return Decision(True)
        missing: list[str] = []
        for binding, rules in self._grants(user, asked.namespace, missing):
            if any(rule.allows(asked) for rule in rules):
                return Decision(True, _reason(binding, user))
        return Decision(False, _problems(missing))

    def allows(self, user: User, asked: Attributes) -> bool:
        return self.decide(user, asked).allowed

    def rules(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """All that a user may do in a namespace ("": only cluster-wide), and what could not be resolved."""
        missing: list[str] = []
        found = [rule for _, rules in self._grants(user, namespace, missing) for rule in rules]
        if user.is_master:
            any_word = frozenset("*")
            found = [Rule(any_word, any_word, any_word), Rule(any_word, urls=any_word), *found]
        return found, missing

    def role_rules(self, reference: Obj, namespace: str) -> tuple[Rule, ...] | None:
        """The rules of a roleRef; None if the role does not exist."""
        resource, space = (ROLES, namespace) if reference.get("kind") == "Role" else (CLUSTERROLES, "")
        name = str(reference.get("name", ""))
        key = (resource.key, space, name)
        stored = self._store.get(*key)
        if stored is None:
            self._rules.pop(key, None)
            return None
        known = self._rules.get(key)
        if known is None or known[0] != stored.rv:
            known = self._rules[key] = (stored.rv, tuple(Rule.of(rule) for rule in stored.obj.get("rules") or []))
        return known[1]

    def _grants(self, user: User, namespace: str, missing: list[str]) -> Iterator[tuple[Obj, tuple[Rule, ...]]]:
        """The bindings that name the user, with their roles' rules; `missing` gets the roles that do not exist."""
        self._refresh()
        subjects: list[_Subject] = [("User", user.name), *(("Group", group) for group in user.groups)]
        for space in ("", namespace) if namespace else ("",):
            by_subject = self._index.get(space)
            for subject in subjects if by_subject else ():
                for binding in by_subject.get(subject, ()) if by_subject else ():
                    rules = self.role_rules(binding["roleRef"], space)
                    if rules is None:
                        reference = binding["roleRef"]
                        kind = f"{reference['kind'].lower()}.{GROUP}"
                        missing.append(f'{kind} "{reference["name"]}" not found')
                    else:
                        yield binding, rules

    def _refresh(self) -> None:
        changed = self._store.changed
        now = (changed.get(ROLEBINDINGS.key, 0), changed.get(CLUSTERROLEBINDINGS.key, 0))
        if now == self._indexed:
            return
        index: _Index = {}
        for resource in (CLUSTERROLEBINDINGS, ROLEBINDINGS):
            for stored in self._store.list(resource.key):
                by_subject = index.setdefault(namespace_of(stored.obj), {})
                for subject in {_subject(entry) for entry in stored.obj.get("subjects") or []}:
                    by_subject.setdefault(subject, []).append(stored.obj)
        self._index, self._indexed = index, now


def _subject(entry: Obj) -> _Subject:
    """A subject of a binding as (User or Group, name); a ServiceAccount is the user it authenticates as."""
    if entry.get("kind") == "ServiceAccount":
        return "User", f"{SERVICE_ACCOUNT}{entry.get('namespace', '')}:{entry.get('name', '')}"
    return str(entry.get("kind")), str(entry.get("name"))


def _reason(binding: Obj, user: User) -> str:
    space, reference = namespace_of(binding), binding["roleRef"]
    for entry in binding.get("subjects") or []:
        subject = _subject(entry)
        if subject == ("User", user.name) or (subject[0] == "Group" and subject[1] in user.groups):
            who = entry["name"] if entry["kind"] != "ServiceAccount" else f"{entry['name']}/{entry['namespace']}"
            return (
                f'RBAC: allowed by {binding["kind"]} "{name_of(binding)}{"/" + space if space else ""}" of '
                f'{reference["kind"]} "{reference["name"]}" to {entry["kind"]} "{who}"'
            )
    return ""


def _problems(missing: list[str]) -> str:
    if not missing:
        return ""
    unique = list(dict.fromkeys(missing))
    return "RBAC: " + (unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
