"""A small valid sample of every file family, for the tests that take each of them through the same."""

from __future__ import annotations

import csv
import json
import pickle

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from comodal.data.formats import mult
from comodal.data.store import write_store

SPLITS = ("train", "valid", "test")
WORDS = ["SO", "good", "film's", "\u00e9t\u00e9", "a_b"]


def put(path, name, values, **options):
    """An array in an HDF5 file, which is made where there is none."""
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=values, **options)


def mfn_h5(folder):
    rng = np.random.default_rng(0)
    for split, n in zip(SPLITS, (3, 2, 2), strict=True):
        words = np.round(rng.normal(size=(n, 2, 325)))
        words[0, 0] = 0
        put(folder / f"X_{split}.h5", "data", words, compression="gzip")
        put(folder / f"y_{split}.h5", "data", rng.normal(size=n))
    return folder


def modality_h5(folder):
    rng = np.random.default_rng(0)
    for split, n in zip(SPLITS, (4, 3, 2), strict=True):
        put(folder / f"audio_{split}.h5", "d1", rng.normal(size=(n, 5, 3)))
        put(folder / f"text_{split}_emb.h5", "d1", rng.normal(size=(n, 4, 2)), chunks=(2, 4, 2), shuffle=True)
        put(folder / f"y_{split}.h5", "d1", rng.uniform(-3, 3, size=(n, 1)))
    return folder


def csd(folder):
    """Three videos of nine words and nine labelled segments."""
    times = np.arange(9.0)
    spans = np.stack([times, times + 1], axis=1)
    spoken = np.array([b"sp", b"so", b"good"] * 3, dtype="S32")[:, None]
    for root, values in (("words", spoken), ("COVAREP", times[:, None]), ("All Labels", times[:, None] / 3)):
        put(folder / f"{root}.csd", f"{root}/metadata/md5", b"null")
        for video in ("a", "b", "c"):
            for name, array in (("features", values), ("intervals", spans)):
                put(folder / f"{root}.csd", f"{root}/data/{video}/{name}", array, compression="gzip")
    return folder


def csd_without_words(folder):
    """Frames four times as frequent as segments, stored as they are."""
    times = np.arange(12.0)
    for root, values, step in (("FACET 4.2", times[:, None] * [1, 2], 0.25), ("Opinion Labels", times[:3, None], 1.0)):
        starts = step * np.arange(len(values))
        put(folder / f"{root}.csd", f"{root}/metadata/md5", b"null")
        for video in ("a[0]", "b[3]"):
            put(folder / f"{root}.csd", f"{root}/data/{video}/features", values)
            put(folder / f"{root}.csd", f"{root}/data/{video}/intervals", np.stack([starts, starts + step], axis=1))
    return folder


def dense_contents():
    """What a pickle of each family of padded arrays holds."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4, 2)).astype(np.float32)
    pieces = np.ones((3, 3, 4), dtype=np.int64)
    of_mmsa = {
        "text": values,
        "audio": values,
        "text_bert": pieces,
        "raw_text": ["a b", "c", "d"],
        "id": ["v$_$1", "v$_$2", "w$_$1"],
        "regression_labels": np.zeros(3),
    }
    of_mult = {"text": values, "vision": values[:, :2], "id": [["v", 0.0, 1.0]] * 3, "labels": np.zeros((3, 1, 1))}
    of_lmf = {b"covarep": values[:, 0], b"glove": values, b"label": np.zeros((3, 1))}
    by_video = (values, np.zeros((3, 4)), values, np.zeros((3, 4)), 4, [4, 1, 2], [1, 2, 3])
    return {
        "mmsa": {"train": of_mmsa},
        "mult": {"train": of_mult},
        "lmf": {b"train": of_lmf},
        "bclstm": by_video,
        "dialogues": dialogues(values),
    }


def dialogues(values):
    """Two dialogues to train on and one to test, the features of one as an array and of the other as lists."""
    names = ("Ses01_a", "Ses01_b", "Ses02_a")
    per = dict(zip(names, (4, 2, 3), strict=True))
    return (
        {name: [f"{name}_{k}" for k in range(n)] for name, n in per.items()},
        {name: list("MFMF"[:n]) for name, n in per.items()},
        {name: [(k + n) % 6 for k in range(n)] for name, n in per.items()},
        {name: values.reshape(-1, 2)[:n] for name, n in per.items()},
        {name: values.reshape(-1, 2)[-n:].tolist() for name, n in per.items()},
        {name: ["so good"] * n for name, n in per.items()},
        list(names[:2]),
        {names[2]},
    )


def pickled(family, protocol):
    """A sample that is one pickle of the family's content."""

    def write(folder):
        file = folder / "vision_data.pkl"
        file.write_bytes(pickle.dumps(dense_contents()[family], protocol=protocol))
        return file

    return write


