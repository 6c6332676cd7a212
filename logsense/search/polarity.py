"""Whether a text speaks of failure or of success: neighbours to a sentence model, opposites to a person.

"Could not connect" and "ready to accept connections" share their subject. What tells them apart is a small lexicon of
words that mean trouble or success anywhere in operations, and negation, which turns the word behind it round.
"""

from __future__ import annotations

import re

from logsense.search.vocabulary import terms

#: What opposite polarity costs a template, and agreement earns it, beside cosines.
PUSH = 0.08

_WORD = re.compile(r"[a-z']+")


def polarity(text: str) -> int:
    """-1: trouble, 1: success, 0: neither or both.

    >>> polarity("could not connect"), polarity("ready to accept connections"), polarity("opened a file")
    (-1, 1, 0)
    """
    words, score = terms(), 0
    turned = 0  # words that a negation still reaches
    for word in _WORD.findall(text.lower().replace("can not", "cannot")):
        if word in words.negations:
            score -= 1
            turned = 3
            continue
        if word in words.success:
            score += -1 if turned else 1
        elif word in words.trouble:
            score += 1 if turned else -1
        turned = max(0, turned - 1)
    return (score > 0) - (score < 0)


def push(asked: int, found: int) -> float:
    """What the polarities of a question and a template add to the template's score."""
    return PUSH * asked * found
