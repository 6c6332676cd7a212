"""Times and lines named by what happened: "since the deploy", "during INC-42", "template 9b1c578e8b3ae380"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from logsense.search.understood import Catalog, Moment

#: What people call an event -> its kind, the key of ``Catalog.moment``.
KINDS = {
    "deploy": "deploy", "deployment": "deploy", "release": "deploy", "rollout": "deploy", "roll-out": "deploy",
    "upgrade": "upgrade", "update": "upgrade", "restart": "restart", "reboot": "reboot", "boot": "reboot",
    "incident": "incident", "outage": "incident", "crash": "crash",
}  # fmt: skip
#: Words that lines about such an event hold.
EVENT_WORDS = {
    "deploy": ("deployed", "deployment", "rollout", "release", "revision installed", "version installed"),
    "upgrade": ("upgraded", "upgrade", "updated"),
    "restart": ("restarted", "restarting", "restart"),
    "reboot": ("booting", "rebooting", "reboot", "kernel command line"),
    "crash": ("crashed", "segfault", "core dumped", "panic", "terminated by signal"),
}

_EVENT = re.compile(
    r"\b(?P<how>since|after|before|until|following)\s+(?:the\s+|our\s+)?(?:last\s+|latest\s+|previous\s+|most\s+recent\s+)?"
    r"(?P<kind>" + "|".join(sorted(KINDS, key=len, reverse=True)) + r")\b",
    re.I,
)
_INCIDENT = re.compile(
    r"(?:\b(?:during|in|of|about|for|around|within)\s+)?(?:\bthe\s+)?(?:\bincident\s+(?P<id>[A-Za-z0-9_-]*\d[\w-]*)|\b(?P<bare>INC-[\w-]+))",
    re.I,
)
_TEMPLATE = re.compile(r"\b(?:template|message\s+type)\s+(?:id\s+)?(?P<id>[0-9a-f]{8,32}|t-[\w-]+)\b", re.I)


@dataclass(frozen=True, slots=True)
class Named:
    """A named moment: where its words stand, and how it bounds the time (since, after, before, until, during)."""

    moment: Moment
    how: str
    start: int
    end: int


def find_named(text: str, catalog: Catalog, now_ns: int) -> tuple[Named | None, str]:
    """The first named event or incident in ``text``, and a note where one is named that the index does not know."""
    if catalog.moment is None:
        return None, ""
    if match := _INCIDENT.search(text):
        wanted = match["id"] or match["bare"]
        moment = catalog.moment(wanted, now_ns)
        if moment is not None:
            return Named(moment, "during", match.start(), match.end()), ""
        return None, f"no incident is named {wanted}"
    if match := _EVENT.search(text):
        moment = catalog.moment(KINDS[match["kind"].lower()], now_ns)
        if moment is not None:
            return Named(moment, match["how"].lower(), match.start(), match.end()), ""
        return None, f"no {match['kind'].lower()} is recorded in the logs; searched all the time"
    return None, ""


def find_templates(text: str) -> list[tuple[int, int, str]]:
    """(start, end, id) of each template that is named by its id."""
    return [(match.start(), match.end(), match["id"]) for match in _TEMPLATE.finditer(text)]
