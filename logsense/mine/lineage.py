"""Templates over time: identity, versions, counts, and their place in SQLite.

An id is given once, at birth, from what the template was then (service, first masked text, and a counter if two were
born alike); it never changes when the text generalises. A merge leaves ``alias_of`` on the one that went away; lines
counted before stay counted there, so counts over all templates always sum to the number of lines.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from logsense.mine.clusters import Cluster
from logsense.mine.masks import WILDCARD
from logsense.record import LEVEL_RANK, LogRecord, Template

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS mine_templates (
      id TEXT PRIMARY KEY, service TEXT NOT NULL, number INTEGER NOT NULL, birth TEXT NOT NULL,
      text TEXT NOT NULL, version INTEGER NOT NULL, count INTEGER NOT NULL,
      first_seen_ns INTEGER NOT NULL, last_seen_ns INTEGER NOT NULL, levels TEXT NOT NULL,
      sample TEXT NOT NULL, sample_id TEXT NOT NULL, alias_of TEXT NOT NULL,
      keywords TEXT NOT NULL, entities TEXT NOT NULL, enriched_version INTEGER NOT NULL,
      layout TEXT NOT NULL, tokens TEXT NOT NULL, first_token TEXT NOT NULL, merged_into INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS mine_keys (
      seq INTEGER PRIMARY KEY, service TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS mine_varied (service TEXT, name TEXT, PRIMARY KEY (service, name)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS mine_keys_service ON mine_keys (service, seq)",
)

#: Cluster number of a service's ``unclustered`` template.
UNCLUSTERED = 0
UNCLUSTERED_TEXT = WILDCARD


def clean(text: str) -> str:
    """``text`` without lone surrogates, which SQLite cannot store."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def template_id(service: str, birth: str, disambiguator: int) -> str:
    """16 hex digits that depend on nothing but the arguments."""
    key = f"{service}\0{birth}\0{disambiguator}".encode("utf-8", "backslashreplace")
    return hashlib.blake2b(key, digest_size=8).hexdigest()


@dataclass(slots=True)
class Line:
    """A template with what the miner must remember about it besides."""

    template: Template
    birth: str
    cluster: Cluster | None  # None for the `unclustered` template
    levels: dict[str, int] = field(default_factory=dict)
    pieces: tuple[str, ...] = ()

    def see(self, record: LogRecord) -> None:
        """Count one record of this template."""
        template, at = self.template, record.timestamp_ns
        if not template.count:
            template.first_seen_ns = template.last_seen_ns = at
            template.sample, template.sample_id = clean(record.message[:2000]), clean(record.id)
        elif at > template.last_seen_ns:
            template.last_seen_ns = at
        elif at < template.first_seen_ns:
            template.first_seen_ns = at
        template.count += 1
        if record.level in LEVEL_RANK:
            self.levels[record.level] = self.levels.get(record.level, 0) + 1

    def take_text(self, text: str, version: int) -> None:
        self.template.text, self.template.version = text, version
        self.pieces = tuple(text.split(WILDCARD))

    def snapshot(self) -> Template:
        """A copy that later lines do not change; ``level`` is the most common one, the worse of equals."""
        level = max(self.levels, key=lambda name: (self.levels[name], LEVEL_RANK[name]), default="")
        return replace(
            self.template, level=level, keywords=list(self.template.keywords), entities=list(self.template.entities)
        )


def spans(pieces: tuple[str, ...], text: str) -> list[slice] | None:
    """Where the wildcards between the literals ``pieces`` lie in ``text``, or None where the literals do not fit.

    Leftmost match per literal, the last one anchored at the end: linear, and finds an alignment if there is one.
    """
    if len(pieces) == 1:
        return [] if pieces[0] == text else None
    start, end = len(pieces[0]), len(text) - len(pieces[-1])
    if end < start or not text.startswith(pieces[0]) or not text.endswith(pieces[-1]):
        return None
    found = []
    find = text.find
    for piece in pieces[1:-1]:
        at = find(piece, start, end)
        if at < 0:
            return None
        if at == start or text[start].isspace() or text[at - 1].isspace():
            found.append(_trimmed(text, start, at))
        else:
            found.append(_slice(start, at))
        start = at + len(piece)
    found.append(_trimmed(text, start, end))
    return found


