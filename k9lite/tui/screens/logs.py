"""Logs: followed live, over all pods of what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import on

from k9lite.api.catalog import PODS
from k9lite.api.objects import Obj, name_of, namespace_of
from k9lite.tui import actions
from k9lite.tui.feed import Subscription
from k9lite.tui.links import is_same, pods_of
from k9lite.tui.log_buffer import Line
from k9lite.tui.log_streams import LogStreams
from k9lite.tui.screens.page import PageScreen
from k9lite.tui.widgets.line_view import LineView, Span

FLUSH_SECONDS = 0.1
STAMP_CELLS = len("2026-01-02T03:04:05.123456789Z")
SOURCE_COLOURS = 6


class LogScreen(PageScreen):
    """`objs` are pods, or what has pods behind it."""

    SCOPE = "logs"
    BINDINGS = actions.bindings("logs")

    def __init__(self, objs: Sequence[Obj], *, previous: bool = False) -> None:
        super().__init__(LineView(self._spans, follow=True))
        self._predicates = [is_same(obj) if obj["kind"] == "Pod" else pods_of(obj) for obj in objs]
        self._namespaces = sorted({namespace_of(obj) for obj in objs})
        self._single = len(objs) == 1 and objs[0]["kind"] == "Pod"
        self._previous = previous
        self._stamps = False
        self._streams: LogStreams | None = None
        self._subscriptions: list[Subscription] = []
        self._noted = ""
        names = name_of(objs[0]) if len(objs) == 1 else f"{len(objs)} {objs[0]['kind'].lower()}s"
        self.crumb = f"logs {names}"
        self._title = f"{'Previous logs' if previous else 'Logs'} of {objs[0]['kind'].lower()} {names}"

    def on_mount(self) -> None:
        super().on_mount()
        self.title_text = self._title
        feed = self.k9.feed
        if feed is None:
            self.note("not connected")
            return
        self._streams = LogStreams(feed.client, previous=self._previous, changed=self._state_changed)
        self._subscriptions = [feed.subscribe(PODS, namespace) for namespace in self._namespaces]
        self.set_interval(FLUSH_SECONDS, self._flush)

    async def on_unmount(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        if self._streams:
            await self._streams.close()

    def _flush(self) -> None:
        streams = self._streams
        if streams is None or not self.is_attached:
            return
        news = False
        for subscription in self._subscriptions:
            whole, changes = subscription.drain()
            news = news or whole is not None or bool(changes)
        if news:
            streams.update(
                pod
                for subscription in self._subscriptions
                for pod in list(subscription.objects.values())
                if any(predicate(pod) for predicate in self._predicates)
            )
        lines = streams.take()
        if lines:
            self.view.append(lines)
        self._state_changed()

    def _state_changed(self) -> None:
        if not self.is_attached or self.view.pattern is not None:
            return
        streams = self._streams
        parts = ["following" if self.view.follow else "paused, G resumes"]
        if streams and not self._single:
            parts.append(f"{streams.count} containers")
        parts.append(f"{len(self.view.buffer):,} lines")
        if self.view.buffer.dropped:
            parts.append(f"{self.view.buffer.dropped:,} dropped")
        if streams:
            parts += [f"{label}: {text}" for label, text in streams.problems.items() if text][:1]
        text = " · ".join(parts)
        if text != self._noted:
            self._noted = text
            self.note(text)

    @on(LineView.FollowChanged)
    def _follow_changed(self) -> None:
        self._state_changed()

    # Lines -------------------------------------------------------------------------------------------
    def _spans(self, line: Line) -> list[Span]:
        source, raw = line
        stamp, _, text = raw.partition(" ")
        spans: list[Span] = []
        if not self._single:
            name = self._streams.sources[source] if self._streams else ""
            spans.append((f"{name} ", f"source-{source % SOURCE_COLOURS}"))
        if self._stamps:
            spans.append((stamp[:STAMP_CELLS].ljust(STAMP_CELLS) + " ", "muted"))
        low = text[:200].lower()
        part = "error" if "error" in low or "fatal" in low else "warning" if "warn" in low else ""
        return [*spans, (text, part)]

    def all_text(self) -> str:
        return "".join("".join(text for text, _ in self._spans(line)) + "\n" for line in self.view.buffer)

    # Keys ------------------------------------------------------------------------------------------
    def action_resume(self) -> None:
        self.view.follow = True
        self.view.scroll_end(animate=False, immediate=True, x_axis=False)

    def action_pause(self) -> None:
        self.view.follow = not self.view.follow

    def action_timestamps(self) -> None:
        self._stamps = not self._stamps
        self.view.measure_again()

    def action_save(self) -> None:
        self.k9.save(f"{self.crumb.replace(' ', '-').replace('/', '-')}.log", self.all_text(), Path.cwd())
