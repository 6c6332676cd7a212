"""The summary: one paragraph first, every claim cited, honest when there is little to say."""

import dataclasses

from logsense.rootcause import as_text, rank, summarise, title

from .cases import END, START, evidence, incident, oom_behind_a_proxy, series, signal, template

CLAIMS = ("headline", "impact", "cause", "timeline")


def test_every_claim_cites_evidence_and_the_first_paragraph_tells_it_all():
    found = oom_behind_a_proxy()
    hypotheses = rank(found)
    sentences, absent = summarise(incident(), hypotheses, found)
    assert absent == []
    assert all(s.evidence for s in sentences if s.role in CLAIMS)
    assert [s.role for s in sentences][:3] == ["headline", "impact", "cause"]
    paragraph = as_text(sentences).split("\n\n")[0]
    assert "Out of memory on app1: orders-api was killed" in paragraph and "since 16:10:00 UTC" in paragraph
    assert "\n" not in paragraph and len(paragraph) < 900
    assert title(incident(), hypotheses) == "Out of memory on app1: orders-api was killed"


def test_a_quiet_time_says_so_and_claims_nothing():
    sentences, absent = summarise(None, [], evidence(absent=["metrics of web1"]))
    assert sentences[0].text.startswith("Nothing unusual between")
    assert absent == ["metrics of web1"] and sentences[1].role == "not_examined"
    assert not [s for s in sentences if s.role == "cause"]


def test_an_unclear_incident_names_no_cause():
    found = evidence(signals=[signal("x1", "weak", score=2.0)])
    sentences, _ = summarise(incident(), rank(found), found)
    assert [s.text for s in sentences if s.role == "cause"] == ["The evidence does not point to a cause."]
    assert title(incident(), []) == "nginx on web1: upstream failed"


def test_a_resolved_incident_says_since_when_it_is_calm():
    found = oom_behind_a_proxy()
    done = dataclasses.replace(incident(), status="resolved", end_ns=END)
    assert "calm since 16:12:00" in summarise(done, rank(found), found)[0][0].text


def test_evidence_can_be_shown_in_the_text():
    found = oom_behind_a_proxy()
    text = as_text(summarise(incident(), rank(found), found)[0], evidence=True)
    assert "[signal:" in text and START > 0


def test_ties_and_silent_metrics_are_told():
    lines = [template(host, "pg", "could not extend file: No space left on device", 9) for host in ("a", "b")]
    found = evidence(lines, [series("a", "system.disk.utilization", 0.3, 0.3)])
    against = [s.text for s in summarise(incident(), rank(found), found)[0] if s.role == "against"]
    assert against == ["system.disk.utilization on a shows no matching change.", "About as likely: Disk full on b."]


def test_a_sign_that_came_late_does_not_make_it_last_longer():
    e = oom_behind_a_proxy()
    late = dataclasses.replace(e.signals[0], id="late", start_ns=END + 600 * 10**9, end_ns=END + 610 * 10**9)
    found = incident()
    usual, _ = summarise(found, rank(e), e)
    e = dataclasses.replace(e, signals=[*e.signals, late])
    sentences, _ = summarise(found, rank(e), e)
    told = [next(s.text for s in part if s.role == "impact").split(":")[0] for part in (usual, sentences)]
    assert told[0] == told[1] == "Affected for 2 min"
