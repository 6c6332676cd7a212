"""What a model must beat: scores that need no training. All take features of shape (n, f) and return (n,) in [0, 1].

* ``recency``: how recently anything of error level was logged (the strongest trivial forecaster of bursts),
* ``error_count``: how many error lines beyond the usual, over the longest look-back,
* ``extrapolation``: the linear trend of whatever bounded resource is nearest to its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from logsense.predict.families import EXHAUSTIBLE
from logsense.predict.history import Array

Scores = NDArray[np.float64]


def recency(features: Array, names: Sequence[str]) -> Scores:
    """1 when errors are in the shortest look-back, less for each longer look-back that alone holds some."""
    spans = sorted(int(name.rsplit(".", 1)[1]) for name in names if name.startswith("log.errors:kinds."))
    out = np.zeros(len(features))
    for rank, span in enumerate(reversed(spans), start=1):
        column = features[:, list(names).index(f"log.errors:kinds.{span}")]
        out = np.where(column > 0, rank / len(spans), out)
    return out


def error_count(features: Array, names: Sequence[str]) -> Scores:
    """Excess of error lines over the longest look-back, squashed to [0, 1)."""
    column = max(
        (i for i, name in enumerate(names) if name.startswith("log.errors:excess.")),
        key=lambda i: int(names[i].rsplit(".", 1)[1]),
    )
    return 1.0 - np.exp(-np.maximum(features[:, column].astype(np.float64), 0.0))


def extrapolation(features: Array, names: Sequence[str]) -> Scores:
    """The largest probability that a resource which runs out reaches its limit within the horizon."""
    columns = [i for i, n in enumerate(names) if n.endswith(":projected") and n.split(":")[0] in EXHAUSTIBLE]
    return features[:, columns].max(1).astype(np.float64)


#: Name -> scorer, in the order in which reports show them.
BASELINES: dict[str, Callable[[Array, Sequence[str]], Scores]] = {
    "recency of errors": recency,
    "error count": error_count,
    "time to limit": extrapolation,
}
