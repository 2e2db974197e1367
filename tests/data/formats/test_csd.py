"""The SDK's files: made-up ones value for value, and the real labels against the real utterances."""

from __future__ import annotations

import numpy as np
import pytest
from csd_files import LABELS, run, two_videos, whole, words, write
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.folds import read_folds, with_folds
from comodal.data.formats.csd import open_source, recognises


@pytest.fixture
def folder(tmp_path):
    return two_videos(tmp_path)


def test_words_are_dealt_to_segments_and_frames_to_words(folder):
    block = whole(folder)
    assert block.id.tolist() == ["two_1", "vid_1_1", "vid_1_2"]
    assert block.group.tolist() == ["two", "vid_1", "vid_1"]
    assert block.target.tolist() == [0.5, 1.5, -2.0]
    assert block.transcript.tolist() == ["so good", "so", "good yes"]
    assert block.columns["start"].tolist() == [1, 0, 2]
    assert block.columns["end"].tolist() == [3, 2, 5]
    text, audio, vision = (block.modalities[name] for name in ("text", "audio", "vision"))
    assert text.values.tolist() == [[2, 3], [4, 5], [2, 3], [4, 5], [8, 9]]
    assert audio.values.ravel().tolist() == [5.5, 9.5, 5.5, 9.5, 17.5]
    assert text.lengths.tolist() == audio.lengths.tolist() == [2, 1, 2]
    assert vision.lengths.tolist() == [0, 1, 2]
    assert block.normalised == {
        "segments were numbered from 1 within their video": 3,
        "pauses (sp) were left out with their frames": 2,
        "vision: absent in the whole video": 1,
    }


def test_source_says_what_it_holds(folder):
    write(folder / "phones.csd", "phonemes", {"two": (words("ah"), run(0, 1, 1.0))})
    source = open_source(folder)
    assert source.dims == {"text": 2, "audio": 1, "vision": 3}
    assert source.divisions == {}
    assert source.facts["file of audio"] == "covarep.csd (COVAREP), 3 videos"
    assert source.facts["alignment"] == "to words"
    assert source.facts["not read"] == "phones.csd (phones)"
    assert len(source.files) == 5
    assert [len(block) for block in source.blocks(["audio"])] == [1, 2]


def test_without_words_frames_are_cut_to_segments(folder):
    (folder / "words.csd").unlink()
    block = whole(folder)
    assert block.transcript is None
    assert block.modalities["audio"].lengths.tolist() == [8, 8, 12]
    assert block.modalities["audio"].values.ravel().tolist() == [*range(4, 12), *range(8), *range(8, 20)]
    assert block.modalities["text"].lengths.tolist() == [2, 2, 3]
    assert block.modalities["vision"].lengths.tolist() == [0, 4, 6]
    assert "none: frames are cut" in open_source(folder).facts["alignment"]


SPANS = st.lists(st.integers(1, 8), min_size=1, max_size=6)


@settings(max_examples=15, deadline=None)
@given(spoken=SPANS, framed=SPANS, labelled=SPANS, seed=st.integers(0, 99))
def test_alignment_is_that_of_plain_loops(tmp_path_factory, spoken, framed, labelled, seed):
    folder = tmp_path_factory.mktemp("csd")
    rng = np.random.default_rng(seed)

    def tile(lengths, unit):
        ends = np.cumsum(lengths) * unit
        return np.stack([ends - np.array(lengths) * unit, ends], axis=1)

    word_at, frame_at, segment_at = tile(spoken, 0.5), tile(framed, 0.25), tile(labelled, 0.75)
    frames = rng.normal(size=(len(framed), 2))
    frames[rng.random(frames.shape) < 0.2] = np.nan
    text = [["sp", "a", "b"][rng.integers(3)] for _ in spoken]
    write(folder / "l.csd", LABELS, {"v": (np.zeros((len(labelled), 1)), segment_at)})
    write(folder / "w.csd", "words", {"v": (words(*text), word_at)})
    write(folder / "c.csd", "COVAREP", {"v": (frames, frame_at)})
    block = whole(folder)

    def common(a, b):
        return min(a[1], b[1]) - max(a[0], b[0]) > 1e-4

    expected, transcripts = [], []
    for segment in segment_at:
        chosen = [k for k, at in enumerate(word_at) if common(at, segment) and text[k] != "sp"]
        transcripts.append(" ".join(text[k] for k in chosen))
        for k in chosen:
            inside = [frame for frame, at in zip(frames, frame_at, strict=True) if common(at, word_at[k])]
            columns = [[x for x in column if np.isfinite(x)] for column in zip(*inside, strict=True)] or [[0.0], [0.0]]
            expected.append([sum(column) / len(column) if column else np.nan for column in columns])
    assert block.transcript.tolist() == transcripts
    np.testing.assert_allclose(block.modalities["audio"].values, np.reshape(expected, (-1, 2)), rtol=1e-6)


