"""Fit linear models on the representations of a model whose weights stay as they are: a frozen-encoder probe.

Axis legend: N samples, D_m width of the representation of modality m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from comodal.contracts import ComparisonRow, InputError
from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.data.ragged import RaggedArray
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import NONE
from comodal.evaluation.predictor import Predictor
from comodal.evaluation.preflight import require_budgets, require_test_part
from comodal.evaluation.reference_runs import ReferenceFold, ReferenceRuns, compared_with_references, reference_result
from comodal.evaluation.rows import arm_rows, corrected
from comodal.metrics import METRICS, metrics_named
from comodal.metrics.metric import RankMetric
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

__all__ = ["probe"]

_PROBES = {"linear": "probe", "self-training": "probe self-training", "label spreading": "probe label spreading"}
"""Reference model to its name in tables where it reads representations instead of features."""
_RANKS = frozenset(name for name, metric in METRICS.items() if isinstance(metric, RankMetric))
"""Metrics without intervals, whose jackknife outlasts the fit: a note on each would say no more."""
_SAW_LABELS = "the encoders were trained with labels, perhaps with more than the budget"


def probe(
    model: Predictor | Sequence[Predictor],
    data: DataConfig | Dataset,
    *,
    budgets: Sequence[int] = (0,),
    seeds: int = 8,
    metrics: Sequence[str] | None = None,
) -> list[ComparisonRow]:
    """Compare linear models on the representations of a model with the same ones on the features that it reads.

    A probe is ridge or logistic regression on the representations of all modalities side by side, standardised, its
    strength chosen on validation; with unlabelled samples of classes also self-training and label spreading. Each is
    compared with the same method on the features, the reference rows of a comparison. The network is not trained.

    Args:
        model: of :func:`comodal.fit` or :func:`comodal.load_model`, usually trained without a task. Of several, trained
            with seeds of their own, seed s is probed on the one in place s, from the first again after the last; the
            intervals then hold for new encoders too, with one model for new labels alone.
        data: samples with labels and a test part, divided as for the model: the test part of a fold is represented by
            the model of that fold, which must not have seen it.
        budgets: labels per class (of a task without classes: in all), 0 for every label.
        seeds: each draws its labels, the same as in the runs of :func:`comodal.compare` with that seed.
        metrics: names of the metrics, the leading one first; those that the task reports when ``None``.

    Returns:
        One row per model, metric and budget. ``measure`` of a probe is the measure that the model was trained with.

    Raises:
        InputError: data without labels or without a test part, of other modalities or widths, or divided into another
            number of folds; models trained with different measures; no seed or budget, or one that a class has too few
            samples for.

    Example:
        >>> import comodal
        >>> penalty = comodal.PenaltyConfig(measure="gaussian", weight=1.0)
        >>> config = comodal.RunConfig(penalty=penalty, training=comodal.TrainingConfig(max_epochs=2))
        >>> digits = comodal.load_dataset("digits")
        >>> rows = probe(comodal.fit(digits, config, task=None), digits, seeds=1, metrics=["accuracy"])
        >>> [row.arm for row in rows]
        ['constant/none', 'linear/none', 'probe/gaussian']
    """
    dataset = load(data) if isinstance(data, Dataset) else data.load()
    require_test_part(dataset)
    chosen = [metric.name for metric in metrics_named(metrics, dataset.spec.task)]
    require_budgets(budgets)
    models = [model] if isinstance(model, Predictor) else list(model)
    trained = _same_penalty(models)
    if seeds < len(models):
        raise InputError(f"{len(models)} models and {seeds} seeds: give {len(models)} or more", code="out_of_range")
    represented = [_represented(each, dataset) for each in models]
    note = _SAW_LABELS if any(each.spec.task.predicts for each in models) else ""
    return [
        replace(row.with_note(note if row.measure != NONE else ""), labels=budget)
        for budget in budgets
        for row in _rows(trained, dataset, represented, budget=budget, seeds=seeds, metrics=chosen)
    ]


def _same_penalty(models: Sequence[Predictor]) -> PenaltyConfig:
    penalties = {model.parts[0].config.penalty: None for model in models}
    if len(penalties) != 1:
        measures = ", ".join(f"{each.measure} (weight {each.weight:g})" for each in penalties)
        raise InputError(
            f"models trained with {measures or 'nothing'}: probe those of one penalty at a time", code="mismatch"
        )
    return next(iter(penalties))


def _represented(model: Predictor, dataset: Dataset) -> list[Dataset]:
    """Return the data set of each partition, with the representations ``(N, D_m)`` of its model as features."""
    if len(model.parts) != len(dataset.partitions):
        raise InputError(
            f"{dataset.spec.name}: {len(dataset.partitions)} partitions, and the model has {len(model.parts)} folds; "
            "give data divided as those of the model",
            code="mismatch",
        )
    found = []
    for fold in range(len(model.parts)):
        views = model.representations(dataset, fold=fold)
        arrays = {name: RaggedArray.from_vectors(values, where=name) for name, values in views.items()}
        found.append(dataset.with_features(arrays))
    return found


def _rows(
    penalty: PenaltyConfig,
    dataset: Dataset,
    represented: Sequence[Sequence[Dataset]],
    *,
    budget: int,
    seeds: int,
    metrics: Sequence[str],
) -> list[ComparisonRow]:
    config = RunConfig(training=TrainingConfig(label_budget=budget))
    settings = {
        name: (probed, penalty.measure, 0.0 if penalty.measure == NONE else penalty.weight)
        for name, probed in _PROBES.items()
    }
    references = ReferenceRuns.of(dataset, config)
    others = dict.fromkeys(references.settings.values()) | {
        settings[name]: references.settings[name] for name in _PROBES
    }
    runs = references.runs(range(seeds))
    for place, parts in enumerate(represented):
        pairs = zip(parts, dataset.partitions, strict=True)
        folds = tuple(ReferenceFold(part, partition, config) for part, partition in pairs)
        found = ReferenceRuns(folds, settings=settings).runs(range(place, seeds, len(represented)))
        runs |= {
            setting: sorted([*runs.get(setting, []), *each], key=lambda run: run.seed)
            for setting, each in found.items()
        }
    results = {setting: reference_result(each, metrics) for setting, each in runs.items()}
    rows = [replace(row, note="") if row.metric in _RANKS else row for row in arm_rows(results, others)]
    return compared_with_references(corrected(rows), metrics[0])
