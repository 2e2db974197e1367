"""Reference models with missing and corrupted modalities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import PredictionTable
from comodal.evaluation.grid import NONE
from comodal.evaluation.reference_features import batch_means
from comodal.evaluation.reference_models import REFERENCE_MODELS, Predict
from comodal.evaluation.reference_runs import ReferenceFold, ReferenceRuns, reference_result
from comodal.evaluation.rows import ArmResult, SeedRun, Setting
from comodal.evaluation.scenario_runs import scenario_batches
from comodal.evaluation.scenarios import Scenario, Variants
from comodal.training.data import prepare

__all__ = ["reference_scenarios"]

Tables = dict[tuple[Predict, Scenario], PredictionTable]


def reference_scenarios(
    references: ReferenceRuns, seeds: Sequence[int], scenarios: Sequence[Scenario], metrics: Sequence[str] | None
) -> dict[Setting, dict[Scenario, ArmResult]]:
    """Return the results of every reference model in the scenarios that suit its features.

    It learns from the intact training part, and predicts the samples that the networks see, corrupted alike.
    """
    chosen = [each for each in scenarios if each.suits(references.dataset.spec)]
    names = references.names(seeds)
    learned = [_learned(fold, names, seeds) for fold in references.folds]
    tables = [_tables(fold, number, learned[number].values(), chosen) for number, fold in enumerate(references.folds)]

    @cache
    def joined(models: tuple[Predict, ...], scenario: Scenario) -> PredictionTable:
        return PredictionTable.concatenate([part[model, scenario] for part, model in zip(tables, models, strict=True)])

    def result(name: str, scenario: Scenario) -> ArmResult:
        models = {seed: tuple(part[name, seed] for part in learned) for seed in seeds}
        runs = [SeedRun(seed, joined(models[seed], scenario), 0.0, collapsed=False) for seed in seeds]
        return reference_result(runs, metrics)

    return {(name, NONE, 0.0): {scenario: result(name, scenario) for scenario in chosen} for name in names}


def _learned(fold: ReferenceFold, names: Sequence[str], seeds: Sequence[int]) -> dict[tuple[str, int], Predict]:
    features = fold.features()
    return fold.shared(names, seeds, lambda name, rows: REFERENCE_MODELS[name](fold.data(features, *rows)))


def _tables(fold: ReferenceFold, number: int, models: Iterable[Predict], scenarios: Sequence[Scenario]) -> Tables:
    """Return the predictions of models on a test part in every scenario, batch by batch."""
    view = prepare(fold.dataset, fold.partition).view
    parts: dict[tuple[Predict, Scenario], list[NDArray[np.float64]]] = {}
    for batch, rows in enumerate(scenario_batches(fold.partition.test)):
        variants = Variants(view[rows], partition=number, number=batch)
        for scenario in scenarios:
            features = batch_means(variants.of(scenario))
            for model in dict.fromkeys(models):
                parts.setdefault((model, scenario), []).append(model(features))
    return {key: fold.table(np.concatenate(found), scenario=key[1].name) for key, found in parts.items()}
