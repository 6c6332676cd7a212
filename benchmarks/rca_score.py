"""What the root-cause benchmarks share: ranks of the true place, and how far confidence can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from logsense.diagnosis import Diagnosis
from logsense.record import Hypothesis
from logsense.rootcause import is_clear
from logsense.stages import Index

ABSENT = 99
AROUND_NS = 60_000_000_000  # a chart is shown around the moment that is cited


@dataclass(frozen=True, slots=True)
class Answer:
    """One fault with what was answered: the rank of the true place (``ABSENT`` if it is not named)."""

    name: str
    kind: str
    rank: int
    clear: bool
    score: float
    first: str
    seconds: float = 0.0  # of CPU time, for gathering, ranking and summarising
    cited: int = 0  # evidence ids in all sentences and hypotheses
    missing: int = 0  # of those, how many lead to nothing


def places(hypotheses: Sequence[Hypothesis]) -> list[str]:
    """Hosts in order, each once."""
    return list(dict.fromkeys(hypothesis.host for hypothesis in hypotheses))


def answer(name: str, kind: str, truth: set[str], hypotheses: Sequence[Hypothesis]) -> Answer:
    ranked = places(hypotheses)
    rank = next((number for number, place in enumerate(ranked, 1) if place in truth), ABSENT)
    first = f"{hypotheses[0].kind}@{hypotheses[0].host}" if hypotheses else "nothing"
    return Answer(name, kind, rank, is_clear(hypotheses), hypotheses[0].score if hypotheses else 0.0, first)


def with_citations(one: Answer, index: Index, found: Diagnosis) -> Answer:
    """The answer with how many evidence ids were cited and how many of them do not exist in the index."""
    ids = {cited for sentence in found.sentences for cited in sentence.evidence}
    ids |= {cited for hypothesis in found.hypotheses for cited in (*hypothesis.evidence, *hypothesis.against)}
    return replace(one, cited=len(ids), missing=sum(not exists(index, cited) for cited in ids))


def exists(index: Index, evidence_id: str) -> bool:
    kind, _, name = evidence_id.partition(":")
    if kind == "line":
        return index.get_log(name) is not None
    if kind == "template":
        return bool(index.templates([name]))
    if kind == "signal":
        return bool(index.signals(ids=[name]))
    if kind == "metric":
        series, _, at_ns = name.rpartition("@")
        host, _, metric = series.partition("/")
        return bool(index.metric_series(host, metric, int(at_ns) - AROUND_NS, int(at_ns) + AROUND_NS))
    return False


def print_answers(title: str, answers: Sequence[Answer], *, verbose: bool) -> None:
    """AS@k in all and per kind of fault, then precision against confidence."""
    print(f"\n{title}: {len(answers)} faults")
    if verbose:
        for one in answers:
            rank = "-" if one.rank == ABSENT else one.rank
            clear = "clear" if one.clear else "     "
            print(f"  {one.name:34} {one.kind:16} rank {rank:>2}  {clear} {one.score:.2f}  {one.first}")
    for kind in ["", *sorted({one.kind for one in answers})]:
        mine = [one for one in answers if kind in ("", one.kind)]
        if kind and len(mine) == len(answers):
            continue
        at = "  ".join(f"@{k} {sum(one.rank <= k for one in mine) / len(mine):.3f}" for k in (1, 3, 5))
        print(f"  {kind or 'all':18} {len(mine):3}  {at}")
    if any(one.seconds for one in answers):
        took = sorted(one.seconds for one in answers)
        middle, most = took[len(took) // 2] * 1000, took[-1] * 1000
        print(f"  a diagnosis takes {middle:.0f} ms of CPU (median), at most {most:.0f} ms")
    if any(one.cited for one in answers):
        print(
            f"  {sum(one.cited for one in answers)} evidence ids cited, {sum(one.missing for one in answers)} missing"
        )
    print("  the first stands …      answered   right")
    for label, mine in (
        ("clearly ahead", [one for one in answers if one.clear]),
        ("score >= 0.70", [one for one in answers if one.score >= 0.70]),
        ("score >= 0.45", [one for one in answers if one.score >= 0.45]),
        ("named at all", [one for one in answers if one.score > 0]),
    ):
        right = f"{sum(one.rank == 1 for one in mine) / len(mine):.3f}" if mine else "    –"
        print(f"    {label:20} {len(mine):3} of {len(answers):3}   {right}")


def print_quiet(title: str, answers: Sequence[Answer], *, verbose: bool) -> None:
    """How often something was named where nothing was wrong; a rank means nothing there."""
    named, likely = (sum(one.score >= bar for one in answers) for bar in (1e-9, 0.45))
    clear = sum(one.clear for one in answers)
    print(f"\n{title}: {len(answers)} times; named somebody {named}, as likely {likely}, clearly ahead {clear}")
    if verbose:
        for one in answers:
            if one.score > 0:
                print(f"  {one.name:34} {one.kind:16} {'clear' if one.clear else '     '} {one.score:.2f}  {one.first}")
