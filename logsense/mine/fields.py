"""Parameters that have a name become fields of their line, so that they can be filtered on.

``user=<*>`` and "for user <*>" give ``user.name``, "from <*> port <*>" ``source.ip`` and ``source.port`` where the
value is an address, any other ``key=<*>`` and nouns that name things ("pool <*>") ``labels.<key>``. Which parameter is
what is decided once per text of a template, from the words around it; a line only checks that its values fit. What is
ambiguous stays without a name: two addresses of which neither is the sender are no ``source.ip``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from logsense.mine.lineage import loose_spans, spans
from logsense.mine.masks import WILDCARD, load_words
from logsense.mine.values import is_address, is_ip
from logsense.record import LogRecord

LABEL = "labels."
#: Names of labels in one process; they come from the constant parts of templates, so real systems have some dozens.
MAX_LABELS = 500
#: Fields that one line gets from its parameters, and the longest value that can be one.
MAX_FIELDS = 16
MAX_VALUE = 128

_KEY = re.compile(r"([A-Za-z][\w.-]{0,39})\s?=\s?[\"'(\[]?$")
_WORD = re.compile(r"(?<![\w=])([A-Za-z]{2,20}):?\s[\"'(\[]?$")
_ADDRESS, _PORT, _NAME, _TEXT = "address", "port", "name", "text"
_KEYS = {
    **dict.fromkeys(("rhost", "src", "src_ip", "srcip", "source_ip", "client_ip", "clientip", "remote_addr", "rip"),
                    ("source.ip", _ADDRESS)),
    **dict.fromkeys(("dst", "dst_ip", "dstip", "dest_ip", "destination_ip", "lip"), ("destination.ip", _ADDRESS)),
    **dict.fromkeys(("spt", "sport", "src_port", "source_port", "client_port"), ("source.port", _PORT)),
    **dict.fromkeys(("dpt", "dport", "dst_port", "dest_port"), ("destination.port", _PORT)),
    **dict.fromkeys(("user", "username", "ruser", "user_name", "login"), ("user.name", _NAME)),
}  # fmt: skip
_WORDS = {
    "from": ("source.ip", _ADDRESS), "client": ("source.ip", _ADDRESS), "peer": ("source.ip", _ADDRESS),
    "to": ("destination.ip", _ADDRESS), "user": ("user.name", _NAME), "username": ("user.name", _NAME),
}  # fmt: skip
_NO_LABELS = frozenset(("user", "username", "ruser", "host", "hostname", "client", "class", "index", "table", "column"))

Target = tuple[str, str] | None


@cache
def _nouns() -> frozenset[str]:
    return load_words().introducers - _NO_LABELS


@lru_cache(maxsize=8192)
def targets(text: str) -> tuple[Target, ...]:
    """(field, kind of value) for each wildcard of a template's text; None where it has no name."""
    found: list[Target] = []
    before = ""
    for piece in text.split(WILDCARD)[:-1]:
        previous = found[-1] if found else None
        before = (before + piece)[-200:]
        found.append(_target(before, piece, previous))
        before += WILDCARD
    taken = Counter(target[0] for target in found if target)
    return tuple(target if target and taken[target[0]] == 1 else None for target in found)


def _target(before: str, piece: str, previous: Target) -> Target:
    if match := _KEY.search(before):
        key = match[1].lower().rstrip(".-")
        return _KEYS.get(key, (LABEL + key, _TEXT))
    if piece.strip(" ()[]:,") == "port" and previous and previous[1] in (_ADDRESS, _NAME):
        return previous[0].replace(".ip", ".port").replace("user.name", "source.port"), _PORT
    match = _WORD.search(before)
    word = match[1].lower() if match else ""
    if word in _WORDS:
        return _WORDS[word]
    return (LABEL + word, _TEXT) if word in _nouns() else None


class ParameterFields:
    """``Stage`` behind the miner. ``text_of`` gives the text that a template has now."""

    name = "name"

    def __init__(self, text_of: Callable[[str], str]) -> None:
        self._text_of = text_of
        self._plans: dict[str, tuple[str, tuple[Target, ...]]] = {}
        self._labels: set[str] = set()

    def process(self, records: list[LogRecord]) -> list[LogRecord]:
        """Add the fields; what the sender stated or the parser found stays as it is."""
        now: dict[str, tuple[tuple[Target, ...], str]] = {}
        for record in records:
            plan = now.get(record.template_id)
            if plan is None:
                plan = now[record.template_id] = self._plan(record.template_id)
            wanted, changed = plan
            if not wanted:
                continue
            values = record.parameters
            if changed or len(values) != len(wanted):
                # Where the text became wider within this batch, its first lines have the parameters of the text before.
                values = _values(changed or self._text_of(record.template_id), record.message)
            if len(values) == len(wanted):
                self._name(record, wanted, values)
        return records

    def _plan(self, template_id: str) -> tuple[tuple[Target, ...], str]:
        """(the targets, () when there are none; the text if it changed since the last batch)."""
        text = self._text_of(template_id)
        known = self._plans.get(template_id)
        if known is not None and known[0] == text:
            return known[1], ""
        wanted = targets(text)
        for target in wanted:
            if target and target[0].startswith(LABEL) and len(self._labels) < MAX_LABELS:
                self._labels.add(target[0])
        wanted = tuple(t if t and (not t[0].startswith(LABEL) or t[0] in self._labels) else None for t in wanted)
        if not any(wanted):
            wanted = ()
        self._plans[template_id] = text, wanted
        return wanted, text if known is not None else ""

    @staticmethod
    def _name(record: LogRecord, wanted: tuple[Target, ...], values: Sequence[str]) -> None:
        fields, added = record.fields, 0
        for target, value in zip(wanted, values, strict=True):
            if target is None or target[0] in fields or not value or len(value) > MAX_VALUE or value == WILDCARD:
                continue
            if target[1] == _NAME and " " in value:
                # "user ann 10.0.0.1 port 22": variables side by side are one.
                value, _, address = value.partition(" ")
                if not is_ip(address):
                    continue
                fields.setdefault("source.ip", address)
            if target[0] == "source.port" and "source.ip" not in fields:
                continue  # a port of whom?
            found = convert(value, target[1])
            if found is not None and added < MAX_FIELDS:
                fields[target[0]] = found
                added += 1
                if target[1] == _ADDRESS and found != value:  # 10.0.0.1:22
                    fields.setdefault(target[0].replace(".ip", ".port"), int(value.rpartition(":")[2]))


def convert(value: str, kind: str) -> Any:
    """The value as its field holds it; None where it is none of that kind."""
    if kind == _TEXT:
        return value
    if kind == _PORT:
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 5 and int(value) < 65536 else None
    if kind == _NAME:
        return value if len(value) <= 64 and " " not in value else None
    return _address(value)


@lru_cache(maxsize=16_384)
def _address(value: str) -> str | None:
    if is_ip(value):
        return value
    return value.rpartition(":")[0].strip("[]") if is_address(value) else None


def _values(text: str, message: str) -> list[str]:
    """The values of the message for the wildcards of ``text``; none where it does not fit."""
    pieces = tuple(text.split(WILDCARD))
    found = spans(pieces, message) or loose_spans(pieces, message) or []
    return [message[span] for span in found]
