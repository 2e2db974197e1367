"""Record the numbers of a dozen small runs, and compare another state of the code with them.

Every fusion model is trained once, on CMU-MOSI `clean` and on synthetic data, without a penalty, with `kl` and with
`wasserstein`; one run is killed and resumed. A refactoring leaves predictions, critic scores, validation losses and
metrics equal bit for bit: record with the old code, check with the new one.

    PYTHONPATH=old/src python benchmarks/oracle.py record /tmp/oracle
    python benchmarks/oracle.py check /tmp/oracle
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import comodal

TESTS = Path(__file__).resolve().parent.parent / "tests" / "support"
RUNS: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    # name: source, fusion, measure, options of the penalty, options of the training
    "early-none": ("mosi:clean", "early", "none", {}, {}),
    "early-kl": ("mosi:clean", "early", "kl", {"fresh_batches": True, "critic_steps": 2}, {}),
    "late-wasserstein": ("mosi:clean", "late", "wasserstein", {}, {"accumulate": 2}),
    "lfn-kl": ("mosi:clean", "lfn", "kl", {"between": "fusion"}, {"gradient_clip": 0.1}),
    "tfn-none": ("mosi:clean", "tfn", "none", {}, {"schedule": "linear", "warmup_share": 0.2}),
    "ef_lstm-wasserstein": (
        "mosi:clean",
        "ef_lstm",
        "wasserstein",
        {"lipschitz": "spectral_norm", "critic": "joint"},
        {},
    ),
    "mfn-kl": ("mosi:clean", "mfn", "kl", {"critic_steps": 0}, {}),
    "graph_mfn-none": ("synthetic", "graph_mfn", "none", {}, {"augment": ("noise:audio=0.3", "drop:vision=0.2")}),
    "mult-wasserstein": ("synthetic", "mult", "wasserstein", {"normalize": "sphere"}, {"length_pool": 4}),
    "misa-kl": ("synthetic", "misa", "kl", {"critic": "separable", "warmup_epochs": 2}, {"train_share": 0.5}),
    "early-f": ("synthetic:redundant", "early", "f", {}, {"task_loss": "mse", "gradient_clip": 0.0}),
    "mag-kl": ("mosi:clean", "mag", "kl", {}, {"group_lr": {"fusion": 1e-2}, "lr": 1e-4}),
    "resumed-kl": ("synthetic", "lfn", "kl", {}, {"max_epochs": 40, "patience": 40}),
}


def config_of(name: str, folder: Path) -> comodal.RunConfig:
    """Return the configuration of a run; a language model is made in ``folder``."""
    _, fusion, measure, penalty, training = RUNS[name]
    options = {"max_epochs": 3, "patience": 3} | training
    return comodal.RunConfig(
        fusion=fusion,
        fusion_config=_language_model(folder) if fusion == "mag" else {},
        penalty=comodal.PenaltyConfig(measure=measure, **{"critic": "joint"} | penalty),
        training=comodal.TrainingConfig(**options),
        seed=7,
    )


def numbers_of(name: str, folder: Path) -> dict[str, Any]:
    """Train one run and return what it found, as arrays and plain numbers."""
    torch.set_num_threads(1)
    out = folder / name
    report = comodal.train(comodal.DataConfig(source=RUNS[name][0]), config_of(name, folder), out=out)
    table = report.predictions
    histories = [json.loads(path.read_text())["epochs"] for path in sorted(out.rglob("history.json"))]
    return {
        "prediction": np.asarray(table.prediction),
        "critic_score": np.asarray(table.critic_score),
        "target": np.asarray(table.target),
        "valid_loss": np.array([epoch["valid_loss"] for history in histories for epoch in history]),
        "train_task": np.array([epoch["train_task"] for history in histories for epoch in history]),
        "mae": np.array([report.metrics["mae"]["value"]]),
    }


def killed(name: str, folder: Path) -> None:
    """Start a run in another process and kill it once it has written a few checkpoints."""
    command = [sys.executable, __file__, "one", str(folder), "--run", name]
    with subprocess.Popen(command) as process:
        seen: set[int] = set()
        while process.poll() is None and len(seen) < 4:
            seen |= {path.stat().st_mtime_ns for path in (folder / name).rglob("last.ckpt")}
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"{name}: ended before it could be killed (status {process.returncode})")


def main() -> None:
    """Record, or compare with what was recorded; status 1 when a number differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("record", "check", "one"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", choices=RUNS, action="append", help="only this run; may be repeated")
    options = parser.parse_args()
    if options.action == "one":
        numbers_of(options.run[0], options.folder)
        return
    largest = 0.0
    for name in options.run or RUNS:
        with tempfile.TemporaryDirectory() as scratch:
            if name.startswith("resumed") and options.action == "check":
                killed(name, Path(scratch))
            found = numbers_of(name, Path(scratch))
        file = options.folder / f"{name}.npz"
        if options.action == "record":
            options.folder.mkdir(parents=True, exist_ok=True)
            np.savez(file, **found)
            print(f"{name:20s} recorded, MAE {found['mae'][0]:.4f}", flush=True)
            continue
        kept = dict(np.load(file))
        equal = all(np.array_equal(kept[key], found[key], equal_nan=True) for key in kept)
        apart = max((_apart(kept[key], found[key]) for key in kept), default=0.0)
        largest = max(largest, apart)
        print(f"{name:20s} {'equal bit for bit' if equal else f'DIFFERS by up to {apart:.3g}'}", flush=True)
    if options.action == "check" and largest > 0:
        raise SystemExit(1)


def _apart(kept: np.ndarray, found: np.ndarray) -> float:
    if kept.shape != found.shape:
        return float("inf")
    return float(np.nanmax(np.abs(kept.astype(float) - found.astype(float)), initial=0.0))


def _language_model(folder: Path) -> dict[str, Any]:
    sys.path.insert(0, str(TESTS))
    import small_tokenizers
    import tiny_language_models

    name = tiny_language_models.save_tiny(folder / "model", "bert", tokenizer=small_tokenizers.bert_like())
    return {"backbone": name, "max_length": 24}


if __name__ == "__main__":
    main()
