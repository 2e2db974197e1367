"""Representations of someone else's model: what is read, what is refused, and who explains whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused

from comodal.contracts.errors import Code
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet
from comodal.explain.of_representations import _divisions, explain_representations, validate_representations
from comodal.explain.pairing import validate_pairing
from comodal.explain.pairing_scorers import CCA, FITTED_CRITIC
from comodal.explain.representation_file import read_representations, save_representations
from comodal.explain.representations import represent


def _arrays(n: int = 300, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    text = rng.standard_normal((n, 2))
    return {"text": text, "audio": text + 0.3 * rng.standard_normal((n, 2)), **more}


def _file(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "views.npz", **arrays)
    return folder / "views.npz"


def test_what_is_saved_is_read_again(tmp_path: Path, fitted: FittedFold) -> None:
    parts = {split: represent(fitted, split) for split in ("train", "valid", "test")}
    save_representations(tmp_path / "views", parts)  # no suffix is added
    found, split = read_representations(tmp_path / "views")
    assert split is not None
    assert {name: int((split == name).sum()) for name in parts} == {name: len(part) for name, part in parts.items()}
    test = found.take(split == "test")
    np.testing.assert_array_equal(test.id, parts["test"].id.astype(str))
    np.testing.assert_array_equal(test.prediction, parts["test"].prediction)
    np.testing.assert_array_equal(test.views["audio"], parts["test"].views["audio"])
    with refused("exists", "--force"):
        save_representations(tmp_path / "views", parts)
    save_representations(tmp_path / "views", parts, force=True)


@pytest.mark.parametrize(
    ("arrays", "code", "named"),
    [
        ({"text": np.zeros((30, 2))}, "missing", ("1", "2")),
        (_arrays(19), "empty", ("19", "20")),
        (_arrays(30, vision=np.full((30, 2), np.nan)), "not_finite", ("vision", "30 of 30", "row 0")),
        (_arrays(30, prediction=np.array([0.0] * 29 + [np.inf])), "not_finite", ("prediction", "row 29")),
        (_arrays(30, target=np.zeros(29)), "wrong_shape", ("target", "29")),
        (_arrays(30, id=np.zeros(30)), "duplicate", ("id",)),
        (_arrays(30, split=np.full(30, "dev")), "unknown_name", ("dev",)),
        (_arrays(30, split=np.full(30, "test")), "missing", ("split", "train")),
        (_arrays(30, vision=np.full(30, "x")), "wrong_type", ("vision", "<U1")),
        (_arrays(30, vision=np.array([None] * 30)), "damaged", ("views.npz",)),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, arrays: dict[str, Any], code: Code, named: tuple[str, ...]) -> None:
    path = _file(tmp_path, **arrays)
    with refused(code, path, *named):
        read_representations(path)


def test_no_file_and_no_archive_are_refused(tmp_path: Path) -> None:
    with refused("missing", "nothing.npz"):
        read_representations(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("hello")
    with refused("damaged", "text.npz"):
        read_representations(tmp_path / "text.npz")


def test_without_a_split_each_half_is_explained_by_the_other_and_videos_stay_whole(tmp_path: Path) -> None:
    group = np.repeat([f"v{k}" for k in range(30)], 10)
    everything, split = read_representations(_file(tmp_path, **_arrays(group=group)))
    explained = []
    for division in _divisions(everything, split, seed=0):
        assert not set(division.train.group) & set(division.test.group)
        assert abs(len(division.test) - 150) <= 10
        explained += division.test.id.tolist()
    assert sorted(explained) == sorted(everything.id.tolist())


def test_a_swapped_sample_is_the_least_dependent(tmp_path: Path) -> None:
    """It lies below 95 % of the others; a critic that knew nothing would fail 19 times of 20."""
    arrays = _arrays(split=np.repeat(["train", "test"], 150), prediction=np.zeros(300), target=np.ones(300))
    arrays["audio"][200] = -2.0 * np.sign(arrays["text"][200])
    arrays["text"][200] = 2.0 * np.sign(arrays["text"][200])
    table = explain_representations(_file(tmp_path, **arrays), donors=20)
    assert len(table) == 150
    assert table.percentile[table.id == "200"] < 5
    assert table.facts["critic"] == "fitted afterwards"
    assert table.facts["unit"] == "nats"
    assert np.isnan(table.without["text"]).all()
    # Exchanging a modality of dependent views lowers the dependency of nearly every sample.
    assert (table.swapped["audio"] < table.dependency).mean() > 0.9


def test_saved_representations_are_validated_as_their_run_is(tmp_path: Path, with_kl: RunSet) -> None:
    run = with_kl.runs[0]
    [fitted] = with_kl.fitted(run)
    path = tmp_path / "views.npz"
    save_representations(path, {split: represent(fitted, split) for split in ("train", "valid", "test")})
    found = validate_representations(path, repetitions=2)
    of_run = validate_pairing(with_kl, run, measure_to_fit="kl", repetitions=2)
    assert found == [each for each in of_run if each.score in (FITTED_CRITIC, CCA)]
    assert len(found) == 6


@pytest.mark.parametrize("split", [None, np.where(np.arange(300) % 2 == 0, "train", "test")])
def test_only_what_is_dependent_is_found_broken(tmp_path: Path, split: Any) -> None:
    """Independent modalities are at chance: 0.5 lies in a 95 % interval, of one draw with a fixed seed."""
    pure = np.random.default_rng(1).standard_normal((300, 2))
    more = {} if split is None else {"split": split}
    path = _file(tmp_path, **_arrays(group=np.arange(300) // 3, vision=pure, **more))
    found = {(each.score, each.modality): each for each in validate_representations(path, repetitions=3)}
    assert {score for score, _ in found} == {FITTED_CRITIC, CCA}
    for score in (FITTED_CRITIC, CCA):
        assert found[score, "text"].auroc_low > 0.75
        assert found[score, "audio"].auroc_low > 0.75
        assert found[score, "vision"].auroc_low < 0.5 < found[score, "vision"].auroc_high
    assert {each.n for each in found.values()} == {300 if split is None else 150}


@pytest.mark.parametrize(
    ("group", "named"),
    [
        (np.zeros(300), ("150", "1 groups")),
        (np.minimum(np.arange(300), 150), ("group",)),
    ],
)
def test_samples_of_one_group_cannot_be_paired_otherwise(tmp_path: Path, group: Any, named: tuple[str, ...]) -> None:
    split = np.where(np.arange(300) < 150, "train", "test")
    with refused("empty", *named):
        validate_representations(_file(tmp_path, **_arrays(group=group, split=split)))
