"""The main job on real recordings, through the same functions that the demo, the API and the pages use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from logsense import trials
from logsense.config import Settings, shipped
from logsense.errors import NotFound
from logsense.feed import Ingest, add_recording, find_pipeline
from logsense.rootcause import translate
from logsense.wording import in_language
from logsense.workspace import Workspace
from tests.e2e.places import Place

SCENARIOS = ("server", "database", "network")
pytestmark = pytest.mark.xdist_group("samples")


@pytest.fixture(scope="module")
def all_three(tmp_path_factory: pytest.TempPathFactory, module_place: Place) -> Iterator[Workspace]:
    """The three samples in one data folder, as in the demo: their faults overlap in time."""
    data = tmp_path_factory.mktemp("samples") / "data"
    run = Ingest(data, module_place.settings)
    for name in SCENARIOS:
        add_recording(run, find_pipeline(name), shipped("samples") / name)
    report = run.finish()
    assert report["notes"] == []
    space = Workspace(data, module_place.settings)
    assert space.wait_for_models()
    yield space
    space.close()


def test_every_line_was_understood(all_three: Workspace) -> None:
    rows = all_three.doctor()
    assert sum(r["unparsed"] for r in rows) == 0
    assert sum(r["parsed"] for r in rows) > 15_000
    assert sum(t["count"] for t in all_three.templates(limit=10_000)) == sum(r["parsed"] for r in rows)


def test_incidents_of_three_estates_are_not_confused(all_three: Workspace) -> None:
    """Figures of the run that the README quotes; lower ones mean that something broke."""
    incidents = all_three.incidents(limit=100)
    pipelines = {i["pipeline"] for i in incidents}
    assert pipelines == set(SCENARIOS)
    estates = {"server": {"web1", "app1"}, "database": {"db1", "db2", "db3", "cache1", "shop1"},
               "network": {"edge1", "api1", "api2", "ns1", "ns2", "proxy1"}}  # fmt: skip
    for incident in incidents:
        assert set(incident["hosts"]) <= estates[incident["pipeline"]]
    assert 15 <= len(incidents) <= 20


def test_every_sentence_rests_on_evidence_that_exists(all_three: Workspace) -> None:
    seen: set[str] = set()
    for brief in all_three.incidents(limit=100):
        incident = all_three.incident(brief["id"])
        assert incident["summary"][0]["role"] == "headline"
        for sentence in incident["summary"]:
            assert sentence["evidence"] or sentence["role"] in ("next", "not_examined", "against"), sentence
            seen |= set(sentence["evidence"])
        for hypothesis in incident["hypotheses"]:
            seen |= {*hypothesis["evidence"], *hypothesis["against"]}
    assert len(seen) > 50
    for evidence in seen:
        assert all_three.evidence(evidence)["title"], evidence


def test_every_sentence_has_a_chinese_wording(all_three: Workspace) -> None:
    unknown: list[str] = []
    for brief in all_three.incidents():
        found = all_three.incident(brief["id"])
        texts = [s["text"] for s in found["summary"]] + [t["text"] for t in found["timeline"]] + found["not_examined"]
        for hypothesis in found["hypotheses"]:
            texts += [hypothesis["title"], hypothesis["why"], *hypothesis["next_steps"]]
        for text in texts:
            translate(text, unknown.append)
        chinese = in_language(found, "zh")
        assert [s["evidence"] for s in chinese["summary"]] == [s["evidence"] for s in found["summary"]]
    assert unknown == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who is trying to guess passwords", "Password guessing"),
        ("no space left on a disk", "Disk full"),
        ("host names cannot be looked up", "Names are not resolved"),
        ("how to bake bread", ""),
    ],
)
def test_incidents_are_found_by_what_they_mean(all_three: Workspace, question: str, expected: str) -> None:
    found = [row["title"] for row in all_three.incidents(text=question)]
    assert found[:1] == [] if not expected else found[0].startswith(expected), found


def test_a_quiet_time_says_that_nothing_was_found(all_three: Workspace) -> None:
    from logsense.timefmt import parse_time

    # Before the first fault of all three recordings, when only the server's runs.
    answer = all_three.diagnose(parse_time("2026-11-24T21:07:30Z"), parse_time("2026-11-24T21:09:30Z"))
    assert answer["hypotheses"] == []
    assert answer["incidents"] == []
    assert "Nothing unusual" in answer["summary"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who is trying to guess passwords", "password"),
        ("which service ran out of memory", "oom"),
        ("sessions that wait for a lock", "still waiting for"),
        ("deadlock", "deadlock"),
    ],
)
def test_questions_find_what_they_mean(all_three: Workspace, question: str, expected: str) -> None:
    answer = all_three.search(question, limit=10)
    texts = [t["template"].lower() for t in answer["templates"][:8]] + [h["message"].lower() for h in answer["hits"]]
    assert any(expected in text for text in texts), texts
    assert answer["total"] > 0


def test_the_guessed_passwords_share_no_word_with_the_question(all_three: Workspace) -> None:
    answer = all_three.search("somebody attempts to break in by trying many credentials")
    found = " ".join(t["template"] for t in answer["templates"][:8])
    assert "Failed password" in found or "Invalid user" in found
    assert answer["query"]["semantic"]


@pytest.mark.parametrize("question", ["how do I bake a chocolate cake", "who won the football match"])
def test_what_no_line_answers_is_not_found(all_three: Workspace, question: str) -> None:
    answer = all_three.search(question)
    assert answer["total"] == 0
    assert answer["notes"]


def test_filters_are_understood(all_three: Workspace) -> None:
    answer = all_three.search("errors on db1 between 21:15 and 21:17", now=1_795_557_600_000_000_000)
    assert answer["query"]["hosts"] == ["db1"]
    assert answer["query"]["from"] == "2026-11-24T21:15:00Z"
    assert {h["host"] for h in answer["hits"]} == {"db1"}


def test_unknown_things_are_not_found(all_three: Workspace) -> None:
    for ask in (all_three.incident, all_three.log, all_three.template):
        with pytest.raises(NotFound):
            ask("none")
    for evidence in ("line:none", "metric:x/y@1", "template:none", "signal:none", "nonsense"):
        with pytest.raises(NotFound):
            all_three.evidence(evidence)


def test_faults_of_a_take_are_found_and_named() -> None:
    """One recording against its labels. The floor is well below what is reached (see the README)."""
    report = trials.evaluate_samples([shipped("samples") / "holdout" / "server"], Settings())
    total = report["total"]
    assert total["faults"] == 5
    assert total["found"] >= 4
    assert total["cause_top3"] >= 4
    assert total["false"] <= 1
