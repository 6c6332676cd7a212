"""The store: checks before loading, layers, promotion and rollback. Artefacts are real scikit-learn estimators."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from logsense.errors import BadModel, NotFound
from logsense.lifecycle.card import Card, dumps, read_card
from logsense.lifecycle.store import CARD, POINTER, ModelStore


class Foreign:
    """A type that neither skops nor the store trusts."""

    def __init__(self) -> None:
        self.payload = 1


def artefact(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(50, 3))
    return {"estimator": LogisticRegression().fit(x, x[:, 0] > 0), "names": ["a", "b", "c"], "threshold": 0.5}


def card(name: str = "failure") -> Card:
    return Card(name, "", "failure", "2026-01-01T00:00:00+00:00")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore([tmp_path / "data", tmp_path / "shipped"])


def test_round_trip_keeps_what_the_model_says(store: ModelStore) -> None:
    made = artefact()
    saved = store.save(card(), made)
    assert saved.version == "1"
    loaded, read = store.load("failure", "1")
    x = np.random.default_rng(1).normal(size=(20, 3))
    assert (loaded["estimator"].predict_proba(x) == made["estimator"].predict_proba(x)).all()
    assert read.sha256 == saved.sha256 and read.libraries["scikit-learn"]
    assert not list((store.layers[0] / "failure").glob(".new*"))


def test_changed_artefact_is_refused(store: ModelStore) -> None:
    store.save(card(), artefact())
    file = store.path("failure", "1") / "model.skops"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BadModel) as caught:
        store.load("failure", "1")
    assert "sha256" in caught.value.why and caught.value.where == str(file) and caught.value.fix


@pytest.mark.parametrize("library", ["scikit-learn", "numpy", "skops"])
def test_other_library_versions_are_refused_with_both_named(store: ModelStore, library: str) -> None:
    saved = store.save(card(), artefact())
    path = store.path("failure", "1") / CARD
    path.write_text(path.read_text().replace(f'{library} = "{saved.libraries[library]}"', f'{library} = "0.1.2"'))
    with pytest.raises(BadModel, match=library) as caught:
        store.load("failure", "1")
    assert "0.1.2" in caught.value.why and saved.libraries[library] in caught.value.why


def test_a_patch_release_is_accepted(store: ModelStore) -> None:
    saved = store.save(card(), artefact())
    path = store.path("failure", "1") / CARD
    major_minor = ".".join(saved.libraries["numpy"].split(".")[:2])
    path.write_text(path.read_text().replace(f'numpy = "{saved.libraries["numpy"]}"', f'numpy = "{major_minor}.99"'))
    store.load("failure", "1")


def test_unknown_types_are_refused_unless_named(store: ModelStore) -> None:
    store.save(card(), {"estimator": Foreign()})
    with pytest.raises(BadModel, match="not trusted") as caught:
        store.load("failure", "1")
    assert "Foreign" in caught.value.why
    (unknown,) = skops.io.get_untrusted_types(file=store.path("failure", "1") / "model.skops")
    assert isinstance(store.load("failure", "1", trusted=[unknown])[0]["estimator"], Foreign)


def test_a_pickle_under_the_right_name_is_never_executed(store: ModelStore, tmp_path: Path) -> None:
    import hashlib
    import pickle

    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    saved = store.save(card(), artefact())
    data = pickle.dumps(Evil())
    path = store.path("failure", "1")
    (path / "model.skops").write_bytes(data)
    (path / CARD).write_text((path / CARD).read_text().replace(saved.sha256, hashlib.sha256(data).hexdigest()))
    with pytest.raises(BadModel):
        store.load("failure", "1")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "text", ["", "no toml [", 'name = "x"', 'name="x"\nversion="1"\nkind="k"\ncreated=""\nsha256=1']
)
def test_broken_cards_say_so_and_hide_nothing_else(store: ModelStore, text: str) -> None:
    store.save(card(), artefact())
    store.save(card(), artefact())
    (store.path("failure", "1") / CARD).write_text(text)
    with pytest.raises(BadModel) as caught:
        store.load("failure", "1")
    assert caught.value.where.endswith(CARD)
    assert [e.card.version for e in store.entries()] == ["1", "2"]
    assert store.entries()[0].card.kind == "broken"


def test_a_card_cannot_point_outside_its_folder(store: ModelStore) -> None:
    store.save(card(), artefact())
    path = store.path("failure", "1") / CARD
    path.write_text(path.read_text().replace('"model.skops"', '"../../elsewhere.skops"'))
    with pytest.raises(BadModel, match="artefact"):
        store.load("failure", "1")


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a\\b", "a\0"])
def test_names_are_no_paths(store: ModelStore, name: str) -> None:
    with pytest.raises(NotFound):
        store.load(name, "1")
    with pytest.raises(NotFound):
        store.load("failure", name or "..")


def test_promote_and_roll_back_over_layers(tmp_path: Path) -> None:
    shipped = ModelStore([tmp_path / "shipped"])
    shipped.save(card(), artefact(1))
    shipped.promote("failure", "1")
    store = ModelStore([tmp_path / "data", tmp_path / "shipped"])
    assert store.in_use("failure") == "1"
    assert store.save(card(), artefact(2)).version == "2"
    store.save(card(), artefact(3))
    assert store.in_use("failure") == "1"
    store.promote("failure", "2")
    store.promote("failure", "3")
    store.promote("failure", "3")
    assert [(e.card.version, e.in_use) for e in store.entries("failure")] == [("1", False), ("2", False), ("3", True)]
    assert store.rollback("failure") == "2" == store.in_use("failure")
    assert store.rollback("failure") == "1" == store.in_use("failure")
    assert store.load("failure")[1].version == "1"
    with pytest.raises(NotFound, match="nothing to roll"):
        store.rollback("failure")
    assert (tmp_path / "shipped" / "failure" / POINTER).read_text() == "1\n"


def test_missing_things_are_not_found(store: ModelStore) -> None:
    assert store.in_use("failure") is None and store.names() == [] and store.entries() == []
    with pytest.raises(NotFound, match="in use"):
        store.load("failure")
    with pytest.raises(NotFound):
        store.promote("failure", "7")


def test_card_toml_survives_hard_texts(tmp_path: Path) -> None:
    hard = card()
    hard.data = {
        "q\"uo'te": 'a "b" \\ c\n\t\x7f\x01 ü',
        "list": [1, 2.5, True, "x" * 200],
        "nested": {"a.b": {"c": 1e-9}},
    }
    hard.scores = {"rows": [{"a": 1, "b": None}, {"a": float("inf")}], "nan": float("nan"), "none": None}
    table = tomllib.loads(dumps(hard.to_dict()))
    assert table["data"] == hard.data
    assert table["scores"]["rows"] == [{"a": 1}, {"a": float("inf")}]
    assert table["scores"]["nan"] != table["scores"]["nan"] and "none" not in table["scores"]
    (tmp_path / CARD).write_text(dumps(hard.to_dict() | {"sha256": "x", "a_later_field": 1}))
    assert read_card(tmp_path / CARD).data == hard.data


def test_a_trained_version_never_takes_the_place_of_a_shipped_one_of_the_same_number(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    below = ModelStore([shipped])
    below.promote("failure", below.save(Card("failure", "", "failure", "then"), {"who": "shipped"}).version)
    ModelStore([own]).save(Card("failure", "", "failure", "now"), {"who": "own"})
    both = ModelStore([own, shipped])
    assert both.load("failure")[0] == {"who": "shipped"}
    assert [(e.card.created, e.in_use) for e in both.entries("failure")] == [("now", False), ("then", True)]
    both.promote("failure", "1")
    assert both.load("failure")[0] == {"who": "own"}
    both.rollback("failure")
    assert both.load("failure")[0] == {"who": "shipped"}
