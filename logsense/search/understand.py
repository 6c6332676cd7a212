"""A question in plain words, in ``field:value`` syntax, or both, compiled to a ``Query``.

Each recogniser takes what it understands out of the text and reports it as a chip, so a person sees why a
line is in the answer or not. What is left is the topic. Names are checked against the catalogue of what the
index holds: an unknown host is a word like any other.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import UTC, tzinfo

from logsense.record import LEVEL_RANK, Query
from logsense.search import names, times
from logsense.search.asking import find_aggregate
from logsense.search.chinese import english, is_chinese
from logsense.search.lucene import lucene
from logsense.search.moments import find_named, find_templates
from logsense.search.understood import Catalog, Chip, Understood
from logsense.search.vocabulary import terms

#: A question is no document: what goes beyond is not read.
MAX_QUESTION = 2000

_QUOTED = re.compile(r'(?<![\w"])(?P<minus>-|NOT\s+)?"(?P<text>[^"]+)"')
_FIELD = re.compile(
    r"(?<![\w/.:@-])(?P<minus>-|NOT\s+)?(?P<name>@?[A-Za-z][\w.@-]*):(?P<op>>=|<=|>|<)?"
    r'(?P<value>"[^"]*"|\((?P<group>[^()]*)\)|[^\s"()]+)'
)
_MINUS = re.compile(r"(?:(?<=\s)|^)(?:-(?=[^\W\d])|NOT\s+)(?P<word>[^\s\"]+)")
_EXCEPT = re.compile(
    r"\b(?:except(?:\s+for)?|excluding|ignoring|ignore|other\s+than|apart\s+from|but\s+not)\s+(?:the\s+|any\s+)?"
    r"(?:(?:from|on|in|host|service)\s+)?(?P<word>[^\s\",?]+)",
    re.I,
)
_IPV4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"
_IPV6 = r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){2,7}(?::?[0-9a-fA-F]{1,4}){1,6}(?![\w:])"
_PATH = r"(?<![\w/])/(?:[\w.@%+=~-]+/)*[\w.@%+=~-]*\w(?=[\s,;?!]|$)"
_UUID = r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
_CODE = r"(?<![\w./-])(?=[\w.:/-]*\d)(?=[\w.:/-]*[A-Za-z_])\w[\w.:/-]*[_:/.-][\w.:/-]*\w(?![\w-])"
_LONG = r"\b(?=\w*\d{4})(?=\w*[A-Za-z_])\w{6,}\b|\b\d{6,}\b|\b0x[0-9a-fA-F]+\b"
_IDENTIFIER = re.compile("|".join((_UUID, _IPV4, _IPV6, _PATH, _CODE, _LONG)))
_ACCOUNT = re.compile(r"\b(?:user(?:name)?|account|login)\s+(?:name(?:d)?\s+|called\s+)?(?P<name>[\w.@-]+)", re.I)
_DATABASE = re.compile(r"\b(?:database|db|schema)\s+(?:named\s+|called\s+)?(?P<name>[\w.@-]+)", re.I)
_NAMED = re.compile(r"\b(?:on|from|at|host|server|machine|node|service|unit|in)\s+(?P<name>[^\s,;?!\"'()]+)", re.I)
_TOKEN = re.compile(r"[^\s,;()\[\]{}\"!?<>]+")


def understand(question: str, *, now_ns: int, tz: tzinfo = UTC, catalog: Catalog | None = None) -> Understood:
    """Compile ``question``, asked at ``now_ns`` in the time zone ``tz``. Never raises on any text."""
    return _Reader(question, now_ns, tz, catalog or Catalog()).read()


class _Reader:
    """One question being read: ``text`` is what no recogniser has taken yet."""

    def __init__(self, question: str, now_ns: int, tz: tzinfo, catalog: Catalog) -> None:
        question = question.encode("utf-8", "replace").decode("utf-8").replace("\x00", " ")
        self.text = question[:MAX_QUESTION].translate({0x201C: '"', 0x201D: '"', 0x2019: "'", 0xFF1A: ":"})
        self.now = times.from_ns(now_ns, tz)
        self.catalog = catalog
        self.query = Query()
        self.found = Understood(self.query, "")
        self._service_words: list[str] = []
        if len(question) > MAX_QUESTION:
            self.found.notes.append(f"only the first {MAX_QUESTION} characters were read")

    def read(self) -> Understood:
        # syntax first, because it is exact; then times, whose words ("from", "on", numbers) others would take
        self._fields()
        self._quotes()
        self._language()
        self._named()
        self._excludes()
        self._aggregate()
        self._time()
        self._levels()
        self._hosts()
        self._services()
        self._components()
        self._misspelt()
        self._accounts()
        self._identifiers()
        self._topic()
        return self.found

    def _take(self, start: int, end: int) -> None:
        self.text = f"{self.text[:start]} {self.text[end:]}"

    def _chip(self, what: str, said: str, means: str, syntax: str = "") -> None:
        self.found.chips.append(Chip(what, said.strip(), means, syntax))

    # --- syntax ---------------------------------------------------------------------------------

    def _fields(self) -> None:
        for match in reversed(list(_FIELD.finditer(self.text))):
            name, value = match["name"], match["value"]
            place = terms().fields.get(name.lower())
            if place is None and not ("." in name and name.split(".")[0].lstrip("@") in terms().ecs_roots):
                continue
            values = _values(match["group"] if match["group"] is not None else value)
            if values and self._field(place or name, values, match["op"] or "", bool(match["minus"]), match[0]):
                self._take(match.start(), match.end())

    def _field(self, place: str, values: list[str], op: str, negative: bool, said: str) -> bool:
        query = self.query
        if place in ("from", "to"):
            moment = times.parse_moment(values[0], self.now, end=place == "to")
            if moment is None:
                return False
            ns = times.to_ns(moment)
            query.from_ns, query.to_ns = (ns, query.to_ns) if place == "from" else (query.from_ns, ns)
            self._chip("time", said, f"{place} {moment.isoformat(timespec='seconds')}")
        elif place == "host":
            query.hosts = self._names("host", said, values, self.catalog.hosts, negative, query.hosts)
        elif place == "service":
            query.services = self._names("service", said, values, self.catalog.services, negative, query.services)
        elif place == "level":
            levels = [level for value in values for level in _levels(value, op)]
            if negative:
                levels = [level for level in LEVEL_RANK if level not in levels]
            query.levels = list(dict.fromkeys([*query.levels, *levels]))
            self._chip("level", said, " or ".join(levels))
        elif place == "template":
            query.template_ids += values
            self._chip("template", said, " or ".join(values))
        elif place == "pipeline":
            query.pipelines += values
            self._chip("pipeline", said, " or ".join(values))
        elif place == "message":
            (query.exclude if negative else query.phrases).extend(values)
            self._chip("exclude" if negative else "phrase", said, ", ".join(values))
        elif negative:
            query.exclude += values
            self._chip("exclude", said, ", ".join(values))
        else:
            query.fields[place] = values[0]
            self._chip("field", said, f"{place} = {values[0]}")
        return True

    def _names(
        self, what: str, said: str, values: Sequence[str], known: Sequence[str], negative: bool, before: list[str]
    ) -> list[str]:
        meant = list(dict.fromkeys(name for value in values for name in names.wildcard(value, known)))
        unknown = [value for value in values if not names.wildcard(value, known)]
        if unknown and known:
            said_names, near = " or ".join(unknown), _nearest(unknown, known)
            note = f"no {what} is named {said_names}; nearest: {near}" if near else f"no {what} is named {said_names}"
            self.found.notes.append(note)
        if negative:
            meant = [name for name in known if name not in meant]
            self._chip(what, said, f"any {what} but {', '.join(values)}")
        else:
            meant += unknown  # asked for explicitly: nothing is the right answer
            self._chip(what, said, " or ".join(meant))
        return list(dict.fromkeys([*before, *meant]))

    def _quotes(self) -> None:
        for match in reversed(list(_QUOTED.finditer(self.text))):
            if match["text"].strip():
                (self.query.exclude if match["minus"] else self.query.phrases).insert(0, match["text"].strip())
                self._chip("exclude" if match["minus"] else "phrase", match[0], match["text"].strip())
            self._take(match.start(), match.end())

    def _excludes(self) -> None:
        for pattern in (_MINUS, _EXCEPT):
            for match in reversed(list(pattern.finditer(self.text))):
                word = match["word"].strip(".,;:!?")
                if not word:
                    continue
                if pattern is _EXCEPT and (hosts := names.wildcard(word, self.catalog.hosts)):
                    self.query.hosts += [name for name in self.catalog.hosts if name not in hosts]
                    self._chip("host", match[0], f"any host but {', '.join(hosts)}")
                elif pattern is _EXCEPT and (services := names.wildcard(word, self.catalog.services)):
                    self.query.services += [name for name in self.catalog.services if name not in services]
                    self._chip("service", match[0], f"any service but {', '.join(services)}")
                else:
                    self.query.exclude.append(word)
                    self._chip("exclude", match[0], f"without {word}")
                self._take(match.start(), match.end())

    # --- plain words ----------------------------------------------------------------------------

    def _language(self) -> None:
        """Chinese becomes English words; dates are read before, because they are exact in their own language."""
        if not is_chinese(self.text):
            return
        self._time()
        self.found.translated = True
        said, self.text = self.text, english(self.text)
        self._chip("language", said, self.text)

    def _named(self) -> None:
        for start, end, template_id in reversed(find_templates(self.text)):
            self.query.template_ids.append(template_id)
            self._chip("template", self.text[start:end], template_id, f"template:{template_id}")
            self._take(start, end)
        named, note = find_named(self.text, self.catalog, times.to_ns(self.now))
        if note:
            self.found.notes.append(note)
        if named is None:
            return
        moment, query = named.moment, self.query
        if named.how in ("before", "until"):
            query.to_ns = moment.at_ns
        else:
            query.from_ns, query.to_ns = moment.at_ns, moment.until_ns if named.how == "during" else query.to_ns
        query.template_ids += moment.template_ids
        said = self.text[named.start : named.end]
        at = times.from_ns(moment.at_ns, self.now.tzinfo or UTC).isoformat(sep=" ", timespec="seconds")
        self._chip("incident" if named.how == "during" else "time", said, f"{named.how} {at}: {moment.what}")
        self._take(named.start, named.end)

    def _aggregate(self) -> None:
        asked = find_aggregate(self.text)
        if asked is None:
            return
        self.text, self.found.aggregate = asked.rest, asked.aggregate
        means = " ".join(filter(None, (asked.aggregate.kind, asked.aggregate.by and f"by {asked.aggregate.by}")))
        self._chip("answer", asked.said, means)

    def _time(self) -> None:
        if self.query.from_ns is not None and self.query.to_ns is not None:
            return
        span = times.find_time(self.text, self.now)
        if span is None:
            return
        if self.query.from_ns is None:
            self.query.from_ns = span.from_ns
        if self.query.to_ns is None:
            self.query.to_ns = span.to_ns
        low = span.low.isoformat(sep=" ", timespec="seconds") if span.low else "the beginning"
        high = span.high.isoformat(sep=" ", timespec="seconds") if span.high else "now and later"
        self._chip("time", span.said, f"{low} to {high}", lucene(Query(from_ns=span.from_ns, to_ns=span.to_ns)))
        self._take(span.start, span.end)

    def _levels(self) -> None:
        found = names.find_levels(self.text)
        known = set(self.catalog.levels)
        for start, end, said, levels in reversed(found):
            if known and not known & set(levels):
                self.found.notes.append(f"no line states the level {levels[0]}; searched as a word")
                continue
            self.query.levels = list(dict.fromkeys([*levels, *self.query.levels]))
            meant = [level for level in levels if not known or level in known]
            self._chip("level", said, " or ".join(meant), lucene(Query(levels=meant)))
            self._take(start, end)

    def _hosts(self) -> None:
        for start, end, said, hosts in reversed(names.find_hosts(self.text, self.catalog.hosts)):
            self.query.hosts = list(dict.fromkeys([*hosts, *self.query.hosts]))
            self._chip("host", said, " or ".join(hosts), lucene(Query(hosts=hosts)))
            self._take(
                _with_preposition(self.text, start, r"on|from|at|host|hosts|server|machine|node|of|by|in|for"), end
            )

    def _services(self) -> None:
        for _, _, said, services in reversed(names.find_services(self.text, self.catalog.services)):
            self.query.services = list(dict.fromkeys([*services, *self.query.services]))
            self._chip("service", said, " or ".join(services), lucene(Query(services=services)))
            # the name stays in the topic, "why does sshd refuse" is about sshd, but is no keyword: see _topic
            self._service_words.append(said.lower())

    def _components(self) -> None:
        found = names.find_components(self.text, self.catalog.loggers)
        if found and not self.query.services:
            _, _, said, loggers = found[0]
            self.query.fields["log.logger"] = loggers[0]
            self._chip("component", said, loggers[0], lucene(Query(fields={"log.logger": loggers[0]})))
            self._service_words += said.lower().split()

    def _misspelt(self) -> None:
        """A name that the index does not hold stays a word; names like it are offered."""
        known = [*self.catalog.hosts, *self.catalog.services]
        for match in _NAMED.finditer(self.text):
            name = match["name"].rstrip(".:")
            near = _nearest([name], known)
            if near and names.distinctive(name) and not names.wildcard(name, known):
                self.found.notes.append(f"no host or service is named {name}; nearest: {near}")

    def _accounts(self) -> None:
        holds = self.catalog.holds or (lambda field, value: False)
        for pattern, place in ((_ACCOUNT, "user.name"), (_DATABASE, "db.name")):
            for match in reversed(list(pattern.finditer(self.text))):
                name = match["name"].strip(".")
                if name and name.lower() not in terms().stop and holds(place, name):
                    self.query.fields[place] = name
                    self._chip("field", match[0], f"{place} = {name}", f"{place}:{name}")
                    self._take(match.start(), match.end())
        for match in reversed(list(_ACCOUNT.finditer(self.text))):
            name = match["name"].strip(".")
            if name.lower() in terms().accounts or re.search(r"[\d_@.-]", name):
                self.query.phrases.append(name)
                self.found.identifiers.append(name)
                self._chip("identifier", match[0], f"the line holds {name}", f'"{name}"')
                self._take(match.start("name"), match.end("name"))

    def _identifiers(self) -> None:
        for match in reversed(list(_IDENTIFIER.finditer(self.text))):
            said = match[0].rstrip(".:")
            if not re.search(r"[A-Za-z0-9]", said):
                continue
            self.query.phrases.append(said)
            self.found.identifiers.append(said)
            self._chip("identifier", said, f"the line holds {said}", f'"{said}"')
            self._take(
                _with_preposition(self.text, match.start(), "from|on|at|for|by|ip|address|to|of|in|did|does"),
                match.end(),
            )

    def _topic(self) -> None:
        """What is left: the topic as it was put, and its content words as keywords."""
        left = re.sub(r"\b(?:AND|OR)\b", " ", self.text)
        left = re.sub(r"\s+([,.?!;])", r"\1", " ".join(left.split())).strip(" ,.;:!?")
        tokens = [token.strip(".,;:!?'*") for token in _TOKEN.findall(left)]
        ignore = terms().stop | terms().filler | set(self._service_words)
        words = [token for token in tokens if token and token.lower().removesuffix("'s") not in ignore]
        self.query.text = " ".join(dict.fromkeys(words))
        start = 0
        while start < len(tokens) and tokens[start].lower() in terms().filler | {"me", "us", "all", "the", "any", "i"}:
            start += 1
        self.found.topic = " ".join(left.split()[start:]).strip() if words else ""
        self.found.chips.reverse()
        if self.query.text:
            self._chip("words", left, self.query.text)


def _nearest(said: Sequence[str], known: Sequence[str]) -> str:
    """The known names that are spelt much like those said, or ""."""
    by_low = {name.lower(): name for name in known}
    near = [by_low[low] for word in said for low in difflib.get_close_matches(word.lower(), by_low, n=3, cutoff=0.7)]
    return ", ".join(dict.fromkeys(near))


def _values(text: str) -> list[str]:
    text = text.strip()
    if text.startswith('"'):
        return [text.strip('"')] if text.strip('"') else []
    parts = [part.strip().strip('"') for part in re.split(r"\s+OR\s+|,", text)]
    return [part for part in parts if part]


def _levels(value: str, op: str) -> list[str]:
    meant = terms().levels.get(value.rstrip("+").lower())
    name = meant[0] if meant else value.rstrip("+").lower()
    if name not in LEVEL_RANK:
        return [name]
    rank = LEVEL_RANK[name]
    if op in (">=", ">") or value.endswith("+"):
        return [level for level, other in LEVEL_RANK.items() if other > rank or (other == rank and op != ">")]
    if op in ("<=", "<"):
        return [level for level, other in LEVEL_RANK.items() if other < rank or (other == rank and op != "<")]
    return [name]


def _with_preposition(text: str, start: int, words: str) -> int:
    """Where the preposition before ``start`` begins, so that it goes with its noun."""
    match = re.search(rf"(?:^|\s)(?:{words})\s+$", text[:start], re.I)
    return match.start() if match else start
