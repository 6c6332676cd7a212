"""Verdicts of people move later rankings: up, down, within bounds, undone by a newer one, only for what is alike."""

from __future__ import annotations

from typing import Any

from logsense.incidents import experience
from logsense.record import Action, Hypothesis, Incident

POOL = Hypothesis("host:db1", "connection_exhaustion", 0.5, ["line:a"], host="db1", service="postgresql", why="Full.")
DISK = Hypothesis("host:db1", "disk_full", 0.6, ["line:b"], host="db1", service="postgresql", why="Writes fail.")


def incident(number: int, *verdicts: str, cause: Hypothesis = POOL, **more: Any) -> Incident:
    values = {"template_ids": ["t-1", "t-2"], "services": ["postgresql"], "hosts": ["db1"]} | more
    actions = [Action(f"inc-{number}", "feedback", at, verdict=v) for at, v in enumerate(verdicts)]
    return Incident(f"inc-{number}", "x", "resolved", "high", number * 1000, number * 1000 + 1, hypotheses=[cause],
                    actions=actions, **values)  # fmt: skip


NOW = incident(99)


def scores(*earlier: Incident) -> dict[str, float]:
    return {h.kind: h.score for h in experience(NOW, earlier).weigh([DISK, POOL])}


def test_a_confirmed_cause_ranks_higher_next_time_and_says_why() -> None:
    ranked = experience(NOW, [incident(1, "right_cause")]).weigh([DISK, POOL])
    assert [h.kind for h in ranked] == ["connection_exhaustion", "disk_full"]
    assert ranked[0].why == "Full. Of alike incidents, people confirmed it in inc-1."
    assert ranked[0].evidence == ["line:a", "incident:inc-1"]
    assert ranked[1] is DISK  # nobody judged it


def test_a_rejected_cause_ranks_lower() -> None:
    ranked = experience(NOW, [incident(1, "wrong_cause", cause=DISK)]).weigh([DISK, POOL])
    assert ranked[0].kind == "connection_exhaustion" and "rejected it in inc-1" in ranked[1].why


def test_more_verdicts_move_it_further_but_not_beyond_the_bound() -> None:
    one, two, many = (
        scores(*(incident(i, "right_cause") for i in range(count)))["connection_exhaustion"] for count in (1, 2, 50)
    )
    assert 0.5 < one < two < many
    assert abs(many - 6 / 7) < 1e-9  # odds of 1 times 6


def test_the_newest_verdict_of_an_incident_counts() -> None:
    assert scores(incident(1, "right_cause", "wrong_cause"))["connection_exhaustion"] < 0.5
    assert scores(incident(1, "wrong_cause", "right_cause"))["connection_exhaustion"] > 0.5


def test_what_is_not_alike_says_nothing() -> None:
    other = incident(1, "right_cause", template_ids=["t-9"], services=["nginx"], hosts=["web1"])
    assert scores(other) == scores()


def test_noise_needs_two_and_no_confirmed_one() -> None:
    once, twice = [incident(1, "noise")], [incident(1, "noise"), incident(2, "noise")]
    assert not experience(NOW, once).is_noise()
    found = experience(NOW, twice)
    assert found.is_noise() and found.sentence().evidence == ["incident:inc-1", "incident:inc-2"]
    assert not experience(NOW, [*twice, incident(3, "right_cause")]).is_noise()
