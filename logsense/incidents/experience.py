"""What people's verdicts on earlier incidents say about a new one: its causes move, visibly and within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from logsense.incidents.lifecycle import resemblance
from logsense.record import Hypothesis, Incident, Sentence

#: How alike an earlier incident must be for its verdict to count; see ``resemblance``.
ALIKE = 0.35
#: One verdict multiplies the odds of a cause by this (or divides them), in proportion to how alike the incidents are.
ODDS = 2.0
#: All verdicts together at most: a habit of clicking must not overrule what is in the lines.
MOST_ODDS = 6.0
#: Verdicts "noise" on alike incidents, and none of another kind, that make a new one a low one.
NOISE = 2
SHOWN = 3
Similarity = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(slots=True)
class Experience:
    """Earlier incidents that people judged, the alike ones only. ``weights`` are 0…1."""

    right: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)  # (kind, place) -> incident -> weight
    wrong: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    noise: list[str] = field(default_factory=list)

    def weigh(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """Hypotheses with their odds moved by the verdicts, best first; what moved them is said and cited."""
        weighed = []
        for one in hypotheses:
            right, wrong = self.right.get(_cause(one), {}), self.wrong.get(_cause(one), {})
            moved = math.log(ODDS) * (sum(right.values()) - sum(wrong.values()))
            moved = max(-math.log(MOST_ODDS), min(math.log(MOST_ODDS), moved))
            if (not right and not wrong) or one.kind == "unexplained":
                weighed.append(one)
                continue
            said = [f"people confirmed it in {_names(right)}"] if right else []
            said += [f"people rejected it in {_names(wrong)}"] if wrong else []
            why = f"{one.why.rstrip('.')}. Of alike incidents, {' and '.join(said)}."
            cited = [f"incident:{i}" for i in [*right, *wrong]][:SHOWN]
            weighed.append(replace(one, score=_moved(one.score, moved), why=why, evidence=[*one.evidence, *cited]))
        return sorted(weighed, key=lambda h: -h.score)

    def is_noise(self) -> bool:
        return len(self.noise) >= NOISE and not self.right

    def sentence(self) -> Sentence:
        """Why this incident is a low one."""
        text = f"People judged {len(self.noise)} alike incidents to be noise."
        return Sentence(text, [f"incident:{i}" for i in self.noise[:SHOWN]], "against")


def experience(incident: Incident, earlier: Iterable[Incident], similarity: Similarity | None = None) -> Experience:
    """The verdicts on incidents alike to ``incident``; of several on one incident the newest counts."""
    found = Experience()
    for other in earlier:
        verdicts = [a.verdict for a in sorted(other.actions, key=lambda a: a.at_ns) if a.kind == "feedback"]
        if not verdicts or other.id == incident.id:
            continue
        # Without the cause: it is what is judged, and the new incident's is not known yet.
        alike = resemblance(replace(incident, hypotheses=[]), replace(other, hypotheses=[]), similarity) / 0.75
        if alike < ALIKE:
            continue
        if verdicts[-1] == "noise":
            found.noise.append(other.id)
        elif other.hypotheses:
            side = found.right if verdicts[-1] == "right_cause" else found.wrong
            side.setdefault(_cause(other.hypotheses[0]), {})[other.id] = min(alike, 1.0)
    return found


def _cause(hypothesis: Hypothesis) -> tuple[str, str]:
    """The same failure of the same service is the same cause, whichever host has it this time."""
    return hypothesis.kind, hypothesis.service or hypothesis.host


def _moved(score: float, log_odds: float) -> float:
    inside = min(max(score, 0.01), 0.99)
    return 1 / (1 + math.exp(-(math.log(inside / (1 - inside)) + log_odds)))


def _names(incidents: Iterable[str]) -> str:
    shown = list(incidents)
    return ", ".join(shown[:SHOWN]) + (f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else "")
