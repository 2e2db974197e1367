"""Explanations of every task: which output is explained, by what, and what tables and files say of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fusion_batches import featureless
from refusals import refused
from task_data import NAMED, OF_CLASSES, penalised_run
from torch import Tensor, nn

import comodal
from comodal.cli import main
from comodal.contracts import (
    Binary,
    ExplanationTable,
    FusionOutput,
    ModalitySequence,
    Multiclass,
    Multilabel,
    MultimodalBatch,
    Regression,
    Task,
)
from comodal.contracts.errors import Code
from comodal.evaluation.experiment import train
from comodal.evaluation.runs import RunSet
from comodal.explain.attribution import Contributions, integrated_gradients
from comodal.explain.explain import Explanation, ExplanationConfig, explain
from comodal.explain.of_representations import explain_representations
from comodal.explain.output import rank_text, write_explanation
from comodal.explain.pairing import validate_pairing
from comodal.explain.ranking import rankings
from comodal.explain.representation_file import read_representations, save_representations
from comodal.explain.representations import represent, without_each
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

QUICK = ExplanationConfig(donors=3, attributions=3)


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunSet]:
    return {kind: penalised_run(kind, tmp_path_factory.mktemp(kind)) for kind in NAMED}


@pytest.fixture(scope="module")
def explained(runs_of: dict[str, RunSet]) -> dict[str, Explanation]:
    return {kind: explain(runs, runs.runs[0], QUICK) for kind, runs in runs_of.items()}


class Outputs(nn.Module):
    """A network of K outputs that is far from linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, width))

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        seen = [sequence.values.sum(dim=1) for sequence in batch.modalities.values()]
        return FusionOutput(2.0 * self.layers(torch.cat(seen, dim=1)), seen[0], {})


def _batch() -> MultimodalBatch:
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(4, 3, dtype=torch.bool)
    sequences = {
        name: ModalitySequence(torch.randn(4, 3, width, generator=generator), mask)
        for name, width in (("left", 2), ("right", 3))
    }
    return MultimodalBatch(tuple("abcd"), sequences, torch.zeros(4))


def _logit_change(model: nn.Module, batch: MultimodalBatch) -> Tensor:
    """Logits less those at the baseline, with the model called by hand: ``(B, K)``."""
    with torch.no_grad():
        return model(batch).logits - model(featureless(batch)).logits


def _total(found: Contributions) -> Tensor:
    return torch.stack([values.sum(dim=(1, 2)) for values in found.values.values()]).sum(dim=0)


@pytest.mark.parametrize(
    "task", [Multiclass(("a", "b", "c")), Multilabel(("a", "b", "c")), Regression(names=("a", "b", "c"))]
)
def test_contributions_sum_to_the_change_of_the_explained_logit_and_of_no_other(task: Task) -> None:
    model, batch = Outputs(3), _batch()
    change = _logit_change(model, batch)
    output = torch.tensor([2, 0, 1, 1])
    total = _total(integrated_gradients(model, batch, task=task, output=output))
    np.testing.assert_allclose(total, change[range(4), output], atol=0.011 * float(change.abs().max()))
    # The impostor: another class of each sample.
    other = change[range(4), (output + 1) % 3]
    assert float((total - other).abs().min()) > 0.05