def mmsa_unaligned(folder):
    """Three splits, with stated lengths of audio and vision that are not those of the words."""
    rng, content = np.random.default_rng(0), {}
    for split, n in zip(SPLITS, (3, 2, 2), strict=True):
        content[split] = {
            "text": rng.normal(size=(n, 4, 2)).astype(np.float32),
            "audio": rng.normal(size=(n, 6, 2)).astype(np.float32),
            "vision": rng.normal(size=(n, 5, 1)).astype(np.float32),
            "text_bert": np.ones((n, 3, 4), dtype=np.int64),
            "audio_lengths": [6, 3, 2][:n],
            "vision_lengths": np.array([5, 5, 1][:n]),
            "raw_text": np.array(WORDS[:n]),
            "id": [f"{split}$_${k}" for k in range(n)],
            "regression_labels": np.linspace(-3, 3, n),
        }
    (folder / "unaligned_50.pkl").write_bytes(pickle.dumps(content))
    return folder / "unaligned_50.pkl"


def mag_record(rng, *, length=3, label=0.5, segment="v[0]", dims=(47, 74)):
    words = [WORDS[k % len(WORDS)] for k in range(length)]
    return ((words, rng.normal(size=(length, dims[0])), rng.normal(size=(length, dims[1]))), label, segment)


def mag_bert(folder):
    rng, labels = np.random.default_rng(0), np.linspace(-1, 1, 3, dtype=np.float32)
    content = {
        split: [
            mag_record(rng, length=1 + k, label=labels[k], segment=f"{split}_a[{k}]", dims=(2, 3)) for k in range(3)
        ]
        for split in ("train", "dev", "test")
    }
    (folder / "mosi.pkl").write_bytes(pickle.dumps(content))
    return folder / "mosi.pkl"


def misa_record(rng, *, length=3, label=0.5, segment="v[0]", dims=(35, 74)):
    """Aligned, with numbers of words: what MISA's own script writes."""
    words = [WORDS[k % 4].lower() for k in range(length)]
    frames = rng.normal(size=(length, dims[0])), rng.normal(size=(length, dims[1]))
    return ((np.arange(length) + 2, *frames, words), np.array([[label]], dtype=np.float32), segment)


def misa(folder):
    rng = np.random.default_rng(0)
    for split in ("train", "dev", "test"):
        records = [misa_record(rng, label=k - 1.0, segment=f"{split}_a[{k}]", dims=(2, 1)) for k in range(2)]
        (folder / f"{split}.pkl").write_bytes(pickle.dumps(records, protocol=2))
    return folder


def misa_unaligned(folder):
    """As MMIM's script writes: each modality at its own rate, no numbers of words."""
    rng = np.random.default_rng(0)
    for split in ("train", "dev", "test"):
        frames = rng.normal(size=(4, 2)).astype(np.float32), rng.normal(size=(5, 1)).astype(np.float32)
        content = ([], *frames, WORDS[:3], np.int64(4), np.int64(5))
        (folder / f"{split}.pkl").write_bytes(pickle.dumps([(content, np.array([[0.5]]), f"{split}_a[0]")]))
    return folder


MOSI_VIDEOS = [f"video{k}" for k in range(9)]
MOSI_PART = ["train"] * 2 + ["valid"] * 2 + ["test"] * 5
MOSI_FOLD = [-1, -1, -1, -1, 0, 1, 2, 3, 4]


def mosi_columns():
    """Nine videos of two samples; the five test videos are the five folds."""
    rng = np.random.default_rng(0)
    video = np.repeat(MOSI_VIDEOS, 2)
    return {
        "id": np.array([f"{v}_{1 + i % 2}" for i, v in enumerate(video)]),
        "video": video,
        "segment": np.tile([1, 2], 9).astype(np.int16),
        "transcript": np.array([f"WORDS {i}" for i in range(18)]),
        "sentiment": np.linspace(-3, 3, 18).astype(np.float32),
        "text": rng.normal(size=(18, 5)).astype(np.float32),
        "audio": rng.normal(size=(18, 4)).astype(np.float32),
        "vision": rng.normal(size=(18, 3)).astype(np.float32),
        "text_minilm": rng.normal(size=(18, 6)).astype(np.float16),
        "standard_split": np.repeat(MOSI_PART[::-1], 2),
        "disjoint_split": np.repeat(MOSI_PART, 2),
        "nested_fold": np.repeat(MOSI_FOLD, 2).astype(np.int8),
    }


def mosi_lists():
    """The videos of each part of each partition, as they lie beside the real file."""

    def lists(parts):
        return {
            part: [v for v, p in zip(MOSI_VIDEOS, parts, strict=True) if p == part] for part in dict.fromkeys(parts)
        }

    nested = {str(k): [MOSI_VIDEOS[4 + k]] for k in range(5)}
    return {"standard": lists(MOSI_PART[::-1]), "disjoint": lists(MOSI_PART), "nested": nested}


