"""The clusters of one service: which masked line belongs to which template.

Three steps, each online, bounded and deterministic:

1. the exact masked line, looked up in ``keys`` (Drain does not count wildcards as agreement, so short masked lines
   would open a cluster each);
2. the Drain tree (``tree``), which joins lines that differ in values only;
3. for a new cluster, merging where one position varies: when ``merge_at`` templates differ in one token, that token
   is a variable. The oldest survives, the others become aliases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from logsense.mine.masks import WILDCARD
from logsense.mine.tokens import Roles, render, without_digits
from logsense.mine.tokens import split as split_tokens
from logsense.mine.tree import TreeOptions, new_cluster, new_tree

# Names whose values vary, per service. Each new one is looked for in all templates, so endless ones would cost.
_MAX_VARIED = 1000


@dataclass(slots=True)
class Cluster:
    """One message type. ``number`` counts from 1 in order of birth; ``first`` is its first token at birth, by which
    the tree files it; ``merged_into`` is 0 or the number of the cluster that took it over."""

    number: int
    layout: str
    tokens: list[str]
    first: str
    text: str
    merged_into: int = 0
    version: int = 1


@dataclass(slots=True)
class Outcome:
    """What an assignment changed. ``changed`` holds clusters whose text or alias differs from before."""

    cluster: Cluster | None
    born: bool = False
    changed: list[Cluster] = field(default_factory=list)
    #: Whether every line of the same shape is answered like that.
    any_name: bool = False


class ServiceClusters:
    """Assigns masked lines to clusters. The outcome's cluster is None when the service is full.

    ``keys`` maps masked lines to cluster numbers, oldest first; 0 stands for a line that came when it was full.
    """

    def __init__(
        self, options: TreeOptions, roles: Roles, *, max_clusters: int, max_keys: int, max_tokens: int
    ) -> None:
        self._options, self._roles = options, roles
        self._max_clusters, self._max_keys, self._max_tokens = max_clusters, max_keys, max_tokens
        self._drain = new_tree(options, roles)
        self.clusters: list[Cluster] = []
        self.keys: dict[str, int] = {}
        #: Those that were added since the last save; the caller empties it.
        self.new_keys: list[str] = []
        #: Names before values (``user=``, ``host``) that stood before different values.
        self.varied: set[str] = set()
        self.evictions = 0
        self._by_text: dict[str, int] = {}
        self._holes: dict[int, list[int]] = {}
        #: Hole keys at which so many values were seen that the position became a variable → the survivor.
        self._open: dict[int, int] = {}
        #: (layout, first token) → living clusters.
        self._first_tokens: dict[tuple[str, str], int] = {}

    def resolve(self, number: int) -> Cluster:
        cluster = self.clusters[number - 1]
        while cluster.merged_into:
            cluster = self.clusters[cluster.merged_into - 1]
        return cluster

    def assign(self, masked: str, shape: str) -> Outcome:
        """The cluster of a masked line. ``shape`` is the line with one word in place of all that look like names; it
        is remembered instead, where the template has a wildcard for every one of them."""
        named = shape != masked
        number = self.keys.get(masked)
        if number is None and named:
            number = self.keys.get(shape)
            if number is not None:
                return Outcome(self.resolve(number) if number else None, any_name=True)
        if number is not None:
            return Outcome(self.resolve(number) if number else None)
        tokens, layout = self._tokens(masked)
        wide = self._widen(tokens)
        if wide is not tokens:
            # Endless values of one name have one key.
            masked = render(wide, layout)
            if (number := self.keys.get(masked)) is not None:
                return Outcome(self.resolve(number) if number else None)
        outcome = self._place(wide, layout)
        if named and outcome.cluster is not None:
            tokens, layout = self._tokens(shape)
            if outcome.cluster.layout == layout and _covers(outcome.cluster.tokens, tokens):
                masked, outcome.any_name = shape, True
        self._remember(masked, outcome.cluster.number if outcome.cluster else 0)
        return outcome

    def _tokens(self, masked: str) -> tuple[list[str], str]:
        tokens, layout = split_tokens(masked)
        if len(tokens) > self._max_tokens:
            tokens, layout = [*tokens[: self._max_tokens], WILDCARD], layout[: self._max_tokens] + "1"
        return tokens, layout

    def _remember(self, masked: str, number: int) -> None:
        if len(self.keys) >= self._max_keys:
            # Oldest first, a tenth at a time: deterministic, so a restart cannot change what is forgotten.
            for key in list(self.keys)[: max(1, self._max_keys // 10)]:
                del self.keys[key]
            self.evictions += 1
        self.keys[masked] = number
        self.new_keys.append(masked)

    def _place(self, tokens: list[str], layout: str) -> Outcome:
        filed = [_filed(layout), *tokens]
        self._drain.candidates = 0
        found = self._drain.tree_search(self._drain.root_node, filed, 0.0, False)
        if found is not None:
            cluster = self.clusters[found.cluster_id - 1]
            changed = self._generalise(cluster, tokens)
            return Outcome(self.resolve(cluster.number), changed=changed)
        if self._drain.candidates >= self._options.max_leaf:
            tokens = self._skeleton(tokens, layout)
            same = self._by_text.get(render(tokens, layout))
            if same is not None:
                return Outcome(self.resolve(same))
        if len(self.clusters) >= self._max_clusters:
            return Outcome(None)
        cluster = Cluster(len(self.clusters) + 1, layout, tokens, tokens[0] if tokens else "", render(tokens, layout))
        same = self._by_text.get(cluster.text)
        if same is not None:  # a generalised template of another length renders to the same text
            return Outcome(self.resolve(same))
        holes = list(self._hole_keys(cluster))
        known = self._open_to(cluster, holes)
        if known is not None:
            return Outcome(known)
        self._file(cluster)
        self._index(cluster, holes)
        changed = self._merge_around(cluster, holes)
        return Outcome(self.resolve(cluster.number), born=True, changed=changed)

    def _skeleton(self, tokens: list[str], layout: str) -> list[str]:
        """What a crowded leaf has in common: states, delimiters, and the first token if that is what they share."""
        shared = self._first_tokens.get((layout, tokens[0]), 0) > 1
        return [t if (i == 0 and shared) or self._roles.is_fixed(t) else WILDCARD for i, t in enumerate(tokens)]

    def _file(self, cluster: Cluster) -> None:
        from_tree = new_cluster([_filed(cluster.layout), cluster.first, *cluster.tokens[1:]], cluster.number)
        self.clusters.append(cluster)
        self._drain.id_to_cluster[cluster.number] = from_tree
        self._drain.add_seq_to_prefix_tree(self._drain.root_node, from_tree)
        from_tree.log_template_tokens = (_filed(cluster.layout), *cluster.tokens)
        leaf = cluster.layout, cluster.first
        self._first_tokens[leaf] = self._first_tokens.get(leaf, 0) + 1

    def _generalise(self, cluster: Cluster, tokens: list[str]) -> list[Cluster]:
        wider = [a if a == b else WILDCARD for a, b in zip(cluster.tokens, tokens, strict=True)]
        if wider == cluster.tokens:
            return []
        before = cluster.tokens
        is_unit = self._roles.is_unit
        if any(a != b and is_unit(before, i) for i, (a, b) in enumerate(zip(before, wider, strict=True))):
            # Where one size changes its unit, all sizes of the message are written for people.
            wider = [WILDCARD if is_unit(before, i) else token for i, token in enumerate(wider)]
        return self._retext(cluster, wider) + self._spread(before, wider)

    def _widen(self, tokens: list[str]) -> list[str]:
        """Wildcards where the name before a value stood before different values already, in any template. The same
        list, where there is none."""
        varied, roles = self.varied, self._roles
        if not varied:
            return tokens
        wide = tokens
        for i, introduces in enumerate(map(roles.introduces, tokens[:-1]), 1):
            token = tokens[i]
            if introduces and token != WILDCARD and (context := roles.context(tokens, i)) in varied:
                if roles.is_fixed(token) or roles.is_ordinary(token):
                    continue
                if context.endswith("=") or roles.ends(tokens, i):
                    if wide is tokens:
                        wide = list(tokens)
                    wide[i] = WILDCARD
        return wide

    def _spread(self, before: list[str], after: list[str]) -> list[Cluster]:
        """Learn which names have values that differ, from a text that got wider, and widen the other templates."""
        new = {
            context
            for i, (a, b) in enumerate(zip(before, after, strict=True))
            if a != b and (context := self._roles.context(after, i)) and context not in self.varied
        }
        if not new or len(self.varied) >= _MAX_VARIED:
            return []
        self.varied |= new
        changed: list[Cluster] = []
        for cluster in self.clusters:
            if not cluster.merged_into and (wide := self._widen(cluster.tokens)) != cluster.tokens:
                changed += self._retext(cluster, wide)
        return changed

    def _retext(self, cluster: Cluster, tokens: list[str]) -> list[Cluster]:
        """Give ``cluster`` a wider text. Returns it, and another that it became equal to, merged."""
        self._unindex(cluster)
        cluster.tokens, cluster.text = tokens, render(tokens, cluster.layout)
        cluster.version += 1
        self._drain.id_to_cluster[cluster.number].log_template_tokens = (_filed(cluster.layout), *tokens)
        same = self._by_text.get(cluster.text)
        if same is not None:
            keep, gone = sorted((cluster, self.clusters[same - 1]), key=lambda c: c.number)
            self._unindex(self.clusters[same - 1])
            self._alias(gone, keep)
            self._index(keep)
            return [keep, gone]
        self._index(cluster)
        return [cluster]

    def _alias(self, gone: Cluster, keep: Cluster) -> None:
        gone.merged_into = keep.number
        self._unfile(gone)

    def _unfile(self, cluster: Cluster) -> None:
        del self._drain.id_to_cluster[cluster.number]
        self._first_tokens[cluster.layout, cluster.first] -= 1

    def _merge_around(self, cluster: Cluster, holes: Sequence[tuple[int, int]]) -> list[Cluster]:
        changed: list[Cluster] = []
        for hole, i in holes:
            alike = [n for n in self._holes.get(hole, ()) if self._differ_only_at(self.clusters[n - 1], cluster, i)]
            if len(alike) < self._options.merge_at:
                continue
            keep, *others = (self.clusters[n - 1] for n in sorted(alike))
            self._open[hole] = keep.number
            for gone in others:
                self._unindex(gone)
                self._alias(gone, keep)
            wider = [*keep.tokens[:i], WILDCARD, *keep.tokens[i + 1 :]]
            changed += [*others, *self._retext(keep, wider)]
            # Now that this position varies, the template may differ from others in one more only.
            keep = self.resolve(keep.number)
            return changed + self._merge_around(keep, list(self._hole_keys(keep)))
        return changed

    def _open_to(self, cluster: Cluster, holes: Sequence[tuple[int, int]]) -> Cluster | None:
        """The template of which ``cluster`` is one more value, at a position that varied before."""
        for hole, _ in holes:
            number = self._open.get(hole)
            if number is None:
                continue
            known = self.resolve(number)
            if known.layout == cluster.layout and _covers(known.tokens, cluster.tokens):
                return known
        return None

    @staticmethod
    def _differ_only_at(a: Cluster, b: Cluster, i: int) -> bool:
        return a.layout == b.layout and a.tokens[:i] == b.tokens[:i] and a.tokens[i + 1 :] == b.tokens[i + 1 :]

    def _hole_keys(self, cluster: Cluster) -> Iterator[tuple[int, int]]:
        """(key, position) of every position that may turn out to be a variable: never a state. The first token, which
        is nearly always the kind of message, and the only word of a message are one only where much else agrees, or
        among those that differ in digits (``IRQ5``, ``IRQ7``)."""
        tokens, literal = cluster.tokens, sum(len(t) > 1 and t != WILDCARD for t in cluster.tokens)
        is_fixed, key = self._roles.is_fixed, [cluster.layout, "", *tokens]
        for i, token in enumerate(tokens):
            if token != WILDCARD and not is_fixed(token):
                free = literal > (1 if i else self._options.agree_first)
                kind = "" if free else without_digits(token)
                if kind != token:
                    key[1], key[i + 2] = str(i), kind
                    yield hash(tuple(key)), i
                    key[i + 2] = token

    def _index(self, cluster: Cluster, holes: Sequence[tuple[int, int]] | None = None) -> None:
        self._by_text[cluster.text] = cluster.number
        for hole, _ in self._hole_keys(cluster) if holes is None else holes:
            self._holes.setdefault(hole, []).append(cluster.number)

    def _unindex(self, cluster: Cluster) -> None:
        if self._by_text.get(cluster.text) == cluster.number:
            del self._by_text[cluster.text]
        for hole, _ in self._hole_keys(cluster):
            numbers = self._holes.get(hole)
            if numbers and cluster.number in numbers:
                numbers.remove(cluster.number)
                if not numbers:
                    del self._holes[hole]

    def restore(self, clusters: list[Cluster], keys: dict[str, int], varied: Iterable[str]) -> None:
        """Put saved state back: all clusters in order of birth (merged ones shaped the tree), keys oldest first."""
        self.varied = set(varied)
        for cluster in clusters:
            self._file(cluster)
        for cluster in clusters:
            if cluster.merged_into:
                self._unfile(cluster)
            else:
                self._index(cluster)
        self._reopen()
        self.keys = dict(keys)

    def _reopen(self) -> None:
        """Find the open positions again from the clusters that were merged."""
        values: dict[tuple[int, int], set[str]] = {}
        for cluster in self.clusters:
            if cluster.merged_into:
                for hole, i in self._hole_keys(cluster):
                    values.setdefault((cluster.merged_into, hole), set()).add(cluster.tokens[i])
        for (number, hole), seen in values.items():
            if len(seen) >= self._options.merge_at - 1:
                self._open[hole] = number


@lru_cache(maxsize=4096)
def _filed(layout: str) -> str:
    """The layout as a token of the tree: without digits, which drain3 takes for a variable."""
    return "L" + layout.translate(_LETTERS)


_LETTERS = str.maketrans("01", "ab")


def _covers(template: list[str], tokens: list[str]) -> bool:
    return all(a in (b, WILDCARD) for a, b in zip(template, tokens, strict=True))