def _trimmed(text: str, start: int, end: int) -> slice:
    """The slice without white space at its ends, which the template's single spaces do not cover."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return _slice(start, end)


#: Remembered lines hold some each, and most of those are alike.
_slice = lru_cache(maxsize=65_536)(slice)


def loose_spans(pieces: tuple[str, ...], text: str) -> list[slice] | None:
    """``spans`` for a text that differs from the template in white space; the slices are of ``text`` itself."""
    offsets: list[int] = []  # of each character of the text with single spaces
    words: list[str] = []
    for word in re.finditer(r"\S+", text):
        if words:
            offsets.append(word.start() - 1)
        words.append(word.group())
        offsets.extend(range(word.start(), word.end()))
    offsets.append(len(text))
    found = spans(pieces, " ".join(words))
    if found is None:
        return None
    return [
        slice(offsets[span.start], offsets[span.stop - 1] + 1 if span.stop > span.start else offsets[span.start])
        for span in found
    ]


def create_tables(db: sqlite3.Connection) -> None:
    for statement in SCHEMA:
        db.execute(statement)


def save_keys(db: sqlite3.Connection, service: str, keys: Iterable[tuple[str, int]], *, replace: bool) -> None:
    """Append (masked line, cluster number) pairs in the order learned, after dropping the old ones if ``replace``."""
    if replace:
        db.execute("DELETE FROM mine_keys WHERE service = ?", (service,))
    db.executemany(
        "INSERT INTO mine_keys (service, key, number) VALUES (?,?,?)", ((service, key, n) for key, n in keys)
    )


def load_keys(db: sqlite3.Connection, service: str) -> dict[str, int]:
    """The service's masked lines and their cluster numbers, oldest first."""
    return dict(db.execute("SELECT key, number FROM mine_keys WHERE service = ? ORDER BY seq", (service,)))


def save_varied(db: sqlite3.Connection, service: str, names: Iterable[str]) -> None:
    """The names whose values were seen to differ; they only ever grow."""
    db.executemany("INSERT OR IGNORE INTO mine_varied VALUES (?,?)", ((service, name) for name in names))


def load_varied(db: sqlite3.Connection, service: str) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM mine_varied WHERE service = ?", (service,))]


def save_lines(db: sqlite3.Connection, lines: Iterable[Line]) -> None:
    """Insert or replace the given templates; the caller commits."""
    db.executemany(
        "INSERT OR REPLACE INTO mine_templates VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (_row(line) for line in lines),
    )


def _row(line: Line) -> tuple:
    t, c = line.template, line.cluster
    return (
        *(t.id, t.service, c.number if c else UNCLUSTERED, line.birth, t.text, t.version, t.count),
        *(t.first_seen_ns, t.last_seen_ns, json.dumps(line.levels), t.sample, t.sample_id, t.alias_of),
        *(json.dumps(t.keywords), json.dumps(t.entities), t.enriched_version),
        *((c.layout, json.dumps(c.tokens), c.first, c.merged_into) if c else ("", "[]", "", 0)),
    )


def load_lines(db: sqlite3.Connection) -> list[Line]:
    """All saved templates, ordered by service and birth."""
    columns = "id,service,number,birth,text,version,count,first_seen_ns,last_seen_ns,levels,sample,sample_id,alias_of"
    columns += ",keywords,entities,enriched_version,layout,tokens,first_token,merged_into"
    lines = []
    for row in db.execute(f"SELECT {columns} FROM mine_templates ORDER BY service, number"):  # noqa: S608 own columns
        values = dict(zip(columns.split(","), row, strict=True))
        template = Template(
            **{k: values[k] for k in ("id", "service", "text", "version", "count", "first_seen_ns", "last_seen_ns")},
            **{k: values[k] for k in ("sample", "sample_id", "alias_of", "enriched_version")},
            keywords=json.loads(values["keywords"]),
            entities=json.loads(values["entities"]),
        )
        cluster = None
        if values["number"] != UNCLUSTERED:
            cluster = Cluster(
                values["number"],
                values["layout"],
                json.loads(values["tokens"]),
                values["first_token"],
                values["text"],
                values["merged_into"],
                values["version"],
            )
        line = Line(template, values["birth"], cluster, json.loads(values["levels"]))
        line.take_text(template.text, template.version)
        lines.append(line)
    return lines
