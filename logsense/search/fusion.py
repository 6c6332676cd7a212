"""One ranking out of several that cannot be compared: reciprocal rank fusion.

Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
SIGIR 2009. Scores of words and cosines have no common scale; places in a ranking do. Computed here rather than by a
server: Elasticsearch offers it only with some licences, and both indices shall give the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

#: The constant of the paper: how little the first places stand out from those after them.
RANK_CONSTANT = 60


def fuse(rankings: Sequence[Sequence[str]]) -> list[tuple[str, float]]:
    """(id, sum of 1 / (60 + place)) of everything in any of ``rankings``, best first, equals by id."""
    scores: dict[str, float] = {}
    for ranking in rankings:
        for place, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (RANK_CONSTANT + place)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
