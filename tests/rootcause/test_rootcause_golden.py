"""Which kinds the samples of each pattern lead to, and one summary in full."""

import pytest

from logsense.rootcause import known_patterns, rank, summarise

from ..detect.golden import check
from .cases import evidence, incident, oom_behind_a_proxy, template


def test_kinds_of_samples():
    """Each decisive sample alone, thirty times on one host: the hypotheses in order."""
    rows = []
    for pattern in known_patterns():
        for cue, sample in decisive_samples(pattern.kind):
            found = rank(evidence([template("h1", "svc", sample, 30)]))
            assert pattern.kind in [h.kind for h in found], f"{pattern.kind}: {cue} does not lead to it: {sample}"
            rows.append({"sample": sample, "kinds": [h.kind for h in found], "service": found[0].service})
    check("rootcause/samples.jsonl", rows)


def decisive_samples(kind: str) -> list[tuple[str, str]]:
    import tomllib
    from importlib.resources import files

    table = tomllib.loads((files("logsense.rootcause") / "patterns.toml").read_text(encoding="utf-8"))
    body = next(one for one in table["pattern"] if one["kind"] == kind)
    return [(cue["match"], sample) for cue in body.get("text", []) if cue.get("decisive") for sample in cue["samples"]]


@pytest.mark.parametrize("name", ["oom_behind_a_proxy"])
def test_summary(name):
    found = {"oom_behind_a_proxy": oom_behind_a_proxy}[name]()
    sentences, _ = summarise(incident(), rank(found), found)
    check(f"rootcause/{name}.jsonl", ({"role": s.role, "text": s.text, "evidence": s.evidence} for s in sentences))
