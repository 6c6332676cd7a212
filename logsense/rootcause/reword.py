"""Let a language model reword a summary, and believe nothing that it adds.

The model sees the sentences, numbered, and may return each in other words. A returned sentence is taken only if it
says the same things: all names, numbers and quotes of the original and no others, a negation where there was one.
Otherwise the original stays. Evidence belongs to the number and is never the model's to change.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from logsense.record import Sentence

#: A reworded sentence may be this much longer than the original: more is padding, or invention.
LONGER, MORE = 1.6, 60
INSTRUCTIONS = (
    "You reword sentences of an incident report for an engineer who was just woken up. Keep the language of each "
    "sentence. Keep every name, number, time and everything between backticks exactly as it is, add no fact, no advice "
    "and no guess, drop none. Return only JSON: a list of objects with the members n and text, one for each sentence "
    "you were given, in the same order."
)
_QUOTED = re.compile(r"`[^`]*`")
#: What carries facts: numbers, and words with digits, dots, underscores, slashes or inner capitals.
_FACT = re.compile(r"[\w./:@{}=<>*+-]*[\d_/@{}=<>*][\w./:@{}=<>*+-]*|\w+(?:[.-]\w+)+|\b[a-z]+[A-Z]\w*")
_NEGATION = re.compile(r"\b(?:no|not|none|never|nothing|without|cannot|nobody)\b|n't\b|[不没未无]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reworded:
    """``kept``: how many sentences stay as they were, since what came back did not say the same; ``why`` of each."""

    sentences: list[Sentence]
    kept: int
    why: list[str]


def reword(sentences: Sequence[Sentence], ask: Callable[[str, str], str], names: Iterable[str] = ()) -> Reworded:
    """``ask(instructions, text)`` returns the model's answer. ``names`` are hosts and services that must be kept."""
    if not sentences:
        return Reworded([], 0, [])
    rows = [{"n": number, "text": sentence.text} for number, sentence in enumerate(sentences, 1)]
    answers = _read(ask(INSTRUCTIONS, json.dumps(rows, ensure_ascii=False)))
    known, made, why = set(names), [], list[str]()
    for number, sentence in enumerate(sentences, 1):
        text = answers.get(number, "")
        wrong = difference(sentence.text, text, known)
        if wrong:
            why.append(f"{number}: {wrong}")
        made.append(sentence if wrong else replace(sentence, text=text))
    return Reworded(made, len(why), why)


def difference(original: str, reworded: str, names: Iterable[str] = ()) -> str:
    """Why ``reworded`` does not say the same as ``original``; '' when nothing tells against it."""
    if not reworded.strip():
        return "nothing came back"
    if len(reworded) > LONGER * len(original) + MORE or "\n" in reworded.strip():
        return "it is much longer"
    before, after = facts(original, names), facts(reworded, names)
    if added := after.keys() - before.keys():
        return f"it adds {', '.join(sorted(added)[:3])}"
    if dropped := before.keys() - after.keys():
        return f"it drops {', '.join(sorted(dropped)[:3])}"
    if bool(_NEGATION.search(_plain(original))) != bool(_NEGATION.search(_plain(reworded))):
        return "it says yes where there was no, or no where there was yes"
    return ""


def facts(text: str, names: Iterable[str] = ()) -> Counter[str]:
    """Quotes, numbers, identifiers, and those of ``names`` that ``text`` holds."""
    found = Counter(_QUOTED.findall(text))
    plain = _plain(text)
    found.update(fact.strip(".:,;-") for fact in _FACT.findall(plain))
    words = set(re.findall(r"[\w.@-]+", plain))
    found.update(name for name in names if name in words)
    found.pop("", None)
    return found


def _plain(text: str) -> str:
    return _QUOTED.sub(" ", text)


def _read(answer: str) -> dict[int, str]:
    """{number: text} of the answer; what is no such list, or a number that comes twice, is as good as nothing."""
    begin, end = answer.find("["), answer.rfind("]")
    try:
        rows = json.loads(answer[begin : end + 1])
    except ValueError:
        return {}
    found: dict[int, str] = {}
    twice: set[int] = set()
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("n"), int) and isinstance(row.get("text"), str):
            if row["n"] in found:
                twice.add(row["n"])
            found[row["n"]] = " ".join(row["text"].split())
    return {number: text for number, text in found.items() if number not in twice}
