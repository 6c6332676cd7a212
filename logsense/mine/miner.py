"""The mining stage: gives every record its template and parameters.

One set of clusters per service, so a template's state has one owner. What each step does is in ``masks`` (variables
by form), ``tree`` and ``clusters`` (which lines belong together) and ``lineage`` (identity and state).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from logsense.mine.clusters import Outcome, ServiceClusters
from logsense.mine.lineage import (
    UNCLUSTERED,
    UNCLUSTERED_TEXT,
    Line,
    clean,
    create_tables,
    load_keys,
    load_lines,
    load_varied,
    loose_spans,
    save_keys,
    save_lines,
    save_varied,
    spans,
    template_id,
)
from logsense.mine.masks import WILDCARD, Masker, encode, flatten, opaque, places
from logsense.mine.tokens import Roles
from logsense.mine.tree import TreeOptions
from logsense.record import LogRecord, Template

# Where the frames of a stack trace begin: what is above them is the message.
_FRAMES = re.compile(
    r"\n\s*(?:at [\w.$<>]+\(|Caused by: |Traceback \(most recent|File \"|\.\.\. \d+ more|goroutine \d)"
)

#: Stands for the services beyond ``max_services``.
OTHER_SERVICES = "(other services)"


@dataclass(frozen=True, slots=True)
class MinerOptions:
    """Bounds of the miner's memory, and how alike two lines of one template must be."""

    #: Services that get clusters of their own; lines of further services share one `unclustered` template.
    max_services: int = 500
    #: Templates per service, merged ones included; what fits none of them then is `unclustered`.
    max_templates: int = 5_000
    #: Masked lines remembered per service for the exact look-up; the oldest tenth goes first.
    max_keys: int = 20_000
    #: Characters of a message that are mined; the rest counts as one variable.
    max_chars: int = 4_000
    #: Tokens (words and delimiters) of a message that are mined; the rest counts as one variable.
    max_tokens: int = 256
    #: Tokens whose masked form is remembered, for all services together. Changes speed only.
    token_cache: int = 50_000
    #: Lines whose template is remembered by their text, for all services together. Changes speed only.
    line_cache: int = 100_000
    #: Parameters that have a name become fields of their line: user.name, source.ip, labels.<key>.
    fields: bool = True
    #: What may differ between lines of one template.
    tree: TreeOptions = field(default_factory=TreeOptions)


class _Service:
    """The clusters of one service and their templates."""

    def __init__(self, name: str, clusters: ServiceClusters | None) -> None:
        self.name = name
        self.clusters = clusters
        self.lines: dict[int, Line] = {}
        #: First-round masked line → template: a cache in front of ``clusters.keys``, dropped when those are evicted.
        self.fast: dict[str, Line] = {}
        #: Flattened line → (template, its literals then, where its wildcards lie): another cache in front of that.
        self.flat: dict[bytes, tuple[Line, tuple[str, ...], list[slice]]] = {}
        #: Flattened line → where its digits matter; the line cache has it under those digits then (``_with_digits``).
        self.matter: dict[bytes, tuple[slice, ...]] = {}
        self.evictions = 0
        #: The evictions at the time of the last save.
        self.saved_evictions = 0

    def forget(self) -> None:
        """Drop the caches: what they answer may have changed."""
        self.fast.clear()
        self.flat.clear()
        self.matter.clear()


