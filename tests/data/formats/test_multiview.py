"""Sets of views on made-up files, and on the real ones where they are."""

from __future__ import annotations

import numpy as np
import pytest
from format_samples import multiview, multiview_arrays
from refusals import refused

import comodal
from comodal.contracts import Binary, InputError, Multiclass, Multilabel, Regression, Sentiment
from comodal.data.assemble import assemble
from comodal.data.formats import recognise
from comodal.data.formats.multiview import FORMAT, locate
from comodal.data.labels import with_label
from comodal.data.load import load, open_source


@pytest.fixture
def views(tmp_path, monkeypatch):
    """A folder of one set, found by its name; a function writes it again with changes, without what is ``None``."""
    monkeypatch.setenv("COMODAL_VIEWS_DIR", str(tmp_path / "views"))
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "views" / "toy"
    folder.mkdir(parents=True)
    multiview(folder)

    def change(*, readme="", **arrays):
        held = {name: each for name, each in {**multiview_arrays(), **arrays}.items() if each is not None}
        np.savez(folder / "data.npz", **held)
        (folder / "README.md").write_text(readme)
        return FORMAT.open(folder)

    change.folder = folder
    return change


@pytest.mark.usefixtures("views")
def test_a_set_by_its_name():
    dataset, arrays = load("views:toy"), multiview_arrays()
    assert dataset.spec.name == "views:toy:split"
    assert dataset.spec.dims == {"text": 4, "vision": 3, "touch": 2}
    np.testing.assert_array_equal(dataset.modalities["vision"].values, arrays["image"])
    np.testing.assert_array_equal(dataset.modalities["text"].values, arrays["text_minilm"].astype(np.float32))
    assert dataset.modalities["touch"].lengths.tolist() == [5] * 12
    np.testing.assert_array_equal(dataset.modalities["touch"].values.reshape(12, 5, 2), arrays["touch"])
    assert dataset.spec.task == Multiclass(("0", "1", "2"))
    np.testing.assert_array_equal(dataset.target, arrays["label"])
    assert dataset.group.tolist() == arrays["group"].tolist()
    assert dataset.transcript[3] == "words 3"
    assert [rows.tolist() for rows in dataset.partitions[0].splits.values()] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
    ]
    folds = load("views:toy", protocol="fold5", label="mood").partitions
    assert [np.unique(arrays["fold5"][fold.test]).tolist() for fold in folds] == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize(
    ("label", "task", "wanted", "first"),
    [
        ("mood", None, Binary(("good", "bad")), [0, 1, 0]),
        ("emotion", None, Multilabel(("sad", "glad")), [[0, 0], [1, 1], [1, 0]]),
        ("emotion_intensity", None, Regression(0.0, 1.0, ("sad", "glad")), [[0, 0], [1 / 3, 1], [2 / 3, 0]]),
        ("emotion.glad", None, Regression(0.0, 1.0), [0, 1, 0]),
        ("stars", "multiclass", Multiclass(("0", "1", "2", "3")), [0, 1, 2]),
        ("stars", "regression", Regression(0.0, 3.0), [0, 1, 2]),
        ("label", "regression", Regression(0.0, 2.0), [0, 1, 2]),
        ("n_segments", "regression", Regression(0.0, 11.0), [0, 1, 2]),
    ],
)
@pytest.mark.usefixtures("views")
def test_every_label(label, task, wanted, first):
    dataset = load("views:toy", label=label, task=task)
    assert dataset.spec.task == wanted
    np.testing.assert_allclose(dataset.target[:3], first, rtol=1e-6)


def test_classes_without_a_declaration_are_asked_about(views):
    with refused("missing", "label 'stars'", "--task"):  # the README declares the classes of the label alone
        load("views:toy", label="stars")
    source = views(readme="# toy\nNothing of classes.")
    assert source.label == "label"
    assert np.isnan(assemble(source).target).all()
    with refused("missing", "label 'label'", "--task"):
        load("views:toy")
    assert load("views:toy", task="multiclass").spec.task == Multiclass(("0", "1", "2"))
    views(readme="- Task: classification", label=np.arange(12) % 2)
    assert load("views:toy").spec.task == Binary(("0", "1"))


def test_which_label_is_predicted(views):
    without = {"label": None, "emotion": None, "emotion_names": None}
    views(**without)
    with refused("missing", "mood, stars", "--label"):
        load("views:toy")
    one = views(**without, mood=None, mood_names=None)
    assert one.label == "stars"
    scores = views(sentiment=np.linspace(-2, 2, 12).astype(np.float32), label=None)
    assert (scores.label, scores.task) == ("sentiment", Sentiment())
    assert views(sentiment=np.linspace(-9, 9, 12), label=None).task == Regression(-9.0, 9.0)
    words = views(label=np.array(["a", "b", "c"] * 4))
    assert words.task == Multiclass(("a", "b", "c"))
    assert views(label=(np.arange(24).reshape(12, 2) % 2).astype(np.int8)).task == Multilabel(("0", "1"))