def test_words_without_frames_are_zero_and_counted(folder):
    sound = np.array([[4.0], [np.inf], [6.0]])
    write(folder / "covarep.csd", "COVAREP", {"vid_1": (sound, np.array([[1, 1.5], [1.5, 2], [4, 5.0]]))})
    block = whole(folder)
    assert block.modalities["audio"].values.ravel().tolist() == [4, 0, 6]
    assert block.normalised["audio: words without a frame became zeros"] == 1
    assert block.normalised["audio: absent in the whole video"] == 1


def test_a_video_without_words_has_no_frames(folder):
    write(folder / "words.csd", "words", {"two": (words("so"), np.array([[1.0, 2.0]]))})
    block = whole(folder)
    assert block.transcript.tolist() == ["so", "", ""]
    assert block.modalities["audio"].lengths.tolist() == [1, 0, 0]
    assert block.normalised["the whole video has no words, and so no frames"] == 2


def test_words_are_kept_apart(folder):
    spoken = words("SP", "ice cream", "", "caf\u00e9", " ")
    write(folder / "words.csd", "words", {"two": (spoken, run(0, 5, 0.5)), "vid_1": (spoken, run(0, 5, 1.0))})
    block = whole(folder, ["text"])
    assert block.transcript.tolist() == ["café", "ice_cream", "café"]
    assert block.modalities["text"].lengths.tolist() == [1, 1, 1]


def test_labels_alone_and_words_alone(folder):
    for path in (folder / "labels.csd", folder):
        source = open_source(path)
        assert (len(source.dims) == 0) == (path != folder)
    block = whole(folder / "labels.csd")
    assert block.modalities == {}
    assert block.transcript is None
    assert block.target.tolist() == [0.5, 1.5, -2.0]
    assert set(block.columns) == {"start", "end"}
    for name in ("glove", "covarep", "facet"):
        (folder / f"{name}.csd").unlink()
    assert whole(folder).transcript.tolist() == ["so good", "so", "good yes"]


def test_official_folders_are_looked_into(folder):
    for name, room in (("covarep", "acoustic"), ("facet", "visual"), ("labels", "labels"), ("words", "language")):
        (folder / room).mkdir(exist_ok=True)
        (folder / f"{name}.csd").rename(folder / room / f"{name}.csd")
    assert recognises(folder)
    assert open_source(folder).dims == {"text": 2, "audio": 1, "vision": 3}


def test_second_file_of_a_modality_keeps_its_name(folder):
    write(folder / "opensmile.csd", "OpenSmile emobase", {"two": (np.ones((3, 7)), run(0, 3, 1.0))})
    write(folder / "gaze.csd", "gaze", {"two": (np.ones((3, 2)), run(0, 3, 1.0))})
    source = open_source(folder)
    assert source.dims == {"text": 2, "audio": 1, "vision": 3, "gaze": 2, "OpenSmile_emobase": 7}
    assert source.defaults == ("text", "audio", "vision", "gaze")
    write(folder / "opensmile_again.csd", "OpenSmile emobase", {"two": (np.ones((3, 6)), run(0, 3, 1.0))})
    assert open_source(folder).dims["opensmile_again"] == 6


@pytest.mark.parametrize(("width", "taken"), [(1, 0), (7, 3)])
def test_label_widths(folder, width, taken):
    values = np.arange(2.0 * width).reshape(2, width)
    segments = run(0, 2, 2.0)
    write(folder / "labels.csd", "All Labels", {"vid_1": (values, segments), "two": (values[:1], segments[:1])})
    block = whole(folder, [])
    assert block.target.tolist() == [0, 0, width]
    assert block.normalised.get("the first of 7 label columns was taken as sentiment", 0) == taken


