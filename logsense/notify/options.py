"""Options of notification."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SEVERITIES = ("low", "medium", "high", "critical")
TYPES = ("apprise", "webhook", "alertmanager", "alertmanager_webhook")
_QUIET = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """``[[notify.channel]]``: one way to tell people."""

    #: Short name of the channel; what was told is remembered by it.
    name: str
    #: ``apprise`` (Slack, e-mail, Teams, ntfy, PagerDuty and a hundred more), ``webhook`` (JSON by POST),
    #: ``alertmanager`` (the API of a Prometheus Alertmanager) or ``alertmanager_webhook`` (what one would post).
    type: str = "apprise"
    #: Where to: an Apprise URL such as ``slack://…`` or ``mailtos://…``, or an http(s) URL for the other types.
    url: str = ""
    #: Name of an environment variable that holds the URL, so that its secret is not in this file.
    url_env: str = ""
    #: Incidents below this severity are not told here: ``low``, ``medium``, ``high`` or ``critical``.
    min_severity: str = "low"
    #: Only incidents of these pipelines; empty means all.
    pipelines: tuple[str, ...] = ()
    #: Only incidents on hosts that match one of these patterns (``db*``); empty means all.
    hosts: tuple[str, ...] = ()
    #: Whether to say when it is over.
    resolved: bool = True
    #: Messages an hour at most; what is beyond it comes together as one digest.
    max_per_hour: int = 20
    #: Hours in which only critical incidents are told at once, e.g. ``22:00-07:00``; the others follow as a digest.
    quiet: str = ""
    #: Zone of ``quiet`` as an IANA name.
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise ValueError(f"channel {self.name!r}: type must be one of {', '.join(TYPES)}")
        if bool(self.url) == bool(self.url_env):
            raise ValueError(f"channel {self.name!r}: set url or url_env")
        if self.min_severity not in SEVERITIES:
            raise ValueError(f"channel {self.name!r}: min_severity must be one of {', '.join(SEVERITIES)}")
        if self.max_per_hour < 1:
            raise ValueError(f"channel {self.name!r}: max_per_hour must be at least 1")
        if self.quiet and not _QUIET.fullmatch(self.quiet.strip()):
            raise ValueError(f"channel {self.name!r}: quiet must read like 22:00-07:00")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"channel {self.name!r}: unknown time_zone {self.time_zone!r}") from error
        self._hours()

    def is_quiet(self, at_s: float) -> bool:
        """Whether the Unix time ``at_s`` lies in the quiet hours; they may run over midnight."""
        hours = self._hours()
        if hours is None:
            return False
        now = datetime.fromtimestamp(at_s, ZoneInfo(self.time_zone)).time()
        begin, end = hours
        return begin <= now < end if begin <= end else now >= begin or now < end

    def _hours(self) -> tuple[time, time] | None:
        found = _QUIET.fullmatch(self.quiet.strip())
        if not found:
            return None
        a, b, c, d = map(int, found.groups())
        return time(a, b), time(c, d)  # ValueError on 25:00: shown as a setting out of its range


@dataclass(frozen=True, slots=True)
class NotifyOptions:
    """``[notify]``: who hears of incidents. Without a channel nobody is told."""

    #: Where to tell; see ``[[notify.channel]]``.
    channel: list[ChannelSpec] = field(default_factory=list)
    #: Address under which people reach these pages, for the links, e.g. ``https://logs.example.org``.
    page_url: str = ""
    #: Seconds to wait after an incident opened: its cause is clearer then, and what is over at once is told once.
    settle_s: float = 15.0
    #: Incidents whose last sign is older than this many seconds are history that was read in, and not told.
    max_age_s: float = 3600.0
    #: Seconds after which a message that cannot be delivered is given up.
    give_up_s: float = 86_400.0
    #: Seconds between two looks at the incidents.
    every_s: float = 3.0
    #: Language of the messages: ``en`` or ``zh``.
    language: str = "en"

    def __post_init__(self) -> None:
        names = [c.name for c in self.channel]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name")
        if self.language not in ("en", "zh"):
            raise ValueError("language must be en or zh")
