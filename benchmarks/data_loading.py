"""Converting, opening and reading a data set of the size of CMU-MOSEI, against unpickling it.

22,856 utterances, text 50 x 300, audio 500 x 74, vision 500 x 35, of ragged lengths: 4.5 GB without padding, 6.4 GB
with it. Each step runs in a process of its own, and all of them in one run of this script, so that ratios mean
something. Both sides deliver shuffled batches of 64, padded with zeros, not sorted by length, and both import PyTorch,
which takes as long on either. An epoch runs twice on each side: from disk, the files being put out of the page cache
before, and then from the page cache, into which the first has brought them where there is memory for it. CPU seconds
are printed beside those of the clock, since they tell a busy machine from slow code.

    python benchmarks/data_loading.py --out /tmp/mosei            # 20 GB of disk, some minutes
    python benchmarks/data_loading.py --out /tmp/mosei --share 0.1
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

UTTERANCES = 22_856
SHAPES = {"text": (50, 300), "audio": (500, 74), "vision": (500, 35)}
SPLITS = {"train": 16_326, "valid": 1_871, "test": 4_659}
H5_NAMES = {"text": "text", "audio": "audio", "vision": "video"}
BATCH = 64


def lengths_of(n: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Ragged: 71 % of the longest on average."""
    return rng.integers(int(0.42 * longest), longest + 1, size=n)


def generate(folder: Path) -> dict[str, float]:
    """The same numbers as HDF5 files and as one pickle, padded as the field does it."""
    import h5py

    share = float((folder / "share").read_text())
    rng = np.random.default_rng(0)
    (folder / "h5").mkdir(exist_ok=True)
    parts: dict[str, dict[str, object]] = {}
    for split, full in SPLITS.items():
        n = max(64, int(share * full))
        part: dict[str, object] = {}
        for name, (steps, dim) in SHAPES.items():
            values = rng.standard_normal((n, steps, dim), dtype=np.float32)
            lengths = lengths_of(n, steps, rng)
            values[np.arange(steps) >= lengths[:, None]] = 0.0
            part[name] = values
            if name != "text":
                part[f"{name}_lengths"] = lengths
            with h5py.File(folder / "h5" / f"{H5_NAMES[name]}_{split}.h5", "w") as file:
                file.create_dataset("d1", data=values, chunks=(16, steps, dim))
        labels = rng.uniform(-3, 3, size=n).astype(np.float32)
        with h5py.File(folder / "h5" / f"y_{split}.h5", "w") as file:
            file.create_dataset("d1", data=labels)
        part["regression_labels"] = labels
        part["id"] = [f"{split}{k // 7}$_${k % 7}" for k in range(n)]
        part["raw_text"] = np.array(["some words"] * n)
        parts[split] = part
    with (folder / "unaligned.pkl").open("wb") as file:
        pickle.dump(parts, file, protocol=4)
    return {"gb": (folder / "unaligned.pkl").stat().st_size / 1e9}


def convert(folder: Path) -> dict[str, float]:
    """HDF5 to Parquet and .npy, as `comodal data convert` does it."""
    from comodal.cli import main

    begin = time.perf_counter()
    if main(["data", "convert", str(folder / "h5"), str(folder / "stored"), "--json"]):
        raise SystemExit("conversion failed")
    return {"seconds": time.perf_counter() - begin}


def open_stored(folder: Path) -> dict[str, float]:
    """Open and do nothing else; imports are not counted."""
    import pyarrow.parquet  # noqa: F401
    import torch  # noqa: F401

    from comodal.data.collate import TensorView
    from comodal.data.load import load

    before = resident()
    begin = time.perf_counter()
    view = TensorView(load(folder / "stored"))
    return {"seconds": time.perf_counter() - begin, "added_mb": resident() - before, "utterances": len(view)}


def import_torch(_folder: Path) -> dict[str, float]:
    """What either side needs before it can begin."""
    begin = time.perf_counter()
    import torch.utils.data  # noqa: F401

    return {"seconds": time.perf_counter() - begin}


