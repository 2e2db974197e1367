from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from comodal.contracts import InputError
from comodal.data import assemble as assembling
from comodal.data.assemble import assemble
from comodal.data.checks import check, check_varies
from comodal.data.cleaning import clean
from comodal.data.collate import TensorView
from comodal.data.ragged import RaggedArray
from comodal.data.selected import SelectedArray, select
from comodal.data.spool import Spool
from comodal.data.standardize import Standardizer
from comodal.data.store import open_store, write_store


def rows_of(lengths):
    return RaggedArray.from_rows([np.random.default_rng(i).normal(size=(n, 2)) for i, n in enumerate(lengths)])


def mapped(folder, array):
    spool = Spool(folder / "frames", array.dim)
    spool.append(array)
    return spool.array()


def same(found, expected):
    assert found.values.tobytes() == expected.values.tobytes()
    assert found.values.shape == expected.values.shape
    assert found.offsets.tolist() == expected.offsets.tolist()
    assert found.lengths.tolist() == expected.lengths.tolist()
    assert (len(found), found.dim, found.max_length) == (len(expected), expected.dim, expected.max_length)
    assert found.is_vectors == expected.is_vectors


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=9), st.data())
def test_a_selection_is_the_array_of_its_utterances(tmp_path_factory, lengths, data):
    array = rows_of([*lengths, 3])
    numbers = st.integers(0, len(lengths))
    rows = np.array(data.draw(st.lists(numbers, max_size=8, unique=True)), dtype=np.int64)
    found, expected = select(mapped(tmp_path_factory.mktemp("map"), array), rows), array.take(rows)
    assert isinstance(found, SelectedArray)
    same(found, expected)
    step = data.draw(st.integers(1, 6))
    parts = [*found.parts(step)]
    assert all(0 < len(part) <= step for part in parts)
    assert [frame.tolist() for part in parts for frame in part] == expected.values.tolist()
    again = np.array(data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=6)) if len(rows) else [], dtype=int)
    same(found.take(again), expected.take(again))
    same(select(found, again), expected.take(again))
    frames = np.arange(len(expected.values))
    assert found.owner(frames).tolist() == expected.owner(frames).tolist()
    same(RaggedArray.concatenate([found, found]), RaggedArray.concatenate([expected, expected]))
    same(found.with_values(2 * found.values), expected.with_values(2 * expected.values))


def test_what_is_in_memory_is_taken():
    assert not isinstance(select(rows_of([2, 1]), np.array([1])), SelectedArray)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda array: pickle.loads(pickle.dumps(array))])
def test_only_what_is_selected_goes_to_another_process(tmp_path, copied):
    array = select(mapped(tmp_path, rows_of([2, 0, 1, 900])), np.array([2, 0]))
    found = copied(array)
    assert type(found) is RaggedArray
    same(found, array)
    assert len(pickle.dumps(array)) < 2000


@pytest.fixture
def partly(tmp_path, make_block, make_source):
    """Stored and direct, where every third utterance is in no split."""
    blocks = []
    for split, lengths in (("train", [2, 0, 3, 1]), ("valid", [2, 2]), ("none", [4, 1, 1]), ("test", [1, 0, 5])):
        blocks.append(make_block(split, lengths))
    source = make_source(*blocks)
    write_store(source, tmp_path / "set")
    return assemble(open_store(tmp_path / "set")), assemble(source)


def test_a_data_set_with_utterances_in_no_split_stays_on_disk(partly, monkeypatch):
    stored, direct = partly
    assert len(stored) == len(direct) == 9
    for name, array in stored.modalities.items():
        assert isinstance(array, SelectedArray)
        assert array.mapping is not None
        same(array, direct.modalities[name])
    assert isinstance(stored.subset(np.arange(4)).modalities["audio"], SelectedArray)
    standardizer = Standardizer.fit(direct, direct.partitions[0].train)
    again = Standardizer.fit(stored, stored.partitions[0].train)
    assert again.mean["audio"].tobytes() == standardizer.mean["audio"].tobytes()
    assert again.std["audio"].tobytes() == standardizer.std["audio"].tobytes()

    def refuse(_):
        raise AssertionError("all frames were read")

    expected = TensorView(standardizer.transform(direct))[[8, 2, 4]].modalities["audio"]
    with monkeypatch.context() as patch:
        patch.setattr(SelectedArray, "values", property(refuse))
        sequences = stored.select_modalities(["audio"])
        check_varies(sequences, source="toy")
        view = TensorView(sequences, Standardizer.fit(sequences, stored.partitions[0].train))
        found = view[[8, 2, 4]].modalities["audio"]
    assert torch.equal(found.values, expected.values)
    assert torch.equal(found.mask, expected.mask)
    check(stored, source="toy")
    same(standardizer.transform(stored).modalities["audio"], standardizer.transform(direct).modalities["audio"])


def test_opening_reads_no_frame(tmp_path, make_block, make_source, monkeypatch):
    write_store(make_source(make_block("train", [2, 1]), make_block("none", [3])), tmp_path / "set")

    def touched(*_):
        raise AssertionError("frames were read")

    for name in ("parts", "take", "read"):
        monkeypatch.setattr(RaggedArray, name, touched)
    assert len(assembling.assemble(open_store(tmp_path / "set"))) == 2


def test_cleaning_and_checking_a_selection(tmp_path, make):
    dataset = make()
    array = rows_of([2, 1, 0, 3, 1, 2, 7])
    array.values[4, 1] = np.nan
    chosen = np.array([5, 1, 2, 3, 4, 0])
    on_disk = dataset.with_features({"audio": select(mapped(tmp_path, array), chosen)})
    in_memory = dataset.with_features({"audio": array.take(chosen)})
    for each in (on_disk, in_memory):
        with pytest.raises(InputError, match=r"has 1 NaN or infinite values in 1 utterances, first 'b_2'"):
            check(each, source="toy")
    (found, report), (expected, same_report) = clean(on_disk), clean(in_memory)
    assert report == same_report
    same(found.modalities["audio"], expected.modalities["audio"])