def test_a_label_is_no_view_whatever_its_shape(views):
    source = views(emotion_names=None)
    assert "emotion" not in source.dims
    assert with_label(source, label="emotion").task == Multilabel(("0", "1"))
    named = {"feeling": multiview_arrays()["emotion"], "feeling_names": np.array(["a", "b"])}
    assert "feeling" not in views(**named).dims


def fold_of(source):
    return next(source.blocks([])).columns["group5"]


def test_random_folds_of_groups_are_stratified_by_the_label(tmp_path):
    """Forty groups of five, a quarter of which have one of two moods, and another quarter one of two kinds."""
    rng, group = np.random.default_rng(0), np.repeat(np.arange(40), 5)
    calm, tall = (rng.permutation(40)[group] < 10 for _ in range(2))
    arrays = {
        "id": np.arange(200).astype(str),
        "group": group.astype(str),
        "split": np.tile(["train", "valid"], 100),
        "image": rng.normal(size=(200, 3)),
        "label": np.where(calm, "calm", "angry"),
        "kind": np.where(tall, "tall", "short"),
        "stars": np.arange(200) % 3,
    }
    np.savez(tmp_path / "data.npz", **arrays)
    source = FORMAT.open(tmp_path)
    assert list(source.divisions) == ["group5"]
    for label, rows in (("label", calm), ("kind", tall)):
        fold = fold_of(with_label(source, label=label))
        assert all(len(set(fold[group == each])) == 1 for each in range(40))
        assert np.bincount(fold[rows], minlength=5).tolist() == [10] * 5
    assert np.ptp(np.bincount(fold_of(source)[calm], minlength=5)) > 0  # what the reader draws, blind to the label
    np.testing.assert_array_equal(fold_of(with_label(source, label="stars", task="regression")), fold_of(source))
    np.savez(tmp_path / "data.npz", **{**arrays, "label": np.where(group < 3, "calm", "angry")})
    with refused("empty", "class 'calm' has 15 samples of 3 groups", "5"):
        with_label(FORMAT.open(tmp_path))


def test_partitions_keep_groups_whole(views):
    source = views(fold5=np.arange(12) % 5)
    assert list(source.divisions) == ["split"]
    assert source.facts["partitions"] == "fold5 left out: a group is in several parts"
    source = views(fold5=np.arange(12) % 5, split=np.tile(["train", "valid", "test"], 4))
    assert list(source.divisions) == ["group5"]
    partitions = assemble(with_label(source, label="stars", task="regression")).partitions
    assert sorted(np.concatenate([each.test for each in partitions]).tolist()) == list(range(12))
    group = multiview_arrays()["group"]
    for each in partitions:
        parts = [set(group[rows]) for rows in each.splits.values()]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 6
    official = np.repeat(["none", "train", "valid", "test"], 3)
    group = np.arange(12).astype(str)
    source = views(official_fold=official, group=group)
    assert list(source.divisions) == ["split", "fold5", "official_fold"]
    assert len(assemble(source, protocol="official_fold")) == 9


def test_a_view_of_a_pretrained_encoder_stands_in_for_a_modality(views):
    both = views(text=np.ones((12, 2)))
    assert both.dims == {"text": 2, "image": 3, "touch": 2, "text_minilm": 4}
    assert list(assemble(both).modalities) == ["text", "vision", "touch"]
    other = load("views:toy", features={"text": "text_minilm", "vision": "image"}, label="mood")
    assert other.spec.dims == {"text": 4, "vision": 3}


def test_a_narrow_array_of_floats_is_asked_about_until_the_readme_tells(views):
    """Numbers of two axes may be labels: taken as a view they would give the answer away."""
    answers = multiview_arrays()["emotion"] * 3
    with refused("missing", "data.npz, ratings", 2, "README.md"):
        views(ratings=answers)
    task = "- Task: classification.\n"
    told = views(ratings=answers, readme=f"{task}- Views: image 3, text_minilm (a sentence). Unscaled, ratings kept.\n")
    assert list(told.dims) == ["text_minilm", "image", "touch"]
    assert told.labels["ratings"].columns == ("ratings.0", "ratings.1")
    np.testing.assert_array_equal(load("views:toy", label="ratings", task="regression").target, answers)
    told = views(ratings=answers, readme=f"{task}Views: ratings, image, text_minilm")
    assert told.dims["ratings"] == 2
    prose = views(wide=np.zeros((12, 33), np.float32), readme=f"{task}Views: two of them")
    assert prose.dims["wide"] == 33


def test_without_groups_every_sample_is_its_own(views):
    source = views(group=None)
    dataset = assemble(source)
    assert dataset.group.tolist() == dataset.id.tolist()


