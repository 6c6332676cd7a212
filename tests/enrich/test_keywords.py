"""Keywords on templates as services write them."""

import shutil

import pytest

from logsense.enrich import KeywordExtractor, KeywordOptions
from logsense.enrich.keywords import DEFAULT_MODEL, DEFAULT_SHA256, _package_folder, tree_digest
from logsense.errors import BadModel


@pytest.fixture(scope="module")
def extractor():
    return KeywordExtractor()


def test_the_packaged_model_is_the_pinned_one():
    assert tree_digest(_package_folder(DEFAULT_MODEL)) == DEFAULT_SHA256


def test_the_digest_sees_names_and_contents(tmp_path):
    for folder, name, content in (("a", "x", "1"), ("b", "y", "1"), ("c", "x", "2"), ("d", "x", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    digests = [tree_digest(tmp_path / folder) for folder in "abcd"]
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_a_changed_model_is_refused(tmp_path):
    shutil.copytree(_package_folder(DEFAULT_MODEL), tmp_path / "m")
    (tmp_path / "m" / "meta.json").write_text("{}")
    with pytest.raises(BadModel) as e:
        KeywordExtractor(KeywordOptions(model=str(tmp_path / "m"), sha256=DEFAULT_SHA256)).load()
    assert DEFAULT_SHA256 in e.value.why and e.value.fix


def test_an_unknown_model_is_refused():
    with pytest.raises(BadModel) as e:
        KeywordExtractor(KeywordOptions(model="no_such_model")).load()
    assert e.value.fix


@pytest.mark.models
@pytest.mark.parametrize(
    ("template", "holds", "lacks"),
    [
        ("parameter wal_level changed to <*>", ["wal_level"], ["wal", "level"]),
        ("ERROR sqlstate 40P01: deadlock detected", ["40P01", "deadlock detected"], ["deadlock"]),
        ("GET <*> HTTP/1.1 502 <*>", ["GET", "502"], []),
        ("<*> error : Connection refused by proxy <*>", ["connection refused", "proxy"], ["refuse"]),
        ("instruction cache parity error corrected", ["parity error"], []),
        ("Failed password for <*> from <*> port <*> ssh2", ["failed password"], ["from", "for"]),
        ("Verification succeeded for <*>", ["verification", "succeed"], []),
        (
            "BLOCK* NameSystem.addStoredBlock: <*> is added to <*> size <*>",
            ["NameSystem.addStoredBlock", "size"],
            ["is"],
        ),
        ("Server <*> is DOWN, reason: Layer4 timeout", ["is down"], []),
    ],
)
def test_keywords(extractor, template, holds, lacks):
    (found,) = extractor.extract([template])
    assert set(holds) <= set(found.keywords)
    assert not set(lacks) & set(found.keywords)


@pytest.mark.models
def test_answers_are_in_order_bounded_and_without_repeats(extractor):
    long = (
        " ".join(f"word{chr(97 + i)}tion" for i in range(26)) + " failed because the remote database server refused it"
    )
    texts = ["disk full", long, "", "<*>", "\0 \ud800".encode("utf-8", "replace").decode(), "disk full"]
    found = extractor.extract(texts)
    assert len(found) == len(texts)
    assert found[0] == found[5]
    assert found[2].keywords == found[3].keywords == []
    for answer in found:
        assert len(answer.keywords) <= 8
        assert len({k.lower() for k in answer.keywords}) == len(answer.keywords)


@pytest.mark.models
def test_samples_tell_the_kind_of_a_value(extractor):
    assert extractor.extract(["peer <*> left"], ["peer 10.0.0.9:80 left"])[0].entities == ["ip:<*>"]
    assert extractor.extract(["link <*> left"], ["link x left"])[0].entities != ["ip:<*>"]
