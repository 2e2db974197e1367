"""Findings as a real comparison would leave them, made up from a seed: for the page, its figures and the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from comodal.contracts import (
    ArmPredictions,
    Attribution,
    Binary,
    BreakdownRow,
    ComparisonRow,
    DataFacts,
    ExplanationTable,
    Findings,
    Multiclass,
    Multilabel,
    PairingScore,
    RobustnessRow,
    Sentiment,
    Task,
    TrainingCurve,
)

MODALITIES = ("text", "audio", "vision")
FUSIONS = ("early", "lfn")
MEASURES = ("none", "kl", "f", "wasserstein")
METRICS = ("acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7", "f1", "mae", "corr")
CORRUPTED = ("mae", "corr", "acc_2_pos", "acc_7")
SUBSETS = ("clean", "text+audio", "text+vision", "audio+vision", "text", "audio", "vision")
CORRUPTIONS = ("drop", "frames", "noise", "swap", "shift", "words")
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
ODD_TRANSCRIPTS = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)> <b>bold</b> &amp; more",
    "هذا الفيلم رائع حقًا ولم أتوقع ذلك",
    "这部电影非常好看 我很喜欢",
    "loved it 😍🎬, \"truly\" 'great'",
    'a,b\n"quoted" line',
)
_WORDS = ("the", "film", "was", "really", "quite", "boring", "but", "i", "loved", "this", "music", "um", "you", "know")


def findings(
    samples: int = 685, *, explained: int = 2, seeds: int = 32, corrupted: Sequence[str] = CORRUPTED, seed: int = 0
) -> Findings:
    """Two fusion models, four measures, everything that a page can show."""
    rng = np.random.default_rng(seed)
    tables = tuple(explanation(rng, samples, measure) for measure in ("kl", "wasserstein", "f")[:explained])
    return Findings(
        title="mosi-nested",
        data=DataFacts(
            name="CMU-MOSI (nested)",
            source="mosi:nested",
            note="made-up numbers for tests",
            modalities={"text": 0, "audio": 74, "vision": 35},
            splits={f"fold {fold}": {"train": 400, "valid": 100, "test": 137} for fold in range(5)},
            groups=93,
            samples=samples,
            task=Sentiment(),
        ),
        config={"data": {"source": "mosi:nested"}, "fusions": list(FUSIONS), "measures": list(MEASURES), "note": "<b>"},
        versions={"python": "3.11", "packages": {"comodal": "0.1.0", "torch": "2.13.0"}},
        seeds=tuple(range(seeds)),
        rows=tuple(comparison(rng, seeds)),
        replication=tuple(comparison(rng, seeds)),
        curves=tuple(curves(rng, min(seeds, 4))),
        robustness=tuple(robustness(rng, seeds, corrupted)),
        explanations=tables,
        attributions=attributions(rng, tables[0]) if tables else {},
        pairing=tuple(pairing(rng)),
    )


def empty() -> Findings:
    """A folder of which nothing is known but what it was trained on."""
    full = findings(20, explained=0, seeds=1, corrupted=())
    parts = ("rows", "replication", "curves", "robustness", "explanations", "pairing")
    return replace(full, attributions={}, **dict.fromkeys(parts, ()))


def predictions(task: Task, n: int = 200, seeds: int = 2) -> tuple[ArmPredictions, ...]:
    """Made-up predictions of early fusion with and without a penalty, better than chance."""
    rng = np.random.default_rng(0)
    if isinstance(task, Multiclass):
        target = rng.integers(0, task.width, n).astype(np.float32)
        scores = np.exp(rng.normal(size=(seeds, n, task.width)) + 3 * np.eye(task.width)[target.astype(int)])
        prediction = scores / scores.sum(axis=-1, keepdims=True)
    elif isinstance(task, Multilabel):
        target = (rng.random((n, task.width)) < 0.3).astype(np.float32)
        prediction = np.clip(0.5 * target + 0.5 * rng.random((seeds, n, task.width)), 0, 1)
    elif isinstance(task, Binary):
        target = (rng.random(n) < 0.4).astype(np.float32)
        prediction = np.clip(0.4 * target + 0.6 * rng.random((seeds, n)), 0, 1)
    else:
        shape = (n, task.width) if task.all_names else (n,)
        target = rng.normal(size=shape).clip(-3, 3)
        prediction = target + 0.3 * rng.normal(size=(seeds, *shape))
    return tuple(ArmPredictions("early", measure, target, prediction) for measure in ("none", "kl"))


def of_task(task: Task, **options: int) -> Findings:
    """Findings of the predictions of a task alone."""
    found = predictions(task, **options)
    rows = [
        BreakdownRow("early", each.measure, 0.0, task.noun, name, number, 50.0, None, 2)
        for each in found
        for name in task.all_names
        for number in task.breakdown
    ]
    bare = empty()
    return replace(bare, data=replace(bare.data, task=task), predictions=found, breakdown=tuple(rows))


def task_explanation(task: Task, n: int = 60) -> ExplanationTable:
    """The explanation of predictions of a task; without a modality they are those of another seed."""
    found = predictions(task, n)[0]
    without = dict.fromkeys(MODALITIES, found.prediction[1])
    base = explanation(np.random.default_rng(0), n)
    return replace(base, target=found.target, prediction=found.prediction[0], without=without, task=task)


def comparison(rng: np.random.Generator, seeds: int = 32) -> list[ComparisonRow]:
    return [cell(rng, fusion, measure, name, seeds) for fusion in FUSIONS for measure in MEASURES for name in METRICS]


def cell(rng: np.random.Generator, fusion: str, measure: str, metric: str, seeds: int) -> ComparisonRow:
    scale = {"mae": 0.01, "corr": 0.01}.get(metric, 0.6)
    mean = {"mae": 0.92, "corr": 0.68, "acc_7": 34.0, "acc_5": 39.0}.get(metric, 78.0) + scale * rng.normal()
    base = ComparisonRow(
        *(fusion, measure, 0.0 if measure == "none" else 0.3, metric, float(mean), float(scale)),
        *(None, None, None, None, seeds, 0, 2.5),
        n_groups=93,
        better="lower" if metric == "mae" else "higher",
        note="" if metric != "corr" else "the metric is bootstrapped by video",
    )
    if measure == "none":
        return base
    delta, width = float(scale * rng.normal()), float(scale * rng.uniform(0.6, 1.2))
    p_value = float(min(1.0, 2 * np.exp(-2.5 * abs(delta) / width)))
    ends = {"ci_low": delta - width, "ci_high": delta + width}
    return replace(base, delta=delta, p_value=p_value, reference=f"{fusion}/none", **ends)


def robustness(rng: np.random.Generator, seeds: int = 32, metrics: Sequence[str] = CORRUPTED) -> list[RobustnessRow]:
    found = []
    arms = [(fusion, measure) for fusion in FUSIONS for measure in MEASURES]
    for metric in metrics:
        for arm in arms:
            found += [RobustnessRow("subset", name, "", "", None, cell(rng, *arm, metric, seeds)) for name in SUBSETS]
            for corruption in CORRUPTIONS:
                for modality in MODALITIES if corruption != "words" else ("text",):
                    found += _curve(rng, corruption, modality, cell(rng, *arm, metric, seeds))
    return found


def _curve(rng: np.random.Generator, corruption: str, modality: str, clean: ComparisonRow) -> list[RobustnessRow]:
    worse = (0.3 if clean.metric == "mae" else -0.2 * clean.mean) * rng.uniform(0.5, 1.0)
    name = f"{corruption}:{modality}"
    points = [
        RobustnessRow(
            *("curve", f"{name}={severity:g}", modality, corruption, severity),
            replace(clean, mean=clean.mean + worse * severity),
        )
        for severity in SEVERITIES
    ]
    areas = [RobustnessRow(kind, name, modality, corruption, None, clean) for kind in ("relative", "effective")]
    return points + areas


def curves(rng: np.random.Generator, seeds: int = 4) -> list[TrainingCurve]:
    return [
        curve(rng, fusion, measure, seed, fold)
        for fusion in FUSIONS
        for measure in MEASURES
        for seed in range(seeds)
        for fold in range(5)
    ]


def curve(rng: np.random.Generator, fusion: str, measure: str, seed: int, fold: int) -> TrainingCurve:
    length = int(rng.integers(15, 40))
    epochs = np.arange(length)
    loss = 0.9 + 0.8 * np.exp(-epochs / 5) + 0.02 * rng.normal(size=length)
    values: dict[str, Any] = {"epoch": epochs, "train_task": loss - 0.01 * epochs, "valid_loss": loss}
    if measure != "none":
        values["train_dependency"] = 1.0 - np.exp(-epochs / 8) + 0.02 * rng.normal(size=length)
    plain = {name: tuple(float(value) for value in column) for name, column in values.items()}
    return TrainingCurve(fusion, measure, seed, f"part-{fold}", length - 11, plain)


def explanation(rng: np.random.Generator, samples: int = 685, measure: str = "kl") -> ExplanationTable:
    target = np.round(np.clip(rng.normal(size=samples) * 1.6, -3, 3) * 5) / 5
    prediction = 0.7 * target + 0.7 * rng.normal(size=samples)
    dependency = 0.3 + 0.2 * np.abs(target) + 0.5 * rng.normal(size=samples)
    rank = np.argsort(np.argsort(dependency))
    facts = {
        "fusion": "early",
        "measure": measure,
        "unit": "rank" if measure == "wasserstein" else "nats",
        "critic": "trained with the model",
        "seed": 0,
        "split": "test",
        "map": "principal components",
    }
    shift = {name: rng.normal(size=samples) for name in MODALITIES}
    return ExplanationTable(
        id=np.asarray([f"video{row // 7:04d}[{row % 7}]" for row in range(samples)], dtype=object),
        group=np.asarray([f"video{row // 7:04d}" for row in range(samples)], dtype=object),
        target=target,
        prediction=prediction,
        dependency=dependency,
        percentile=100.0 * rank / max(samples - 1, 1),
        transcript=np.asarray([transcript(rng, row) for row in range(samples)], dtype=object),
        map_x=target + rng.normal(size=samples),
        map_y=rng.normal(size=samples),
        swapped={name: dependency - 0.4 + 0.2 * noise for name, noise in shift.items()},
        without={name: prediction + 0.3 * noise for name, noise in shift.items()},
        facts=facts,
    )


def transcript(rng: np.random.Generator, row: int) -> str:
    if row < len(ODD_TRANSCRIPTS):
        return ODD_TRANSCRIPTS[row]
    return " ".join(rng.choice(_WORDS, size=int(rng.integers(3, 25))))


def attributions(rng: np.random.Generator, table: ExplanationTable) -> dict[str, tuple[Attribution, ...]]:
    found = {}
    for name, text in zip(table.id, table.transcript, strict=True):
        words = tuple(str(text).split())
        found[str(name)] = tuple(
            _attribution(rng, str(name), modality, words if modality == "text" else ()) for modality in MODALITIES
        )
    return found


def _attribution(rng: np.random.Generator, name: str, modality: str, words: tuple[str, ...]) -> Attribution:
    frames = tuple(float(value) for value in 0.1 * rng.normal(size=len(words) or 100))
    features = tuple((int(which), float(0.1 * rng.normal())) for which in rng.integers(0, 74, size=5))
    return Attribution(name, modality, float(sum(frames)), frames, words, features)


def pairing(rng: np.random.Generator) -> list[PairingScore]:
    found = []
    for modality in MODALITIES:
        for score, auroc in (("critic", 0.68), ("linear CCA", 0.6)):
            area = float(auroc + 0.03 * rng.normal())
            found.append(
                PairingScore(
                    *(score, "broken pairs", modality, area, area - 0.05, area + 0.05),
                    *(0.35, 0.3, 0.4, 137, 685, "20 % of the pairs were broken"),
                )
            )
    return found
