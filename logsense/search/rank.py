"""From an understood question to ranked lines: exact identifiers, keywords and meaning, decided per question.

No fixed mix of keyword and semantic ranking is best for all questions: keywords win where the words of the
question stand in the lines, and only hurt where they do not. So the index is asked first which words occur.

- Identifiers (addresses, paths, quoted phrases) must occur; they never go through a model.
- One word that lines hold, or two that a template says, are a keyword search.
- Longer questions whose words all occur in some line take both ways: lines found by both rank first.
- Where words are missing, meaning decides: the nearest templates above the background threshold
  (``semantic.Ranker.bar``), as an exact ``template_id`` filter within the other filters.
- When neither has evidence, nothing is found, and the answer says so.

Which templates are looked at is a hybrid as well: the nearest by meaning and those that hold words of the question,
both searched within the other filters. How they are ordered is not (see ``semantic``): fusing the two rankings by their
places was tried and is worse than adding up evidence (``benchmarks/nl_rank.py``). Incidents, which are few and told in
sentences, are ranked by fusion.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from logsense.record import LEVEL_RANK, Hit, Query, Template
from logsense.search.chinese import english, is_chinese
from logsense.search.fusion import fuse
from logsense.search.lexicon import Lexicon
from logsense.search.polarity import polarity, push
from logsense.search.semantic import BRIDGE, LEXICAL, Ranker
from logsense.search.understood import Understood
from logsense.stages import Embedder, Index

if TYPE_CHECKING:
    import numpy as np

_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_<*>]")
_TROUBLE = re.compile(
    r"\b(?:not|n't|cannot|can't|couldn't|why|fail\w*|error\w*|problem\w*|trouble|broke\w*|wrong|unable|refus\w*|"
    r"reject\w*|crash\w*|down|los[et]\w*|miss\w*|timeout|timed out|denied|unavailable|unreachable|exhaust\w*|"
    r"stuck|slow\w*)\b",
    re.IGNORECASE,
)

#: Templates that one question may select: more is browsing, not an answer.
MAX_TEMPLATES = 15
#: A further template must score this share of the best one.
NEAR_BEST = 0.75
#: Below the bar, but above this share of it, the nearest templates are offered as a guess, and called one.
GUESS = 0.75
#: Templates in a guess.
MAX_GUESSES = 5
#: What a question about trouble adds to templates of level warning and worse. "Could not connect" and "ready to
#: accept connections" are neighbours to a sentence model; the level tells them apart.
TROUBLE = 0.1
#: Of the nearest templates this many are looked at, so that filters by host or time leave enough.
CANDIDATES = 400
#: Templates that hold words of the question are looked at beside the nearest: this many.
BY_WORDS = 50
#: Incidents that are looked through for a question, by words and by meaning.
INCIDENTS = 50
#: Up to this many words that all occur are a keyword search.
KEYWORD_WORDS = 2
#: Without meaning, this share of the words must occur for a keyword search to make sense.
ENOUGH_WORDS = 0.6
#: Words that are looked up; longer questions are about meaning anyway.
MAX_WORDS = 12
#: Templates of the lines of an answer that are told, the most frequent.
TEMPLATES = 50
#: Seconds for which the templates' words are kept before the index is asked whether they changed.
REFRESH_S = 5.0
#: Seconds before all vectors are read again for the sake of templates whose vector is not known yet.
VECTORS_S = 60.0


@dataclass(slots=True)
class SearchAnswer:
    """``query`` is what was finally asked; ``templates`` are (template, lines, score), best first.

    ``terms`` and ``histogram`` are as in ``Index.page``.
    """

    total: int
    hits: list[Hit]
    templates: list[tuple[Template, int, float]]
    query: Query
    semantic: bool
    notes: list[str] = field(default_factory=list)
    terms: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    histogram: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Words:
    """The surviving templates, their ids, words, polarity, and which of them are grave by their level."""

    read_at: float
    changes: int
    templates: dict[str, Template]
    ids: list[str]
    lexicon: Lexicon
    grave: set[str]
    polarity: dict[str, int]


class Searcher:
    """Searches ``index``. ``embedder`` may be None or still loading: then by keyword only, with a note.

    Safe from any thread.
    """

    def __init__(self, index: Index, embedder: Embedder | None) -> None:
        self._index, self._embedder = index, embedder
        self._lock = threading.Lock()
        # asks an index beyond the network while the question is embedded here
        self._aside = ThreadPoolExecutor(4, "search")
        self._ranker: Ranker | None = None
        self._words_of = _Words(float("-inf"), -1, {}, [], Lexicon([]), set(), {})
        self._vectors: dict[str, np.ndarray] = {}
        self._vectors_at = float("-inf")

    def search(
        self, understood: Understood, limit: int = 20, offset: int = 0, by_time: bool = False,
        fields: Mapping[str, int] | None = None, step_ns: int = 0,
    ) -> SearchAnswer:  # fmt: skip
        """Never raises on content. A question without a topic is its filters alone, newest first.

        ``fields`` and ``step_ns``: what to show beside the lines, see ``Index.page``.
        """
        query = replace(understood.query, phrases=list(understood.query.phrases))
        notes: list[str] = []
        self._check_identifiers(understood, query, notes)
        scores: dict[str, float] = {}
        if query.text or understood.topic:
            scores = self._choose(understood, query, notes)
            if scores:
                query.template_ids = list(scores)
            elif not query.text and not query.phrases:
                notes.append("nothing in the index is close to this question")
                return SearchAnswer(0, [], [], query, False, notes)
        page = self._index.page(query, limit=limit, offset=offset, by_time=by_time,
                                fields={"template_id": TEMPLATES, **(fields or {})}, step_ns=step_ns)  # fmt: skip
        if not page.total and not notes:
            notes.append("no line matches")
        templates = self._templates(dict(page.terms.pop("template_id")), scores, page.total)
        return SearchAnswer(page.total, page.hits, templates, query, bool(scores), notes, page.terms, page.histogram)

    def incidents(self, topic: str, within: Query) -> list[str]:
        """Ids of the incidents about ``topic``, best first: those found by words and by meaning, fused.

        ``within`` restricts as in ``Index.nearest_incidents``. None when the evidence is too thin.
        """
        if not topic.strip():
            return []
        asked = english(topic) if is_chinese(topic) else topic
        matching = self._index.matching_incidents(asked, INCIDENTS, within)
        rankings = [[name for name, score in matching if score >= ENOUGH_WORDS]]
        embedder = self._embedder
        if embedder is not None and getattr(embedder, "loaded", True):
            ranker = self._ranker_for(embedder)
            vector = ranker.vector(asked)
            nearest = self._index.nearest_incidents(vector, INCIDENTS, embedder.name, within)
            bar = ranker.usual_cosine(vector, INCIDENTS)
            rankings.append([name for name, cosine in nearest if cosine >= bar])
        return [name for name, _ in fuse(rankings)]

    # --- what to ask ----------------------------------------------------------------------------

    def _check_identifiers(self, understood: Understood, query: Query, notes: list[str]) -> None:
        """An identifier that no line holds stays required, so the answer is honest: nothing."""
        asked = understood.identifiers
        held = self._index.counts([Query(phrases=[identifier]) for identifier in asked])
        notes += [f"no line holds {item}" for item, count in zip(asked, held, strict=True) if not count]

    def _choose(self, understood: Understood, query: Query, notes: list[str]) -> dict[str, float]:
        """Set ``query.text`` to the keywords worth asking for; return the templates that meaning selects."""
        words = query.text.split()[:MAX_WORDS]
        asked = [*words, " ".join(words)] if words else []
        *held, both = self._index.counts([Query(text=text) for text in asked]) or [0]
        present = [word for word, count in zip(words, held, strict=True) if count]
        absent = [word for word in words if word not in present]
        together = bool(words and not absent and both) and not understood.translated
        if together and (len(words) == 1 or (len(words) <= KEYWORD_WORDS and self._said(words))):
            query.text = " ".join(words)
            return {}
        scores = self._nearest(understood.topic or query.text, query, notes)
        if together and not (scores and understood.aggregate):
            query.text = " ".join(words)
        elif scores or len(present) < ENOUGH_WORDS * len(words):
            query.text = ""
        else:
            query.text = " ".join(present)
            if absent:
                notes.append(f"no line holds {', '.join(absent)}; searched for the other words")
        return scores

    def _said(self, words: list[str]) -> bool:
        """Whether some template itself says all the words: else they met by chance, as in the name of a page."""
        return any(share > 0.999 for share in self._words().lexicon.share(" ".join(words), plain=True))

    def _nearest(self, topic: str, query: Query, notes: list[str]) -> dict[str, float]:
        """Templates that answer ``topic``, with their scores, best first; none when the evidence is too thin."""
        embedder = self._embedder
        if embedder is None or not getattr(embedder, "loaded", True):
            notes.append("the language model is not loaded: searched by keyword only")
            return {}
        ranker, words, index = self._ranker_for(embedder), self._words(), self._index
        # the filters are part of both searches, so that templates beyond them take nobody's place
        filters = replace(query, text="", template_ids=[])
        matching = self._aside.submit(index.matching_templates, topic, BY_WORDS, filters)
        vector = ranker.vector(topic)
        nearest = self._aside.submit(index.nearest_templates, vector, CANDIDATES, embedder.name, filters)
        cosines = dict(index.nearest_templates(vector, CANDIDATES, embedder.name))
        near, said = dict(nearest.result()), [name for name, _ in matching.result()]
        if not cosines:
            notes.append("no template has a vector yet: searched by keyword only")
            return {}
        near |= self._cosines(vector, [name for name in said if name not in near], embedder.name)
        cosines |= near
        shares = dict(zip(words.ids, words.lexicon.share(topic), strict=True))
        bridges = self._bridges(ranker, vector, list(cosines), embedder.name)
        evidence = {
            name: cosine + BRIDGE * bridges.get(name, 0.0) + LEXICAL * shares.get(name, 0.0)
            for name, cosine in cosines.items()
        }
        # what orders answers, but proves none
        lift, wanted = TROUBLE if _TROUBLE.search(topic) else 0.0, polarity(topic)
        scores = {
            name: score + push(wanted, words.polarity.get(name, 0)) + lift * (name in words.grave)
            for name, score in evidence.items()
        }
        bar = ranker.bar(topic, vector, len(words.ids))
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        most = MAX_TEMPLATES
        surest = max(evidence.values())
        if surest < bar:
            if surest < GUESS * bar:
                return {}
            most, bar = MAX_GUESSES, GUESS * bar
            notes.append("no message says this plainly; these are the closest ones")
        within = [item for item in ranked if item[0] in near]
        if not within or within[0][1] < bar:
            notes.append("messages with this meaning exist, but none within the filters")
            within = ranked[:1]
        best = within[0][1]  # the bar has said that there is an answer; what is nearly as close belongs to it
        return {name: score for name, score in within[:most] if score >= NEAR_BEST * best}

    def _ranker_for(self, embedder: Embedder) -> Ranker:
        with self._lock:
            if self._ranker is None:
                self._ranker = Ranker(embedder)
            return self._ranker

    def _bridges(self, ranker: Ranker, vector: np.ndarray, ids: list[str], model: str) -> dict[str, float]:
        """How well the examples carry the question to each of the templates; those without a vector are left out."""
        known, rows = self._known_vectors(ids, model)
        if rows is None:
            return {}
        return dict(zip(known, ranker.phrasebook.bridge(vector, rows).tolist(), strict=True))

    def _cosines(self, vector: np.ndarray, ids: list[str], model: str) -> dict[str, float]:
        known, rows = self._known_vectors(ids, model)
        return {} if rows is None else dict(zip(known, (rows @ vector).tolist(), strict=True))

    def _known_vectors(self, ids: list[str], model: str) -> tuple[list[str], np.ndarray | None]:
        """Those of ``ids`` that have a vector, and a row for each."""
        import numpy as np

        with self._lock:
            if any(name not in self._vectors for name in ids) and time.monotonic() - self._vectors_at > VECTORS_S:
                self._vectors = {
                    name: row
                    for made_by, names, rows in self._index.template_vectors()
                    if made_by == model
                    for name, row in zip(names, rows, strict=True)
                }
                self._vectors_at = time.monotonic()
            known = [name for name in ids if name in self._vectors]
            return known, np.stack([self._vectors[name] for name in known]) if known else None

    def _words(self) -> _Words:
        """What the surviving templates say; at most ``REFRESH_S`` behind the index."""
        with self._lock:
            if time.monotonic() - self._words_of.read_at <= REFRESH_S:
                return self._words_of
            changes = self._index.template_changes()
            if changes == self._words_of.changes:
                self._words_of = replace(self._words_of, read_at=time.monotonic())
            else:
                templates = [item for item in self._index.templates() if not item.alias_of]
                said = [_spoken(item) for item in templates]
                self._words_of = _Words(
                    time.monotonic(),
                    changes,
                    {item.id: item for item in templates},
                    [item.id for item in templates],
                    Lexicon(said),
                    {item.id for item in templates if LEVEL_RANK.get(item.level, -1) >= LEVEL_RANK["warning"]},
                    {item.id: polarity(text) for item, text in zip(templates, said, strict=True)},
                )
            return self._words_of

    # --- what came out --------------------------------------------------------------------------

    def _templates(
        self, counts: dict[str, int], scores: dict[str, float], total: int
    ) -> list[tuple[Template, int, float]]:
        if not counts:
            return []
        recent = self._words().templates
        known = {name: recent[name] for name in counts if name in recent}
        if missing := [name for name in counts if name not in known]:
            known |= {item.id: item for item in self._index.templates(missing)}
        share = {name: count / total for name, count in counts.items()}
        ranked: Sequence[str] = sorted(known, key=lambda name: (-scores.get(name, 0.0), -counts[name], name))
        return [(known[name], counts[name], scores.get(name, share[name] if not scores else 0.0)) for name in ranked]


def _spoken(template: Template) -> str:
    """A template's words with identifiers taken apart, and its keywords."""
    apart = _HUMP.sub(" ", template.text)
    return " ".join([apart, *map(str, template.keywords)])
