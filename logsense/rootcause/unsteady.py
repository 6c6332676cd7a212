"""How much something varies by itself, from one part of the normal time to the next.

What comes and goes in bursts differs between any two minutes; taken for independent it looks like a change each time.
The dispersion of quasi-likelihood (McCullagh and Nelder, Generalized Linear Models, 1989, 4.5) says by how many times
a statistic is then too large.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_PARTS = 4
_NONE = 1e-9  # sums of weights that differ by less are equal


def dispersion(counts: NDArray[np.float64]) -> float:
    """Of (part of the time, outcome) counts: Pearson's statistic over its degrees of freedom, 1 or more.

    It is the least of those without one part. Something that happened once may be the trouble itself, which hardly
    ever begins as late as somebody notices, or an earlier one; what happened twice comes and goes.
    """
    seen = counts[counts.sum(axis=1) > _NONE]
    if len(seen) < LEAST_PARTS:
        return 1.0
    # the sum of (seen - expected)^2 / expected is total * (sum of seen^2 / (row * column) - 1)
    rows = seen.sum(axis=1)
    share = seen * seen / rows[:, None]
    columns = seen.sum(axis=0) - seen  # of all parts but one, for each part that may be left out
    held = columns > _NONE
    squares = np.where(held, (share.sum(axis=0) - share) / np.where(held, columns, 1.0), 0.0).sum(axis=1)
    freedom = (len(seen) - 2) * (held.sum(axis=1) - 1)
    ratios = (rows.sum() - rows) * (squares - 1) / np.maximum(freedom, 1)
    return max(1.0, float(np.where(freedom > 0, ratios, 1.0).min()))
