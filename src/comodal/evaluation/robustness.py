"""Evaluate finished runs with missing and corrupted modalities, and compare penalties under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from comodal.contracts import DatasetSpec, InputError, RobustnessRow
from comodal.data.corruptions import KINDS
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import note_of
from comodal.evaluation.grid import NONE, Arm
from comodal.evaluation.paired import require_same_samples
from comodal.evaluation.pool import Progress, no_progress
from comodal.evaluation.reference_runs import ReferenceRuns
from comodal.evaluation.robustness_rows import robustness_rows, scenario_result
from comodal.evaluation.rows import ArmResult, SeedRun, Setting, references
from comodal.evaluation.runs import RunSet, open_runs
from comodal.evaluation.scenario_predictions import ScenarioPredictions
from comodal.evaluation.scenario_runs import ScenarioRun, run_scenarios
from comodal.evaluation.scenarios import CHOICES, CLEAN, SEVERITIES, Scenario, curves, subsets
from comodal.metrics import METRICS, metrics_named
from comodal.training.data import inputs

__all__ = ["RobustnessConfig", "robustness"]

_PREDICTIONS = "predictions"
_BASELINE = "late"  # MultiBench measures effective robustness from late fusion


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig:
    """Scenarios and metrics of a robustness evaluation.

    Attributes:
        scenarios: ``subsets`` of the modalities, severity ``curves``, or ``all``; always with the clean test part.
        severities: points of every curve, from 0 to 1; 0 is always included.
        kinds: kinds of corruption; ``None`` for all that apply to a modality.
        modalities: modalities to corrupt; ``None`` for all.
        metrics: names in :data:`comodal.metrics.METRICS`; those that the task reports when ``None``.

    Raises:
        InputError: an unknown choice, corruption or metric.
    """

    scenarios: str = "all"
    severities: tuple[float, ...] = SEVERITIES
    kinds: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    metrics: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.scenarios not in CHOICES:
            raise InputError.unknown("choice of scenarios", self.scenarios, CHOICES)
        for kind in self.kinds or ():
            if kind not in KINDS:
                raise InputError.unknown("corruption", kind, KINDS)
        for name in self.metrics or ():
            if name not in METRICS:
                raise InputError.unknown("metric", name, METRICS)

    def of(self, spec: DatasetSpec) -> tuple[Scenario, ...]:
        """Return the scenarios of a data set, the clean one first."""
        chosen = [] if self.scenarios == "curves" else subsets(spec.modalities)
        if self.scenarios != "subsets":
            options = {"severities": self.severities, "kinds": self.kinds, "modalities": self.modalities}
            chosen += curves(spec, **options)  # type: ignore[arg-type]
        return tuple(dict.fromkeys([Scenario(), *chosen]))


def robustness(
    folder: str | Path,
    config: RobustnessConfig | None = None,
    *,
    out: str | Path | None = None,
    source: str | Dataset | None = None,
    replication: bool = False,
    jobs: int = 1,
    progress: Progress = no_progress,
) -> list[RobustnessRow]:
    """Evaluate the finished runs of a folder with modalities missing and corrupted.

    All runs see the same corrupted samples. Each arm is compared with the same fusion without a penalty in the same
    scenario, seed by seed, with the intervals of :func:`comodal.evaluation.rows.comparison_rows`; networks of a single
    modality are listed without a comparison, and so are a single run and the reference models of a comparison, which
    are fitted on the training part of the data; an absent modality has the mean of the training part for them.

    Args:
        folder: folder of ``comodal train`` or ``comodal compare``.
        config: scenarios and metrics.
        out: folder of the predictions, below ``folder`` when not given. The same call resumes after an interruption;
            predictions of other weights are made again.
        source: other data with the same modalities and partitions; needed for runs on a data set in memory.
        replication: the replication of a comparison instead of its first runs.
        jobs: number of processes, each with one thread.
        progress: called with the name of a stage and its number of runs; returns the function that counts them.

    Raises:
        InputError: no finished run, no saved weights, bad options, or an unknown modality.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.training.config import RunConfig, TrainingConfig
        >>> run = tempfile.mkdtemp()
        >>> short = RunConfig(training=TrainingConfig(max_epochs=1))
        >>> report = train(DataConfig(source="synthetic"), short, out=run)
        >>> rows = robustness(run, RobustnessConfig(scenarios="subsets", metrics=("mae",)))
        >>> [row.scenario for row in rows if row.row.fusion == "early"]
        ['clean', 'text+audio', 'text+vision', 'audio+vision', 'text', 'audio', 'vision']
        >>> rows[0].row.mean == report.metrics["mae"]["value"]
        True
    """
    if jobs < 1 or (jobs > 1 and isinstance(source, Dataset)):
        raise InputError(f"jobs is {jobs}: give 1 or more, and 1 for a data set in memory", code="out_of_range")
    found = open_runs(folder, source=source, replication=replication)
    metrics_named((config or RobustnessConfig()).metrics, found.dataset.spec.task)  # before the work
    plan = _Plan(found, config or RobustnessConfig(), Path(out or Path(folder) / "robustness") / _PREDICTIONS)
    wanted = plan.wanted()
    count = progress("runs in every scenario", len(wanted))
    elsewhere = source if isinstance(source, str) else None
    run_scenarios(found, wanted, source=elsewhere, replication=replication, jobs=jobs, advance=count)
    return plan.rows(wanted)


@dataclass(frozen=True)
class _Plan:
    found: RunSet
    config: RobustnessConfig
    root: Path

    def wanted(self) -> list[ScenarioRun]:
        chosen = {arm: self._scenarios(arm) for arm in self.found.arms()}
        return [
            ScenarioRun(run, chosen[run.arm], self.root / _name(run.arm) / f"seed-{run.seed}.parquet")
            for run in self.found.runs
        ]

    @cached_property
    def inputs(self) -> dict[str, Dataset]:
        """Return the data as each architecture reads them."""
        first = {run.arm.fusion: run.configs[0] for run in reversed(self.found.runs)}
        return {fusion: inputs(self.found.dataset, config) for fusion, config in first.items()}

    def _scenarios(self, arm: Arm) -> tuple[Scenario, ...]:
        """Return the scenarios of an architecture; for a single modality, those that change its input."""
        spec = self.inputs[arm.fusion].spec
        every = self.config.of(spec)
        if not arm.modality:
            return every
        alone = replace(spec, dims={arm.modality: spec.dims[arm.modality]})
        return tuple(scenario for scenario in every if scenario.suits(alone))

    def rows(self, wanted: Sequence[ScenarioRun]) -> list[RobustnessRow]:
        by_setting: dict[Setting, list[ScenarioRun]] = {}
        for each in wanted:
            by_setting.setdefault((each.run.arm.label, each.run.arm.measure, each.run.weight), []).append(each)
        require_same_samples(
            [ScenarioPredictions.from_parquet(runs[0].path).table(CLEAN) for runs in by_setting.values()]
        )
        arms = {setting: self._results(runs) for setting, runs in by_setting.items()}
        simple = self._references()
        alone: dict[Setting, Setting | None] = dict.fromkeys([*arms, *simple])
        compared = len(wanted) > 1
        others = alone | (references(arms) if compared else {})
        baselines = alone | ({setting: _baseline(setting, arms) for setting in arms} if compared else {})
        made = robustness_rows({**arms, **simple}, others, baselines)
        return [row.with_note(note_of(self._read_by(row.row.fusion))) for row in made]

    def _read_by(self, fusion: str) -> Dataset:
        """Return the data as an architecture or a reference model reads them."""
        return self.inputs.get(fusion.partition(":")[0], self.found.dataset)

    def _references(self) -> dict[Setting, dict[Scenario, ArmResult]]:
        from comodal.evaluation.reference_scenarios import reference_scenarios  # noqa: PLC0415 - scikit-learn

        dataset, runs = self.found.dataset, self.found.runs
        seeds = sorted({run.seed for run in runs})
        models = ReferenceRuns.of(dataset, runs[0].configs[0])
        return reference_scenarios(models, seeds, self.config.of(dataset.spec), self.config.metrics)

    def _results(self, runs: Sequence[ScenarioRun]) -> dict[Scenario, ArmResult]:
        saved = [(each.run.seed, ScenarioPredictions.from_parquet(each.path)) for each in runs]
        results = {}
        for scenario in runs[0].scenarios:
            name = scenario.name
            # Seconds are 0: the table of the comparison has the duration of training.
            seeds = [SeedRun(seed, each.table(name), 0.0, each.collapsed(name)) for seed, each in saved]
            results[scenario] = scenario_result(seeds, metrics=self.config.metrics)
        return results


def _name(arm: Arm) -> str:
    return f"{arm.label.replace(':', '-')}-{arm.measure}"


def _baseline(setting: Setting, arms: Mapping[Setting, Any]) -> Setting:
    """Return late fusion without a penalty if it exists, else the setting's own fusion without a penalty."""
    fusion = setting[0].partition(":")[0]
    return next(other for wanted in (_BASELINE, fusion) for other in arms if other[:2] == (wanted, NONE))