class Miner:
    """``Stage`` and ``Stateful``. Not thread-safe: one thread calls all methods."""

    name = "mine"

    def __init__(self, options: MinerOptions | None = None) -> None:
        self.options = options or MinerOptions()
        self._masker = Masker(self.options.token_cache)
        self._roles = Roles(self._masker.words)
        self._services: dict[str, _Service] = {}
        self._overflow = _Service(OTHER_SERVICES, None)
        self._ids: dict[str, Line] = {}
        self._dirty: dict[str, Line] = {}
        self._unsaved: dict[str, Line] = {}
        self._cached = 0

    def process(self, records: list[LogRecord]) -> list[LogRecord]:
        """Set ``template_id`` and ``parameters`` of every record; the same list is returned."""
        name, service = None, self._overflow
        touched: set[int] = set()
        texts, flats = self._flat(records)
        self._prepare(records, flats)
        for record, text, flat in zip(records, texts, flats, strict=True):
            if record.service != name:
                name = record.service
                service = self._service(name)
            known = service.flat.get(flat)
            if known is None and (matter := service.matter.get(flat)) is not None:
                known = service.flat.get(_with_digits(flat, encode(text), matter))
            if known is not None and known[1] is known[0].pieces:
                line = known[0]
                record.parameters = [text[span] for span in known[2]]
            else:
                line = self._line(service, record, text, flat)
            line.see(record)
            record.template_id = line.template.id
            if id(line) not in touched:
                touched.add(id(line))
                self._touch(line)
        return records

    def _flat(self, records: Sequence[LogRecord]) -> tuple[list[str], list[bytes]]:
        """(what is mined of each message, that with its digits flattened)."""
        limit = self.options.max_chars
        texts = [
            text if len(text) <= limit and "\n" not in text else self._head(text)
            for text in [record.message for record in records]
        ]
        flats = flatten(encode("\n".join(texts))).split(b"\n") if texts else []
        if len(flats) != len(texts):
            flats = [flatten(encode(text)) for text in texts]
        return texts, flats

    def _prepare(self, records: Sequence[LogRecord], flats: Sequence[bytes]) -> None:
        """Let the masker see all lines at once that the line caches do not know."""
        name, flat_cache, matter_cache = None, self._overflow.flat, self._overflow.matter
        new: list[bytes] = []
        for record, flat in zip(records, flats, strict=True):
            if record.service != name:
                name = record.service
                service = self._services.get(name, self._overflow)
                flat_cache, matter_cache = service.flat, service.matter
            if flat not in flat_cache and flat not in matter_cache:
                new.append(flat)
        if new:
            self._masker.prepare(b" ".join(new))

    def _line(self, service: _Service, record: LogRecord, text: str, flat: bytes) -> Line:
        """The template of one line that the line cache does not know; sets the record's parameters."""
        data = encode(text)
        tokens, matter = self._masker.mask_tokens(data, flat)
        masked = " ".join(tokens)
        line = service.fast.get(masked)
        if line is None:
            shape = self._shape(tokens, matter) if matter else masked
            line = service.fast.get(shape) or self._find(service, masked, shape)
        found = spans(line.pieces, text)
        if found is None:
            found = loose_spans(line.pieces, text) or []
        record.parameters = [text[span] for span in found]
        if len(flat) <= 1000:
            self._count_cached()
            if matter:
                service.matter[flat] = at = places(flat, matter)
                flat = _with_digits(flat, data, at)
            service.flat[flat] = (line, line.pieces, found)
        return line

    def _count_cached(self) -> None:
        self._cached += 1
        if self._cached > self.options.line_cache:
            for service in (*self._services.values(), self._overflow):
                service.forget()
            self._cached = 0

    def changed(self) -> list[Template]:
        """Copies of the templates that are new or differ since the last call, oldest change first."""
        out = [line.snapshot() for line in self._dirty.values() if line.template.count]
        self._dirty.clear()
        return out

    def enriched(self, templates: Iterable[Template]) -> None:
        """Keep the keywords and entities of enriched templates, so that later copies carry them; they are changes."""
        for template in templates:
            line = self._ids.get(template.id)
            if line is not None and template.enriched_version > line.template.enriched_version:
                mine = line.template
                mine.keywords, mine.entities = list(template.keywords), list(template.entities)
                mine.enriched_version = template.enriched_version
                self._unsaved[mine.id] = self._dirty[mine.id] = line

    def text_of(self, template_id: str) -> str:
        """What the template reads now; nothing for an id that is not the miner's."""
        line = self._ids.get(template_id)
        return line.template.text if line else ""

    def templates(self) -> list[Template]:
        """Copies of all templates, aliases included."""
        return [line.snapshot() for line in self._ids.values()]

    # -- finding the template -------------------------------------------------------------------------------------

    def _service(self, name: str) -> _Service:
        service = self._services.get(name)
        if service is None:
            name = clean(name)
            service = self._services.get(name)
        if service is None:
            if len(self._services) >= self.options.max_services:
                return self._overflow
            service = self._services[name] = _Service(name, self._new_clusters())
        return service

    def _new_clusters(self) -> ServiceClusters:
        o = self.options
        return ServiceClusters(
            o.tree, self._roles, max_clusters=o.max_templates, max_keys=o.max_keys, max_tokens=o.max_tokens
        )

    def _head(self, text: str) -> str:
        """The part of a long or multi-line message that is mined, with one variable for what is cut off.

        Its value is not repeated in the parameters (it may be megabytes): it is given as ``<*>``.
        """
        frames = _FRAMES.search(text, 0, self.options.max_chars)
        end = frames.start() if frames else len(text)
        if end > self.options.max_chars:
            end = self.options.max_chars
        return text if end == len(text) else f"{text[:end]} {WILDCARD}"

    def _shape(self, tokens: list[str], matter: Sequence[int]) -> str:
        """The masked line with one word in place of all words like ``web12``: endless names have one key."""
        shape = list(tokens)
        is_fixed = self._roles.is_fixed
        for i in matter:
            if not is_fixed(tokens[i]):
                shape[i] = opaque(tokens[i])
        return " ".join(shape)

    def _find(self, service: _Service, masked: str, shape: str) -> Line:
        clusters = service.clusters
        if clusters is None:
            return self._unclustered(service)
        key = clean(self._masker.rewrite(masked))
        outcome = clusters.assign(key, key if shape == masked else clean(self._masker.rewrite(shape)))
        if clusters.evictions != service.evictions:
            service.evictions = clusters.evictions
            service.forget()
        if outcome.born or outcome.changed:
            self._follow(service, outcome)
        line = service.lines[outcome.cluster.number] if outcome.cluster else self._unclustered(service)
        self._count_cached()
        service.fast[shape if outcome.any_name else masked] = line
        return line

    def _follow(self, service: _Service, outcome: Outcome) -> None:
        """Bring the templates up to what the clusters became."""
        assert service.clusters is not None
        if outcome.born:
            cluster = service.clusters.clusters[-1]
            self._add(service, Line(Template("", ""), cluster.text, cluster))
        for cluster in outcome.changed:
            line = service.lines[cluster.number]
            if cluster.merged_into:
                self._alias(service, line, service.lines[service.clusters.resolve(cluster.number).number])
            else:
                line.take_text(cluster.text, cluster.version)
            self._touch(line)

    def _alias(self, service: _Service, gone: Line, keep: Line) -> None:
        """Let ``gone`` and whatever was merged into it before name the survivor."""
        old = gone.template.id
        for line in (gone, *(line for line in service.lines.values() if line.template.alias_of == old)):
            line.template.alias_of = keep.template.id
            self._touch(line)
        service.forget()

    def _add(self, service: _Service, line: Line) -> Line:
        disambiguator = 0
        while (new_id := template_id(service.name, line.birth, disambiguator)) in self._ids:
            disambiguator += 1
        line.template = Template(new_id, line.birth, service.name)
        line.take_text(line.birth, 1)
        self._ids[new_id] = line
        service.lines[line.cluster.number if line.cluster else UNCLUSTERED] = line
        self._touch(line)
        return line

    def _unclustered(self, service: _Service) -> Line:
        line = service.lines.get(UNCLUSTERED)
        return line or self._add(service, Line(Template("", ""), UNCLUSTERED_TEXT, None))

    def _touch(self, line: Line) -> None:
        self._dirty[line.template.id] = self._unsaved[line.template.id] = line

    # -- state ----------------------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Restore what ``save`` wrote: the same lines get the same ids as if the process had gone on."""
        create_tables(db)
        by_service: dict[str, list[Line]] = {}
        for line in load_lines(db):
            by_service.setdefault(line.template.service, []).append(line)
            self._ids[line.template.id] = line
        for name, lines in by_service.items():
            service = self._overflow if name == OTHER_SERVICES else self._service(name)
            if service is self._overflow and name != OTHER_SERVICES:
                continue  # saved under a higher max_services: its templates stay, its lines go to the overflow
            service.lines = {line.cluster.number if line.cluster else UNCLUSTERED: line for line in lines}
            if service.clusters is not None:
                service.clusters.restore(
                    [line.cluster for line in lines if line.cluster], load_keys(db, name), load_varied(db, name)
                )

    def save(self, db: sqlite3.Connection) -> None:
        """Write what changed since the last save. The caller commits."""
        create_tables(db)
        save_lines(db, self._unsaved.values())
        self._unsaved.clear()
        for name, service in self._services.items():
            clusters = service.clusters
            if clusters is None or not clusters.new_keys:
                continue
            rewrite = service.saved_evictions != clusters.evictions
            keys = clusters.keys if rewrite else clusters.new_keys
            save_varied(db, name, clusters.varied)
            save_keys(db, name, ((key, clusters.keys[key]) for key in keys), replace=rewrite)
            service.saved_evictions = clusters.evictions
            clusters.new_keys = []


def _with_digits(flat: bytes, data: bytes, matter: tuple[slice, ...]) -> bytes:
    """The key of a line of which some digits matter. UTF-8 has no byte 255."""
    return b"\xff".join([flat, *[data[part] for part in matter]])


def mine_lines(lines: Iterable[str], service: str = "") -> Iterator[tuple[str, str]]:
    """(template id, template text) per line, in order. The lines are read once; the text is the one at the end, and
    a template that was merged answers with the survivor's text under its own id."""
    miner = Miner()
    ids: list[str] = []
    batch: list[LogRecord] = []

    def flush() -> None:
        ids.extend(record.template_id for record in miner.process(batch))
        batch.clear()

    for line in lines:
        batch.append(LogRecord("", 0, line, "mine_lines", 0, service=service))
        if len(batch) == 1000:
            flush()
    flush()
    texts = {template.id: template for template in miner.templates()}
    for given in ids:
        template = texts[given]
        while template.alias_of:
            template = texts[template.alias_of]
        yield given, template.text
