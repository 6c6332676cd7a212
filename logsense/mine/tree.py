"""The Drain tree: drain3's prefix tree, with a rule of ours for what may share a cluster.

Plain Drain joins lines that agree in 40 % of their tokens, whatever the others are; that merges "link up" with
"link down" and splits short masked lines, because wildcards do not count as agreement. Here drain3 proposes the
leaf, and a candidate is taken only when every differing position may hold a value (``Roles``).

The only module that imports drain3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from logsense.mine.masks import WILDCARD
from logsense.mine.tokens import Roles


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """How alike two lines must be. Chosen by leaving one of twelve systems out (``benchmarks/mine_constants.py``).

    The accuracy is flat around these values: all others tried there change the mean GA by at most 0.001 and the mean
    FGA by at most 0.007, but for merging at 2 values, which costs 0.05 GA. Never letting a wildcard meet a word or a
    preposition announce a value costs 0.02 GA.
    """

    #: Literal words that must agree for a difference behind a preposition to count as one of value.
    agree_preposition: int = 6
    #: The same where both tokens look like names (digits or punctuation in them), wherever they stand.
    agree_name: int = 2
    #: The same for a wildcard meeting a word.
    agree_wildcard: int = 2
    #: First tokens of one layout that get a leaf of their own in the prefix tree (drain3's ``max_children``).
    max_children: int = 1000
    #: Templates in one leaf; further lines there share one template per set of states, because so many of them
    #: mean free text, and every one is compared with a new line.
    max_leaf: int = 100
    #: Literal words besides the first that must agree for the first to become a variable.
    agree_first: int = 4
    #: Distinct values at one position of otherwise equal templates that make it a variable.
    merge_at: int = 4


def new_tree(options: TreeOptions, roles: Roles) -> Any:
    """A ``drain3.drain.Drain`` whose clusters are token tuples with the layout as first token."""
    return _value_drain()(options, roles)


def new_cluster(tokens: Sequence[str], number: int) -> Any:
    """A ``drain3.drain.LogCluster``."""
    from drain3.drain import LogCluster

    return LogCluster(list(tokens), number)


#: The tokens of a line that can never be a value, with their places: two lines of one template have the same.
Fixed = tuple[tuple[int, str], ...]
_NOTHING: tuple[Sequence[str], Fixed] = ((), ())


@cache
def _value_drain() -> Any:
    """The class, made on first use so that importing this module does not import drain3."""
    from drain3.drain import Drain, LogCluster

    class ValueDrain(Drain):
        """Drain whose leaf search takes the closest cluster that differs in values only.

        ``candidates`` counts the clusters of the leaf that the last search came to.
        """

        def __init__(self, options: TreeOptions, roles: Roles) -> None:
            # depth 5: token count, layout, first token. Deeper costs groups whose second token varies.
            super().__init__(depth=5, sim_th=0.0, max_children=options.max_children, param_str=WILDCARD)
            self.candidates = 0
            self._options, self._roles = options, roles
            #: Cluster id → the tokens it had when its fixed ones were looked up, and those.
            self._known_fixed: dict[int, tuple[Sequence[str], Fixed]] = {}

        def fast_match(
            self, cluster_ids: Sequence[int], tokens: list[str], sim_th: float, include_params: bool
        ) -> LogCluster | None:
            best, best_key = None, (-1, -1)
            wanted, layout, alive, known = self._fixed(tokens), tokens[0], self.id_to_cluster, self._known_fixed
            for cluster_id in cluster_ids:
                cluster = alive.get(cluster_id)
                if cluster is None:
                    continue  # merged away
                template = cluster.log_template_tokens
                if template[0] != layout:
                    continue
                self.candidates += 1
                of, fixed = known.get(cluster_id, _NOTHING)
                if of is not template:
                    fixed = self._fixed(template)
                    known[cluster_id] = template, fixed
                if fixed != wanted:
                    continue  # ``agreement`` would say None
                agree = agreement(template, tokens, self._options, self._roles)
                if agree is not None and agree > best_key:
                    best, best_key = cluster, agree
            return best

        def _fixed(self, tokens: Sequence[str]) -> Fixed:
            is_fixed = self._roles.is_fixed
            return tuple([(i, token) for i, token in enumerate(tokens) if is_fixed(token)])

    return ValueDrain


def agreement(
    template: Sequence[str], tokens: Sequence[str], options: TreeOptions, roles: Roles
) -> tuple[int, int] | None:
    """(equal literal words, equal wildcards), or None when the two differ in more than values.

    Both start with the layout token and have one length.
    """
    words = wild = 0
    differ: list[int] = []
    is_fixed = roles.is_fixed
    # The first element is the layout, which the caller compared. Most candidates end at the first state that differs.
    for i, (a, b) in enumerate(zip(template, tokens, strict=True)):
        if a == b:
            if a == WILDCARD:
                wild += 1
            elif len(a) > 1 and i:
                words += 1
        elif is_fixed(a) or is_fixed(b):
            return None
        else:
            differ.append(i)
    for i in differ:
        a, b = template[i], tokens[i]
        strength = roles.strength(tokens, i)
        if strength == 2:
            continue
        if WILDCARD in (a, b):
            needed = options.agree_wildcard
        elif roles.is_name(a) and roles.is_name(b) and not roles.labels(template, tokens, i):
            needed = options.agree_name
        elif strength == 1 and not (roles.is_ordinary(a) or roles.is_ordinary(b)):
            needed = options.agree_preposition
        else:
            return None
        if words < needed:
            return None
    return words, wild
