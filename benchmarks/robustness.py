"""Cost of the table of modality subsets: one run in all of them compared with as many plain evaluations.

Run ``python benchmarks/robustness.py [--data mosi:nested] [--fusion early,lfn,tfn,mult]``; it prints a table and never
fails. A plain evaluation reads the weights, makes the batches, hides modalities and predicts. The table shares the
weights, the batches and the encodings of each modality, present and hidden. ``possible`` is the remaining work,
measured in parts: reading once, batches once, the encoders twice, and the rest of the network once per subset. Rounds
are interleaved, so that a busy machine slows all alike; times are medians of processor time on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from comodal.data.corruption_acts import keep_only
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.fitted import FittedFold, predict
from comodal.evaluation.runs import RunSet, open_runs
from comodal.evaluation.scenario_runs import predict_scenarios
from comodal.evaluation.scenarios import Scenario, subsets
from comodal.training.config import RunConfig, TrainingConfig


def plain(found: RunSet, scenario: Scenario) -> None:
    """Evaluate once like `comodal evaluate`, with some modalities hidden."""
    names = scenario.kept or found.dataset.spec.modalities
    for fitted in found.fitted(found.runs[0]):
        batches = [keep_only(batch, names) for batch in fitted.batches()]
        predict(fitted.model, batches, group=fitted.fold.groups[fitted.fold.partition.test], split="test")


def encode(folds: list[FittedFold]) -> None:
    """Run only the encoders on every test part."""
    with torch.inference_mode():
        for fitted in folds:
            for batch in fitted.batches():
                fitted.model.encoders(batch)  # type: ignore[operator]


def forward(folds: list[FittedFold]) -> None:
    """Run the whole network on every test part."""
    with torch.inference_mode():
        for fitted in folds:
            for batch in fitted.batches():
                fitted.model(batch)


def medians(acts: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each function."""
    seconds: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(rounds + 1):
        for name, act in acts.items():
            start = time.process_time()
            act()
            if number:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    return {name: 1000 * statistics.median(each) for name, each in seconds.items()}


def measured(found: RunSet, rounds: int) -> dict[str, float]:
    """Return milliseconds of the plain evaluations, of the shared one, and of the possible minimum."""
    run, every = found.runs[0], subsets(found.dataset.spec.modalities)
    folds = list(found.fitted(run))
    took = medians(
        {
            "plain": lambda: [plain(found, scenario) for scenario in every],
            "together": lambda: predict_scenarios(found, [run], every),
            "read": lambda: list(found.fitted(run)),
            "batches": lambda: [fitted.batches() for fitted in folds],
            "encode": lambda: encode(folds),
            "forward": lambda: forward(folds),
        },
        rounds,
    )
    encoders, rest = took["encode"] - took["batches"], max(0.0, took["forward"] - took["encode"])
    took["possible"] = took["read"] + took["batches"] + 2 * encoders + len(every) * rest
    return took


def main() -> None:
    """Train each model for an epoch, then print milliseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="synthetic:redundant")
    parser.add_argument("--fusion", default="early,lfn,tfn,mult")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.data}: ms for all subsets of the modalities, one run")
    print(f"{'model':8}{'plain':>9}{'together':>10}{'possible':>10}{'plain/together':>16}{'together/possible':>19}")
    for fusion in options.fusion.split(","):
        with tempfile.TemporaryDirectory() as folder:
            config = RunConfig(fusion=fusion, training=TrainingConfig(max_epochs=1))
            train(DataConfig(source=options.data), config, out=Path(folder) / "run")
            took = measured(open_runs(Path(folder) / "run"), options.rounds)
        ratios = took["plain"] / took["together"], took["together"] / took["possible"]
        times = "".join(
            f"{took[name]:>{width}.1f}" for name, width in (("plain", 9), ("together", 10), ("possible", 10))
        )
        print(f"{fusion:8}{times}{ratios[0]:>16.1f}{ratios[1]:>19.2f}")


if __name__ == "__main__":
    main()