def test_labels_of_another_kind(folder):
    write(folder / "labels.csd", LABELS, {"two": (np.ones((1, 1)), run(0, 1, 1.0))})
    write(folder / "more.csd", "All Labels", {"two": (np.ones((1, 7)), run(0, 1, 1.0))})
    with refused("missing", "labels.csd", "more.csd"):
        open_source(folder)
    write(folder / "more.csd", "words again", {"two": (words("a"), run(0, 1, 1.0))})
    with refused("duplicate", "more.csd", "words.csd"):
        open_source(folder)
    (folder / "more.csd").unlink()
    write(folder / "words.csd", "words", {"two": (np.array([[b"a", b"b"]]), run(0, 1, 1.0))})
    with refused("wrong_shape", "words.csd", "2"):
        open_source(folder)
    with refused("missing"):
        open_source(folder / "glove.csd")


def test_labels_whose_root_does_not_say_so(folder):
    (folder / "covarep.csd").unlink()
    write(folder / "labels.csd", "annotation", {"two": (np.array([[2.5]]), run(1, 1, 2.0))})
    assert whole(folder).target.tolist() == [2.5]


def test_segments_as_the_sdk_deploys_them(folder):
    """After its last alignment every file has entries ``video[segment]``."""
    for file in folder.glob("*.csd"):
        file.unlink()
    keys = {"a_9[0]": 2, "a_9[3]": 3}
    spans = {key: run(10 * n, n, 1.0) for n, key in enumerate(keys, start=2)}
    write(
        folder / "labels.csd",
        LABELS,
        {key: (np.array([[n]]), np.array([[spans[key][0, 0], spans[key][-1, 1]]])) for key, n in keys.items()},
    )
    write(folder / "glove.csd", "glove_vectors", {key: (np.full((n, 2), n), spans[key]) for key, n in keys.items()})
    write(folder / "covarep.csd", "COVAREP", {"a_9": (np.arange(40.0)[:, None], run(0, 40, 1.0))})
    block = whole(folder)
    assert block.id.tolist() == ["a_9_0", "a_9_3"]
    assert block.group.tolist() == ["a_9", "a_9"]
    assert block.modalities["text"].lengths.tolist() == [2, 3]
    assert block.modalities["audio"].values.ravel().tolist() == [20, 21, 30, 31, 32]
    assert block.normalised == {"ids were brought to video_segment": 2}


@pytest.mark.mosi
class TestRealLabels:
    @pytest.fixture
    def file(self, mosi_dir):
        return mosi_dir / "CMU_MOSI_Opinion_Labels.csd"

    @pytest.mark.slow
    def test_every_utterance_is_the_one_of_the_archive(self, mosi_dir, file):
        block = whole(file)
        with np.load(mosi_dir / "utterances.npz") as archive:
            np.testing.assert_array_equal(block.id, archive["id"])
            np.testing.assert_array_equal(block.group, archive["video"])
            np.testing.assert_array_equal(block.target, archive["sentiment"])
            np.testing.assert_array_equal(block.columns["start"], archive["start"])
            np.testing.assert_array_equal(block.columns["end"], archive["end"])

    @pytest.mark.slow
    def test_standard_folds_give_the_canonical_sizes(self, mosi_dir, file, tmp_path):
        labels = whole(file)
        ends = {video: labels.columns["end"][labels.group == video].max() for video in np.unique(labels.group)}
        seconds = {video: np.arange(int(end) + 2.0) for video, end in ends.items()}
        write(
            tmp_path / "covarep.csd",
            "COVAREP",
            {video: (at[:, None], np.stack([at, at + 1], axis=1)) for video, at in seconds.items()},
        )
        (tmp_path / "labels.csd").write_bytes(file.read_bytes())
        dataset = assemble(with_folds(open_source(tmp_path), read_folds(mosi_dir / "folds.json")))
        assert {name: len(rows) for name, rows in dataset.partitions[0].splits.items()} == {
            "train": 1284,
            "valid": 229,
            "test": 686,
        }
        audio = dataset.modalities["audio"]
        first = audio.values[audio.offsets[:-1], 0]
        np.testing.assert_array_equal(first, np.floor(dataset.columns["start"] + 1e-4))