def mosi_utterances(folder):
    np.savez_compressed(folder / "utterances.npz", **mosi_columns())
    (folder / "folds.json").write_text(json.dumps(mosi_lists()))
    return folder


def multiview_arrays():
    """Twelve samples of six groups; two views of vectors and one of sequences, classes, amounts and numbers."""
    rng = np.random.default_rng(0)
    row = np.arange(12)
    return {
        "id": np.array([f"s{k}" for k in row]),
        "group": np.array([f"g{k // 2}" for k in row]),
        "split": np.repeat(["train", "dev", "test"], 4),
        "fold5": (row // 2 % 5).astype(np.int16),
        "transcript": np.array([f"words  {k}" for k in row]),
        "emotion": np.stack([row % 3 / 3, row % 2 * 1.0], axis=1).astype(np.float32),
        "emotion_names": np.array(["sad", "glad"]),
        "label": (row % 3).astype(np.int16),
        "mood": (row % 2).astype(np.int16),
        "mood_names": np.array(["good", "bad"]),
        "stars": row % 4,
        "n_segments": row,
        "image": rng.normal(size=(12, 3)).astype(np.float32),
        "text_minilm": rng.normal(size=(12, 4)).astype(np.float16),
        "touch": rng.normal(size=(12, 5, 2)).astype(np.float32),
    }


def multiview(folder):
    np.savez_compressed(folder / "data.npz", **multiview_arrays())
    (folder / "README.md").write_text("# toy\n- Task: classification, 3 classes.\n")
    return folder


def multiview_file(folder):
    """The file alone, under another name; its classes are words."""
    np.savez(folder / "views.npz", **{**multiview_arrays(), "label": np.array(["a", "b", "c"] * 4)})
    return folder / "views.npz"


IDS = [f"v{k // 2}_{k % 2}" for k in range(6)]


def sample_columns():
    split = ["train"] * 2 + ["dev"] * 2 + ["test"] * 2
    words = [f"words, of {name}" for name in IDS]
    return {"id": IDS, "label": [-3.0, -1.0, 0.5, 1.5, 3.0, 0.75], "split": split, "text": words, "age": list(range(6))}


def table_csv(folder):
    """Audio under its ids in an npz, text as one flat array in safetensors."""
    columns, rng = sample_columns(), np.random.default_rng(0)
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    np.savez(folder / "acoustic.npz", **{name: rng.normal(size=(1 + k, 2)) for k, name in enumerate(IDS)})
    values = rng.normal(size=(12, 2)).astype(np.float32)
    save_file({"values": values, "lengths": np.full(6, 2)}, folder / "text.safetensors")
    return folder


def table_parquet(folder):
    """Audio padded, with lengths and in another order, in an npz; vision with a mask in safetensors."""
    rng = np.random.default_rng(0)
    pq.write_table(pa.table({**sample_columns(), "fold": [0, 0, 1, 1, 2, 2]}), folder / "samples.parquet")
    padded = rng.normal(size=(6, 4, 2)) * (np.arange(4) < np.array([4, 3, 2, 1, 0, 4])[:, None])[:, :, None]
    np.savez_compressed(folder / "audio.npz", values=padded, lengths=[4, 3, 2, 1, 0, 4], id=np.array(IDS[::-1]))
    held = {"values": rng.normal(size=(6, 3, 1)).astype(np.float32), "mask": np.tri(6, 3, dtype=np.float32)}
    save_file(held, folder / "vision.safetensors", metadata={"id": json.dumps(IDS)})
    return folder / "samples.parquet"


def converted(folder):
    source = mult.FORMAT.open(pickled("mult", 4)(folder))
    write_store(source, folder / "set")
    (folder / "vision_data.pkl").unlink()
    return folder / "set"


FORMAT_SAMPLES = {
    "mosi_utterances": (mosi_utterances,),
    "multiview": (multiview, multiview_file),
    "table": (table_csv, table_parquet),
    "csd": (csd, csd_without_words),
    "mfn_h5": (mfn_h5,),
    "modality_h5": (modality_h5,),
    "mmsa": (pickled("mmsa", 2), pickled("mmsa", 4), mmsa_unaligned),
    "mult": (pickled("mult", 2), pickled("mult", 5)),
    "mag_bert": (mag_bert,),
    "misa": (misa, misa_unaligned),
    "lmf": (pickled("lmf", 2),),
    "bclstm": (pickled("bclstm", 2), pickled("bclstm", 0)),
    "dialogues": (pickled("dialogues", 2), pickled("dialogues", 4)),
    "comodal": (converted,),
}
"""Name of each format to functions that write a sample into an empty folder and return what to open."""
