"""The controllers' view of the store: one watch, and indexes over what it tells.

`catch_up` takes what the watch holds already, so whoever calls it first reads its own writes: the store wakes its
watchers before it answers a writer. That is why no controller keeps expectations about objects it has just created.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable

from k9lite.api.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of, uid_of
from k9lite.api.resources import Resource
from k9lite.api.selectors import LabelSelector
from k9lite.registry.served import Served
from k9lite.store.store import Store
from k9lite.store.watch import Event, Watch

log = logging.getLogger(__name__)

Name = tuple[str, str]
"""(namespace, name)."""
Handler = Callable[[str, Obj, Obj | None], None]
"""(ADDED | MODIFIED | DELETED, object, the one before it)."""
KeysOf = Callable[[Obj], Iterable[str]]


def owners(obj: Obj) -> list[str]:
    """The uids of all owners."""
    return [reference.get("uid", "") for reference in obj["metadata"].get("ownerReferences") or ()]


def labels(obj: Obj) -> list[str]:
    """`namespace/key=value` for each label."""
    space = namespace_of(obj)
    return [f"{space}/{key}={value}" for key, value in labels_of(obj).items()]


def namespace(obj: Obj) -> list[str]:
    return [namespace_of(obj)]


def uncontrolled(obj: Obj) -> list[str]:
    """The namespace of an object without a controller, which one may adopt."""
    return [] if controller_of(obj) else [namespace_of(obj)]


class Informer:
    """The objects of one resource. They are shared: never change one."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.objects: dict[Name, Obj] = {}
        self._indexes: dict[KeysOf, dict[str, dict[Name, Obj]]] = {}
        self._handlers: list[Handler] = []
        self.index(owners)

    def index(self, keys_of: KeysOf) -> None:
        """Keep objects findable by the keys that the function gives. Before the start only."""
        self._indexes.setdefault(keys_of, {})

    def on_change(self, handler: Handler) -> None:
        """Be told each change, in order. Handlers add keys to queues and do nothing else."""
        self._handlers.append(handler)

    def get(self, space: str, name: str) -> Obj | None:
        return self.objects.get((space, name))

    def by(self, index: KeysOf, key: str) -> list[Obj]:
        """The objects that have the key in the index."""
        return list(self._indexes[index].get(key, {}).values())

    def select(self, space: str, selector: LabelSelector) -> list[Obj]:
        """The namespace's objects that match, through the rarest of the labels asked for."""
        smallest: dict[Name, Obj] | None = None
        for requirement in selector.requirements:
            if requirement.operator == "in" and len(requirement.values) == 1:
                pair = f"{space}/{requirement.key}={next(iter(requirement.values))}"
                found = self._indexes[labels].get(pair, {})
                if smallest is None or len(found) < len(smallest):
                    smallest = found
        among = smallest.values() if smallest is not None else self._indexes[namespace].get(space, {}).values()
        return [obj for obj in among if selector.matches(labels_of(obj))]

    def apply(self, verb: str, obj: Obj) -> None:
        name = (namespace_of(obj), name_of(obj))
        old = self.objects.get(name)
        if verb == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = obj
        for keys_of, index in self._indexes.items():
            before = keys_of(old) if old is not None else ()
            after = keys_of(obj) if verb != "DELETED" else ()
            for key in before:
                if key not in after:
                    bucket = index[key]
                    del bucket[name]
                    if not bucket:
                        del index[key]
            for key in after:
                index.setdefault(key, {})[name] = obj
        for handler in self._handlers:
            try:
                handler(verb, obj, old)
            except Exception:
                log.exception("%s %s: a handler failed", self.resource.key, "/".join(name))


class Informers:
    """One informer per resource, all fed by one watch. Custom resources get theirs when they are defined."""

    def __init__(self, store: Store, served: Served) -> None:
        self._store = store
        self._served = served
        self._by_key: dict[str, Informer] = {}
        self._uses: list[Callable[[Informer], None]] = []
        self._follow_served()
        served.on_change(self._follow_served)
        self._watch: Watch | None = None
        self.uids: dict[str, tuple[str, str, str]] = {}
        """uid -> (resource, namespace, name) of everything there is."""

    def of(self, resource: Resource) -> Informer:
        return self._by_key[resource.key]

    def all(self) -> Iterable[Informer]:
        return list(self._by_key.values())

    def each(self, use: Callable[[Informer], None]) -> None:
        """Call `use` with every informer there is, and with every one to come."""
        self._uses.append(use)
        for informer in self.all():
            use(informer)

    def _follow_served(self) -> None:
        for resource in self._served.each():
            informer = self._by_key.get(resource.key)
            if informer is not None:
                informer.resource = resource
                continue
            informer = self._by_key[resource.key] = Informer(resource)
            for use in self._uses:
                use(informer)

    def start(self) -> None:
        """Read what there is, and watch. Nothing awaits in between, so nothing is missed."""
        # Without a bound: the events share their objects with the store, and each turn of a worker takes them all.
        self._watch = self._store.watch(None, max_pending=sys.maxsize)
        listed = [(key, stored) for key in self._by_key for stored in self._store.list(key)]
        for key, stored in listed:
            self._note_uid("ADDED", key, stored.obj)
        for key, stored in listed:
            self._by_key[key].apply("ADDED", stored.obj)

    def catch_up(self) -> None:
        """Take in every change that the store has applied."""
        if self._watch is not None:
            for event in self._watch.ready():
                self._take(event)

    async def run(self) -> None:
        assert self._watch is not None
        async for event in self._watch:
            self._take(event)
            self.catch_up()

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _take(self, event: Event) -> None:
        informer = self._by_key.get(event.resource)
        if informer is not None:
            self._note_uid(event.verb, event.resource, event.stored.obj)
            informer.apply(event.verb, event.stored.obj)

    def _note_uid(self, verb: str, resource: str, obj: Obj) -> None:
        if verb == "DELETED":
            self.uids.pop(uid_of(obj), None)
        elif verb == "ADDED":
            self.uids[uid_of(obj)] = (resource, namespace_of(obj), name_of(obj))

    def owner(self, uid: str) -> Obj | None:
        """The object with that uid."""
        found = self.uids.get(uid)
        return self._by_key[found[0]].get(found[1], found[2]) if found else None


def controller_name(obj: Obj, kind: str) -> str | None:
    """The name of the controller of that kind."""
    reference = controller_of(obj)
    return str(reference["name"]) if reference and reference.get("kind") == kind else None


def is_controlled_by(obj: Obj, uid: str) -> bool:
    return bool(dig(controller_of(obj), "uid") == uid)
