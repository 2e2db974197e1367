from __future__ import annotations

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.load import SOURCES, load
from comodal.data.ragged import RaggedArray
from comodal.data.synthetic import PRESETS, SyntheticConfig, synthetic

SMALL = SyntheticConfig(n_train=40, n_valid=16, n_test=16)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_by_name(preset):
    dataset = load(f"synthetic:{preset}")
    assert dataset.spec.name == f"synthetic:{preset}"
    np.testing.assert_array_equal(dataset.target, synthetic(PRESETS[preset]).target)


def test_plain_synthetic_is_the_default_preset():
    np.testing.assert_array_equal(load("synthetic").target, load("synthetic:default").target)


def test_configurations_and_datasets_pass_through():
    dataset = load(SMALL)
    assert len(dataset) == 72
    assert load(dataset) is dataset


def test_features_choose_order_and_rename():
    assert list(load(SMALL, features={"speech": "audio", "text": "text"}).modalities) == ["speech", "text"]


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("sinthetic", {}, "unknown data set 'sinthetic': did you mean 'synthetic'"),
        ("synthetic:redundnt", {}, "did you mean 'redundant'"),
        ("some/folder", {}, "some/folder: no such file or folder"),
        ("data.npz", {}, "data.npz: no such file or folder"),
        (SMALL, {"features": {"text": "txt"}}, "unknown modality 'txt': did you mean 'text'"),
        ("synthetic", {"protocol": "nested"}, "leave protocol out"),
        ("mosi:clean", {"protocol": "nested"}, "name the protocol once"),
    ],
)
def test_unknown_names(source, options, message):
    with pytest.raises(InputError, match=message) as error:
        load(source, **options)
    assert "\n" not in str(error.value)


def test_a_file_no_reader_knows(tmp_path):
    path = tmp_path / "notes.npz"
    path.write_text("not an archive")
    with pytest.raises(InputError, match=r"notes.npz: no reader knows it by its content .known: mosi_utterances"):
        load(path)


def test_checks_run_and_cleaning_is_on_request():
    dataset = synthetic(SMALL)
    values = dataset.modalities["audio"].values.copy()
    values[5, 2] = np.inf
    broken = dataset.with_features({**dataset.modalities, "audio": RaggedArray.from_vectors(values)})
    with pytest.raises(InputError, match="synthetic: modality 'audio' has 1 NaN or infinite values in 1 utterances"):
        load(broken)
    cleaned = load(broken, clean=True)
    assert cleaned.cleaning is not None
    assert cleaned.cleaning.replaced_values["audio"] == 1
    train = dataset.partitions[0].train
    expected = np.median(np.delete(dataset.modalities["audio"].values[train, 2], 5))
    assert cleaned.modalities["audio"].values[5, 2] == np.float32(expected)


def test_every_source_of_the_list_has_a_family():
    assert {source.partition(":")[0] for source in SOURCES} == {"synthetic", "mosi"}
