"""Search for hyper-parameters of the fusion models, on validation parts only.

Every architecture is trained without a penalty at three learning rates (`--rates`) in a few settings (`--settings`: its
default, other sizes and dropout rates, for some also other options of the optimisation), on seeds that `comodal
compare` never uses. The mean validation loss (MAE) of each is printed, the best of each architecture last. The test
parts are not read. The chosen settings are in examples/mosi_models.yaml.

    python benchmarks/model_search.py mosi:clean --seeds 4 --jobs 2 --out runs/model_search

Those of examples/mosi_words.yaml were chosen on words: a converted data set with `--protocol` and `--features`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from comodal.cli.comma_lists import pairs_of
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import NONE, SELECTION_SEED, Arm, Trial
from comodal.evaluation.runner import run_trials
from comodal.training.config import RunConfig, TrainingConfig

FIRST_SEED = SELECTION_SEED + 600_000
RATES = (3e-4, 1e-3, 3e-3)
ENCODER = {"hidden": 64, "representation": 16}
TRAINING = "training"
"""Key of a setting's options of the optimisation; all others are options of the architecture."""
TEXT_HEAVY = {"text": 128, "audio": 8, "vision": 8}
WIDE = {"hidden": {"text": 256, "audio": 32, "vision": 32}, "memory": 128}
TINY_INPUT = {"hidden": {"text": 96, "audio": 16, "vision": 16}, "input_scale": 0.01, "input_dropout": 0.3}
LSTM_TEXT = {"encoder": {"kind": {"text": "lstm", "audio": "mean", "vision": "mean"}}}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "early": {"smaller": {"hidden": 32, "encoder": ENCODER}, "more dropout": {"dropout": 0.7}},
    "late": {
        "smaller": {"hidden": 16, "encoder": ENCODER},
        "wider": {"hidden": 96},
        "more dropout": {"dropout": 0.7},
        "lstm": LSTM_TEXT,
    },
    "lfn": {"smaller": {"rank": 2, "hidden": 16, "encoder": ENCODER}, "more dropout": {"dropout": 0.7}},
    "tfn": {
        "smaller": {"hidden": 32, "encoder": {"hidden": 64, "representation": 6}},
        "wider": {"hidden": 192, "encoder": {"hidden": 128, "representation": 16}},
        "more dropout": {"dropout": 0.6},
    },
    "ef_lstm": {
        "smaller": {"hidden": 48},
        "wider": {"hidden": 256, "input_dropout": 0.5},
        "more dropout": {"input_dropout": 0.6, "dropout": 0.6},
        "most dropout": {"input_dropout": 0.8, "dropout": 0.6},
        "wider, more dropout": {"hidden": 256, "input_dropout": 0.7, "dropout": 0.6},
        "modality dropout": {"input_dropout": 0.6, "dropout": 0.6, "modality_dropout": 0.3},
        "small batches": {"input_dropout": 0.6, "dropout": 0.6, TRAINING: {"batch_size": 32}},
        "more decay": {"input_dropout": 0.6, "dropout": 0.6, TRAINING: {"weight_decay": 1.0}},
        "wide, small input": {"hidden": 256, "input_scale": 0.03},
        "wide, tiny input": {"hidden": 256, "input_scale": 0.01},
        "wide, tiniest input": {"hidden": 256, "input_scale": 0.003},
        "tiniest input": {"input_scale": 0.003},
        "wide, tiny input, dropout": {"hidden": 256, "input_scale": 0.01, "input_dropout": 0.6},
        "wide, tiny input, decay": {
            "hidden": 256,
            "input_scale": 0.01,
            "input_dropout": 0.6,
            TRAINING: {"weight_decay": 1.0},
        },
    },
    "mfn": {
        "smaller": {"hidden": 16, "memory": 32},
        "wider": {"hidden": 96, "memory": 128},
        "more dropout": {"proposal_dropout": 0.5, "update_dropout": 0.5, "retain_dropout": 0.5, "input_dropout": 0.6},
        "text heavy": {"hidden": TEXT_HEAVY},
        "text heavy, more dropout": {"hidden": TEXT_HEAVY, "input_dropout": 0.7},
        "more input dropout": {"input_dropout": 0.7},
        "most input dropout": {"input_dropout": 0.85},
        "wider, input dropout": {"hidden": 96, "memory": 128, "input_dropout": 0.8},
        "modality dropout": {"input_dropout": 0.7, "modality_dropout": 0.3},
        "small batches": {"input_dropout": 0.7, TRAINING: {"batch_size": 32}},
        "more decay": {"input_dropout": 0.7, TRAINING: {"weight_decay": 1.0}},
        "tiny input": TINY_INPUT,
        "wide, small input": {**WIDE, "input_scale": 0.03, "input_dropout": 0.3},
        "wide, tiny input": {**WIDE, "input_scale": 0.01, "input_dropout": 0.3},
        "wide, tiniest input": {**WIDE, "input_scale": 0.003, "input_dropout": 0.3},
        "wide, small input, dropout": {**WIDE, "input_scale": 0.03, "input_dropout": 0.6},
    },
    "graph_mfn": {
        "smaller": {"hidden": 16, "memory": 32, "vertex": 16},
        "wider": {"hidden": 96, "memory": 128, "vertex": 64},
        "more input dropout": {"input_dropout": 0.7},
        "more dropout": {"input_dropout": 0.7, "graph_dropout": 0.5},
        "more decay": {"input_dropout": 0.7, TRAINING: {"weight_decay": 1.0}},
        "tiny input": TINY_INPUT,
        "wide, small input": {**WIDE, "vertex": 64, "input_scale": 0.03, "input_dropout": 0.3},
        "wide, tiny input": {**WIDE, "vertex": 64, "input_scale": 0.01, "input_dropout": 0.3},
        "wide, tiniest input": {**WIDE, "vertex": 64, "input_scale": 0.003, "input_dropout": 0.3},
        "wide, small input, dropout": {**WIDE, "vertex": 64, "input_scale": 0.03, "input_dropout": 0.6},
    },
    "mult": {
        "smaller": {"width": 16, "layers": 1, "self_layers": 1},
        "wider": {"width": 64, "layers": 1, "self_layers": 1},
        "widest": {"width": 128, "layers": 1, "self_layers": 1},
        "wider, less dropout": {"width": 64, "layers": 1, "self_layers": 1, "input_dropout": 0.3},
        "more dropout": {"input_dropout": 0.6, "dropout": 0.4, "output_dropout": 0.6},
    },
    "misa": {
        "smaller": {"width": 32, "hidden": 64, "encoder": ENCODER},
        "no difference term": {"difference_weight": 0.0},
        "weak terms": {"similarity_weight": 0.3, "difference_weight": 0.1},
    },
}


