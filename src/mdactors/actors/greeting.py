"""What a session with events hears first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mdactors.actors.alarms import Alarm
from mdactors.messages import FeedStatusChanged
from mdactors.protocol import alarm_event, frame_text, welcome_event


def greeting(
    statuses: Iterable[FeedStatusChanged],
    epochs: Mapping[str, int],
    now_ns: int,
    alarms: Iterable[Alarm],
    streams: Mapping[str, Mapping[str, int]],
) -> Sequence[bytes]:
    """The frames: welcome with each feed's status, then every alarm that is on already."""
    sources = [
        {"source": status.source, "status": status.status, "epoch": epochs.get(status.source, 0)}
        for status in statuses
    ]
    welcome = welcome_event(max(epochs.values(), default=0), now_ns, sources, streams)
    told = (alarm_event(each.id, each.text, active=True, since=each.since) for each in alarms)
    return [frame_text(event) for event in (welcome, *told)]