@pytest.mark.parametrize(
    ("arrays", "code", "named"),
    [
        ({"image": np.zeros((11, 3), np.float32)}, "wrong_shape", ["image", "12"]),
        ({"mood": np.full(12, 2)}, "out_of_range", ["mood", "2"]),
        ({"emotion_names": np.array(["sad"])}, "mismatch", ["emotion", "2 columns"]),
        ({"fold5": np.full(12, 1)}, "out_of_range", ["fold5"]),
        ({"id": np.array([""] * 12)}, "missing", ["id"]),
        ({"image": None, "touch": None, "text_minilm": None}, "missing", ["view"]),
        ({"stars": np.array([b"a"] * 12)}, "wrong_type", ["stars"]),
        ({"id": np.zeros((12, 2), dtype=int)}, "wrong_shape", ["id"]),
    ],
)
def test_what_is_wrong_is_named(views, arrays, code, named):
    with refused(code, *named, "data.npz"):
        views(**arrays)


@pytest.mark.usefixtures("views")
def test_found_beside_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "shared" / "data").mkdir(parents=True)
    (tmp_path / "views").rename(tmp_path / "shared" / "data" / "views")
    (tmp_path / "project" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "deep")
    monkeypatch.delenv("COMODAL_VIEWS_DIR")
    assert locate("toy") == tmp_path / "shared" / "data" / "views" / "toy"
    monkeypatch.setenv("COMODAL_VIEWS_DIR", str(tmp_path))
    with refused("missing", "COMODAL_VIEWS_DIR", "data.npz"):
        locate("toy")


@pytest.mark.usefixtures("views")
def test_names_of_sets():
    for name in ("tou", "", "../views/toy"):
        with refused("unknown_name", "toy"):
            open_source(f"views:{name}")


def test_recognised_by_content(views, tmp_path):
    assert recognise(views.folder).name == recognise(views.folder / "data.npz").name == "multiview"
    np.savez(tmp_path / "inputs.npz", id=np.arange(3).astype(str), text=np.ones((3, 2)))
    assert not FORMAT.recognises(tmp_path / "inputs.npz")


def test_dialogues_have_the_turn_before_as_a_view(views):
    folder = views.folder.parent / "meld"
    folder.mkdir()
    arrays = {name: each for name, each in multiview_arrays().items() if name not in {"image", "touch", "label"}}
    np.savez(folder / "data.npz", **arrays)
    dataset = load("views:meld")
    assert dataset.spec.task.kind == "multilabel"
    assert list(dataset.modalities) == ["text", "before"]
    before, text = dataset.modalities["before"], dataset.modalities["text"].values
    assert before.lengths.tolist() == [0, 1] * 6  # the turns of a group are two
    np.testing.assert_array_equal(before.values, text[::2])
    assert list(load("views:meld", features={"text": "text_minilm"}).modalities) == ["text"]
    np.savez(folder / "data.npz", **arrays, start=np.arange(12)[::-1].astype(np.float32))
    before = load("views:meld").modalities["before"]
    assert before.lengths.tolist() == [1, 0] * 6  # by its start the second row of a group is its first turn
    np.testing.assert_array_equal(before.values, text[1::2])


REAL = {
    "handwritten6": ("label", Multiclass(tuple("0123456789")), 2000),
    "webkb": ("label", Binary(("0", "1")), 1051),
    "mosei_video922": ("sentiment", Sentiment(), 922),
    "mustard_pp": ("sarcasm", Binary(("0", "1")), 1202),
}


@pytest.mark.parametrize("name", REAL)
def test_real_sets(name):
    try:
        folder = locate(name)
    except InputError:
        pytest.skip("the sets of views are not here")
    label, task, count = REAL[name]
    source = FORMAT.open(folder)
    dataset = assemble(source)
    with np.load(folder / "data.npz") as arrays:
        np.testing.assert_array_equal(dataset.target, arrays[label].astype(np.float32))
        assert "emotion" not in source.dims
        for modality, array in dataset.modalities.items():
            given = modality if modality in source.dims else f"{modality}_minilm"
            np.testing.assert_array_equal(array.values, arrays[given])
    assert (dataset.spec.task, len(dataset)) == (task, count)


@pytest.mark.usefixtures("views")
def test_a_run_remembers_its_label(tmp_path):
    data = comodal.DataConfig(source="views:toy", label="mood")
    short = comodal.RunConfig(training=comodal.TrainingConfig(max_epochs=1))
    comodal.train(data, short, out=tmp_path / "run")
    model = comodal.load_model(tmp_path / "run")
    found = model.predict(model.read("views:toy"))
    assert found.target.tolist() == ["good", "bad"] * 6
    assert list(found.probability) == ["good", "bad"]
    assert comodal.evaluate(tmp_path / "run").predictions.task == Binary(("good", "bad"))