def main() -> None:
    """Train every setting and print its validation loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--fusion", default=",".join(SETTINGS))
    parser.add_argument("--protocol")
    parser.add_argument("--features", type=pairs_of, help="modality=feature pairs, commas between")
    parser.add_argument("--length-pool", type=int, default=0, help="as in the training's options")
    parser.add_argument("--settings", help="semicolons between names; all if not given")
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/model_search"))
    options = parser.parse_args()
    data = DataConfig(source=options.data, features=options.features, protocol=options.protocol)
    parts = range(len(data.load().partitions))
    print(f"{'fusion':<9} {'setting':<26} {'lr':>7} {'valid MAE':>10} {'se':>7} {'seconds per run':>14}")
    for fusion in options.fusion.split(","):
        found = {}
        settings = {"default": {}, **SETTINGS[fusion]}
        for setting in options.settings.split(";") if options.settings else settings:
            config = settings[setting]
            options_of_model = {key: value for key, value in config.items() if key != TRAINING}
            for lr in map(float, options.rates.split(",")):
                training = TrainingConfig(lr=lr, length_pool=options.length_pool, **config.get(TRAINING, {}))
                base = RunConfig(fusion=fusion, fusion_config=options_of_model, training=training)
                trials = [
                    Trial(Arm(fusion, NONE), 0.0, FIRST_SEED + seed, part, reads_test=False)
                    for seed in range(options.seeds)
                    for part in parts
                ]
                root = options.out / f"{fusion}-{setting.replace(',', '').replace(' ', '-')}-{lr:g}"
                results = run_trials(trials, data=data, bases={fusion: base}, root=root, jobs=options.jobs)
                losses = np.array([result.valid_loss for result in results.values()])
                seconds = np.mean([result.seconds for result in results.values()])
                found[losses.mean()] = f"{setting}, lr {lr:g}"
                error = losses.std(ddof=1) / len(losses) ** 0.5
                print(
                    f"{fusion:<9} {setting:<26} {lr:>7g} {losses.mean():>10.4f} {error:>7.4f} {seconds:>14.2f}",
                    flush=True,
                )
        print(f"{fusion:<9} best: {found[min(found)]}", flush=True)


if __name__ == "__main__":
    main()
