"""People's actions over the machine's status, and recurrence."""

import numpy as np
import pytest

from logsense.errors import BadInput
from logsense.incidents import Meaning, effective, noise, resemblance, similar
from logsense.record import Action, Hypothesis, Incident

S = 1_000_000_000


def incident(identity: str = "inc-1", status: str = "open", **more) -> Incident:
    return Incident(id=identity, title="t", status=status, severity="high", start_ns=more.pop("start_ns", 100 * S),
                    last_ns=more.pop("last_ns", 200 * S), **more)  # fmt: skip


def act(kind: str, at: int = 300, **more) -> Action:
    return Action("inc-1", kind, at * S, **more)


@pytest.mark.parametrize(
    ("machine", "kinds", "expected"),
    [
        ("open", [], "open"),
        ("open", ["ack"], "acknowledged"),
        ("open", ["ack", "resolve"], "resolved"),
        ("open", ["resolve", "reopen"], "open"),
        ("resolved", [], "resolved"),
        ("resolved", ["reopen"], "open"),
        ("resolved", ["resolve"], "resolved"),
        ("open", ["note", "ack", "note"], "acknowledged"),
    ],
)
def test_effective_status(machine, kinds, expected):
    stored = incident(status=machine, actions=[act(kind, 300 + n) for n, kind in enumerate(kinds)])
    assert effective(stored).status == expected
    assert stored.status == machine, "the stored incident is left as it is"


@pytest.mark.parametrize(
    ("machine", "kinds"),
    [
        ("resolved", ["ack"]),
        ("open", ["reopen"]),
        ("open", ["resolve", "resolve"]),
        ("open", ["resolve", "ack"]),
        ("open", ["erase"]),
    ],
)
def test_steps_that_make_no_sense(machine, kinds):
    with pytest.raises(BadInput) as caught:
        effective(incident(status=machine, actions=[act(kind, 300 + n) for n, kind in enumerate(kinds)]))
    assert caught.value.fix


def test_feedback_needs_a_known_verdict():
    with pytest.raises(BadInput):
        effective(incident(actions=[act("feedback", verdict="maybe")]))


def test_new_signals_after_a_person_resolved_it_open_it_again():
    resolved = incident(last_ns=250 * S, actions=[act("resolve", 300)])
    assert effective(resolved).status == "resolved" and effective(resolved).end_ns == 300 * S
    assert effective(incident(last_ns=400 * S, actions=[act("resolve", 300)])).status == "open"


def test_similar_prefers_the_same_messages_and_cause_and_learns_from_feedback():
    cause = [Hypothesis("host:db1", "disk_full", 0.9)]
    now = incident(
        "inc-9", start_ns=1000 * S, template_ids=["a", "b", "c"], services=["pg"], hosts=["db1"], hypotheses=cause
    )
    same = incident("inc-1", template_ids=["a", "b", "c"], services=["pg"], hosts=["db1"], hypotheses=cause)
    half = incident("inc-2", template_ids=["a", "b", "x", "y"], services=["pg"], hosts=["db1"], hypotheses=cause)
    other = incident("inc-3", template_ids=["x", "y"], services=["nginx"], hosts=["web1"])
    later = incident("inc-4", start_ns=2000 * S, template_ids=["a", "b", "c"], services=["pg"])
    assert resemblance(now, same) == pytest.approx(1.0)
    assert similar(now, [other, half, same, later]) == ["inc-1", "inc-2"]
    same.actions = [act("feedback", verdict="noise")]
    assert noise(same) and similar(now, [half, same]) == ["inc-2", "inc-1"]
    assert similar(now, [other], similarity=lambda a, b: 0.95) == ["inc-3"]


def test_the_same_in_other_words_is_found_by_meaning() -> None:
    meaning = Meaning()
    near, far = np.array([[0.9, 0.436], [0.0, 1.0]], np.float32)
    meaning.put(["t-a", "t-b", "t-c"], np.stack([np.array([1.0, 0.0], np.float32), near, far]))
    assert meaning.similarity(["t-a"], ["t-b", "t-c"]) == pytest.approx(0.9)
    assert meaning.similarity(["t-a", "t-unknown"], ["t-b"]) == pytest.approx(0.45)
    assert meaning.similarity(["t-unknown"], ["t-a"]) == 0.0
    now = Incident("inc-9", "x", "open", "high", 10, 11, template_ids=["t-a"], services=["a"])
    alike = Incident("inc-1", "x", "resolved", "high", 1, 2, template_ids=["t-b"], services=["b"])
    other = Incident("inc-2", "x", "resolved", "high", 1, 2, template_ids=["t-c"], services=["b"])
    assert similar(now, [alike, other]) == []
    assert similar(now, [alike, other], similarity=meaning.similarity) == ["inc-1"]