def test_the_first_of_two_classes_has_the_opposite_contributions() -> None:
    model, batch, task = Outputs(1), _batch(), Binary(("no", "yes"))
    change = _logit_change(model, batch)[:, 0]
    no, yes = (_total(integrated_gradients(model, batch, task=task, output=torch.full((4,), k))) for k in (0, 1))
    np.testing.assert_allclose(yes, change, atol=0.011 * max(1.0, float(change.abs().max())))
    np.testing.assert_allclose(no, -yes, atol=1e-5)
    assert float(change.abs().min()) > 0.05


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_the_predicted_class_is_explained_with_its_probability(
    kind: str, runs_of: dict[str, RunSet], explained: dict[str, Explanation]
) -> None:
    runs, table = runs_of[kind], explained[kind].table
    kept, task = runs.runs[0].predictions(), runs.dataset.spec.task
    assert table.task == task
    np.testing.assert_allclose(table.prediction, kept.prediction, atol=1e-5)
    by_class = pd.DataFrame(task.probabilities(kept.prediction), columns=list(task.classes))
    names = table.readable()
    assert names["explained"].tolist() == by_class.idxmax(axis=1).tolist()
    np.testing.assert_allclose(names["probability"], by_class.max(axis=1), atol=1e-5)
    labels = dict(zip(runs.dataset.id, task.readable(runs.dataset.target), strict=True))
    assert names["true"].tolist() == [labels[name] for name in table.id]
    (fitted,) = runs.fitted(runs.runs[0])
    for name, prediction in without_each(fitted).items():
        hidden = pd.DataFrame(task.probabilities(prediction.numpy()), columns=list(task.classes))
        own = [hidden.loc[row, each] for row, each in enumerate(names["explained"])]
        np.testing.assert_allclose(names[f"probability_without:{name}"], own, atol=1e-6)


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_attributions_are_of_the_predicted_class(
    kind: str, runs_of: dict[str, RunSet], explained: dict[str, Explanation]
) -> None:
    table, runs = explained[kind].table, runs_of[kind]
    wanted = dict(zip(table.id, table.readable()["explained"], strict=True))
    assert {each.modality for each in explained[kind].attributions} == {"left", "right"}
    assert all(each.output == wanted[each.id] for each in explained[kind].attributions)
    (fitted,) = runs.fitted(runs.runs[0])
    row = {str(name): place for place, name in enumerate(runs.dataset.id)}
    for name in list(dict.fromkeys(each.id for each in explained[kind].attributions))[:4]:
        change = _logit_change(fitted.model, fitted.fold.view[[row[name]]])[0]
        number = fitted.task.output_number(wanted[name])
        logit = float(fitted.task.output_logits(change.unsqueeze(0))[0, number])
        total = sum(each.total for each in explained[kind].attributions if each.id == name)
        assert total == pytest.approx(logit, abs=0.011 * max(1.0, abs(logit)))


def test_all_of_several_outputs_are_explained_unless_one_is_named(
    runs_of: dict[str, RunSet], explained: dict[str, Explanation]
) -> None:
    table, attributions = explained["outputs"]
    assert table.of_explained(table.prediction).shape == (len(table), 2)
    assert table.readable() == {}
    ids = {each.id for each in attributions}
    keys = {(each.id, each.modality, each.output) for each in attributions}
    assert keys == {(name, modality, output) for name in ids for modality in ("left", "right") for output in "01"}
    runs = runs_of["outputs"]
    named = explain(runs, runs.runs[0], replace(QUICK, output="1"))
    assert named.table.of_explained(table.prediction)[:, 0].tolist() == table.prediction[:, 1].tolist()
    assert list(named.attributions) == [each for each in attributions if each.output == "1"]


@pytest.mark.parametrize("kind", NAMED)
def test_what_depends_on_no_task_is_there(
    kind: str, runs_of: dict[str, RunSet], explained: dict[str, Explanation], tmp_path: Path
) -> None:
    runs, table = runs_of[kind], explained[kind].table
    kept = runs.runs[0].predictions()
    shift = table.dependency - kept.critic_score
    np.testing.assert_allclose(shift, shift[0], atol=1e-4)
    assert np.isfinite([*table.swapped.values(), table.map_x, table.map_y, table.percentile]).all()
    scores = validate_pairing(runs, runs.runs[0], repetitions=2)
    assert {each.modality for each in scores if each.score.startswith("critic")} == {"left", "right"}
    write_explanation(tmp_path, table, explained[kind].attributions)
    read = ExplanationTable.from_parquet(tmp_path / "explanation.parquet")
    assert read.task == table.task
    for name, column in table.columns().items():
        np.testing.assert_array_equal(read.columns()[name], column)
    frame = pd.read_parquet(tmp_path / "explanation.parquet")
    for name, column in table.readable().items():
        assert frame[name].tolist() == column.tolist()


@pytest.mark.parametrize("kind", NAMED)
def test_rank_lists_follow_the_error_of_the_task(kind: str, explained: dict[str, Explanation]) -> None:
    table = explained[kind].table
    found = {each.name: each.rows for each in rankings(table, len(table))}
    error = table.task.error(table.prediction, table.target)
    surprise = table.percentile + 100 * (pd.Series(error).rank() - 1) / (len(table) - 1) - 100
    assert found["agreeing but wrong"].tolist() == list(np.argsort(-surprise, kind="stable")[: (surprise > 0).sum()])