def epoch_stored(folder: Path) -> dict[str, float]:
    """Open, then one shuffled epoch of the train part."""
    begin = time.perf_counter()
    from comodal.data.collate import TensorView
    from comodal.data.load import load
    from comodal.data.loader import EpochSampler, loader

    dataset = load(folder / "stored")
    sampler = EpochSampler(dataset.partitions[0].train, batch_size=BATCH, seed=0)
    total, taken = 0.0, 0
    for batch in loader(TensorView(dataset), sampler):
        for sequence in batch.modalities.values():
            total += float(sequence.values[0, 0, 0])
            taken += int(sequence.mask.sum()) * sequence.values.shape[2] * 4
    return {"seconds": time.perf_counter() - begin, "gb": taken / 1e9, "check": total}


def epoch_pickle(folder: Path) -> dict[str, float]:
    """Unpickle, then one shuffled epoch of the padded arrays with a plain PyTorch loader."""
    begin = time.perf_counter()
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    with (folder / "unaligned.pkl").open("rb") as file:
        part = pickle.load(file)["train"]
    tensors = [torch.from_numpy(np.asarray(part[name], dtype=np.float32)) for name in SHAPES]
    data = TensorDataset(*tensors, torch.from_numpy(part["regression_labels"]))
    total = 0.0
    for text, audio, vision, _ in DataLoader(data, batch_size=BATCH, shuffle=True):
        total += float(text[0, 0, 0] + audio[0, 0, 0] + vision[0, 0, 0])
    return {"seconds": time.perf_counter() - begin, "check": total}


def rates(folder: Path) -> dict[str, float]:
    """What disk (page cache) and memory can do: read the features in one piece after another, copy an array."""
    begin, size = time.perf_counter(), 0
    for path in sorted((folder / "stored" / "features").iterdir()):
        with path.open("rb", buffering=0) as file:
            while piece := file.read(1 << 24):
                size += len(piece)
    read = size / (time.perf_counter() - begin)
    array = np.ones(1 << 27, dtype=np.float32)
    begin = time.perf_counter()
    array.copy()
    return {"read_gb_s": read / 1e9, "copy_gb_s": array.nbytes / (time.perf_counter() - begin) / 1e9}


def resident() -> float:
    """Resident megabytes now."""
    import psutil

    return psutil.Process().memory_info().rss / 1e6


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {
    "generate": generate,
    "convert": convert,
    "import torch": import_torch,
    "open": open_stored,
    "epoch from disk": epoch_stored,
    "epoch": epoch_stored,
    "epoch of the pickle from disk": epoch_pickle,
    "epoch of the pickle": epoch_pickle,
    "rates": rates,
}


def put_out_of_cache(folder: Path) -> None:
    """Files are read from disk again; does nothing where the system offers no way."""
    if hasattr(os, "posix_fadvise"):
        os.sync()  # what is not yet written stays
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_process(step: str, folder: Path) -> dict[str, float]:
    """One step in a process of its own, with its peak memory."""
    command = [sys.executable, __file__, "--out", str(folder), "--step", step]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/data_loading"))
    parser.add_argument("--share", type=float, default=1.0, help="of the size of CMU-MOSEI")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        found = STEPS[options.step](options.out)
        used = resource.getrusage(resource.RUSAGE_SELF)
        peak = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        print(json.dumps({**found, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": peak}))
        return
    if (options.out / "stored").exists():
        raise SystemExit(f"{options.out}: holds a data set already; choose another folder")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "share").write_text(str(options.share))
    found = {}
    for step in STEPS:
        if step.endswith("from disk"):
            put_out_of_cache(options.out)
        found[step] = in_process(step, options.out)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in found[step].items() if name != "check")
        print(f"{step:<30} {shown}", flush=True)
    for where in ("", " from disk"):
        ours, theirs = found[f"epoch{where}"], found[f"epoch of the pickle{where}"]
        imports = found["import torch"]["seconds"]
        print(
            f"an epoch from a cold process{where}: {theirs['seconds'] / ours['seconds']:.1f} times as fast "
            f"({(theirs['seconds'] - imports) / (ours['seconds'] - imports):.1f} after importing torch), "
            f"{theirs['cpu_s'] / ours['cpu_s']:.1f} times less CPU time, at {ours['peak_mb'] / theirs['peak_mb']:.3f} "
            f"of the memory, {ours['gb'] / ours['seconds']:.2f} GB/s of frames"
        )


if __name__ == "__main__":
    main()