def test_the_lists_name_classes_and_outputs(explained: dict[str, Explanation]) -> None:
    table = explained["multiclass"].table
    row = int(table.percentile.argmax())
    names = table.readable()
    line = f"| {names['true'][row]} | {names['predicted'][row]} ({names['probability'][row]:.2f}) |"
    assert line in rank_text(table)
    named = replace(table, facts={**table.facts, "output": "low"})
    other = next(k for k in np.argsort(-table.percentile) if names["predicted"][k] != "low")
    assert f"({names['predicted'][other]}" not in rank_text(named)
    assert f"{names['predicted'][other]} (low {table.prediction[other, table.task.output_number('low')]:.2f})" in (
        rank_text(named, len(table))
    )
    several = explained["outputs"].table
    first, second = several.prediction[int(several.percentile.argmax())]
    assert f"| {first:.2f}, {second:.2f} |" in rank_text(several)


@pytest.mark.parametrize(("kind", "name"), [("multiclass", "lwo"), ("outputs", "2")])
def test_an_output_that_is_not_there_is_refused(kind: str, name: str, runs_of: dict[str, RunSet]) -> None:
    with refused("unknown_name", name, *runs_of[kind].dataset.spec.task.all_names):
        explain(runs_of[kind], runs_of[kind].runs[0], replace(QUICK, output=name))


def test_one_number_has_no_names_to_choose_from(with_kl: RunSet) -> None:
    with refused("conflict", "valence"):
        explain(with_kl, with_kl.runs[0], replace(QUICK, output="valence"))


def test_representations_keep_their_task(runs_of: dict[str, RunSet], tmp_path: Path) -> None:
    for kind, runs in runs_of.items():
        (fitted,) = runs.fitted(runs.runs[0])
        path = tmp_path / f"{kind}.npz"
        save_representations(path, {split: represent(fitted, split) for split in ("train", "valid", "test")})
        found, split = read_representations(path)
        assert split is not None
        assert found.task == fitted.task
        np.testing.assert_array_equal(found.take(split == "test").prediction, represent(fitted).prediction)
        table = explain_representations(path, donors=2)
        assert np.isfinite(table.error).all()
        assert table.without["left"].shape == table.prediction.shape
    with refused("unknown_name", "lwo"):
        explain_representations(tmp_path / "multiclass.npz", donors=2, output="lwo")


TASK = json.dumps(Multiclass(("a", "b", "c")).to_dict())


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        ({"prediction": np.full((30, 2), 0.5)}, "wrong_shape", ("prediction", "(30, 3)")),
        ({"target": np.zeros((30, 3))}, "wrong_shape", ("target", "(30,)")),
        ({"target": np.full(30, 3.0)}, "out_of_range", ("target", "0 to 2")),
        ({"target": np.full(30, 0.5)}, "out_of_range", ("target", "0.5")),
        ({"task": "multiclass"}, "damaged", ("task",)),
        ({"task": '{"kind": "multiklass"}'}, "unknown_name", ("multiklass",)),
    ],
)
def test_representations_of_another_task_are_refused(
    tmp_path: Path, more: dict[str, Any], code: Code, named: tuple[str, ...]
) -> None:
    views = {name: np.random.default_rng(0).normal(size=(30, 2)) for name in ("left", "right")}
    np.savez(tmp_path / "views.npz", **views, **{"task": TASK, **more})
    with refused(code, "views.npz", *named):
        read_representations(tmp_path / "views.npz")


def test_the_command_explains_a_class_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    quick = ["--donors", "2", "--attributions", "1", "--out", str(out)]
    config = RunConfig(penalty=PenaltyConfig(measure="kl", weight=0.1), training=TrainingConfig(max_epochs=1))
    train(comodal.DataConfig(source="digits"), config, out=tmp_path / "run")
    assert not main(["explain", str(tmp_path / "run"), *quick, "--output", "7", "--json"])
    assert json.loads(capsys.readouterr().out)["facts"]["output"] == "7"
    table = ExplanationTable.from_parquet(out / "explanation.parquet")
    assert set(table.readable()["explained"]) == {"7"}
    np.testing.assert_allclose(table.readable()["probability"], table.prediction[:, 7])


def test_errors_of_unknown_targets_are_unknown(explained: dict[str, Explanation]) -> None:
    for table in (each.table for each in explained.values()):
        target = table.target.copy()
        target[3] = np.nan
        found = replace(table, target=target).error
        assert np.flatnonzero(np.isnan(found)).tolist() == [3]
        known = np.arange(len(table)) != 3
        np.testing.assert_array_equal(found[known], table.error[known])
