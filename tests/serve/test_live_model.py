"""Answers of the live model against the model called by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from live_server import short_run
from refusals import refused

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet, open_runs
from comodal.explain.critic import from_penalty
from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import Edit, PanelRequest


@pytest.fixture(scope="session")
def fitted(run_set: RunSet) -> FittedFold:
    return next(run_set.fitted(run_set.runs[0]))


def row_of(run_set: RunSet, name: str) -> int:
    return int(np.flatnonzero(run_set.dataset.id == name)[0])


def predicted(fitted: FittedFold, batch: MultimodalBatch) -> float:
    with torch.no_grad():
        return float(fitted.model(batch).logits[0])


def test_clean_answers_are_the_predictions_that_the_run_kept(live: LiveModel, run_set: RunSet) -> None:
    kept = run_set.runs[0].predictions()
    for row in (0, 7, 799):
        answer = live.answer(PanelRequest(str(kept.id[row]), {}))
        assert answer["clean"]["prediction"] == pytest.approx(float(kept.prediction[row]), abs=1e-5)
        assert answer["target"] == pytest.approx(float(kept.target[row]))
        assert answer["changed"] == answer["clean"]


def test_off_hides_the_modality(live: LiveModel, run_set: RunSet, fitted: FittedFold) -> None:
    name = live.ids[5]
    batch = fitted.fold.view[[row_of(run_set, name)]]
    nothing = ModalitySequence(torch.zeros(1, 1, 8), torch.zeros(1, 1, dtype=torch.bool))
    expected = predicted(fitted, replace(batch, modalities={**batch.modalities, "text": nothing}))
    answer = live.answer(PanelRequest(name, {"text": Edit("off")}))
    assert answer["changed"]["prediction"] == pytest.approx(expected, abs=1e-5)
    assert answer["changed"]["prediction"] != pytest.approx(answer["clean"]["prediction"], abs=1e-4)


def test_swap_takes_the_modality_of_the_donor(live: LiveModel, run_set: RunSet, fitted: FittedFold) -> None:
    name, other, third = live.ids[5], live.ids[100], live.ids[200]
    view = fitted.fold.view
    mine, donor, last = (view[[row_of(run_set, each)]].modalities for each in (name, other, third))
    batch = view[[row_of(run_set, name)]]
    expected = predicted(fitted, replace(batch, modalities={**mine, "audio": donor["audio"], "vision": last["vision"]}))
    answer = live.answer(PanelRequest(name, {"audio": Edit("swap", other), "vision": Edit("swap", third)}))
    assert answer["changed"]["prediction"] == pytest.approx(expected, abs=1e-5)
    back = live.answer(PanelRequest(name, {"audio": Edit("swap", third), "vision": Edit("swap", other)}))
    assert back["changed"]["prediction"] != pytest.approx(expected, abs=1e-4)


def test_noise_grows_with_severity_and_is_drawn_from_the_seed(live: LiveModel) -> None:
    def changed(severity: float, seed: int = 0) -> float:
        found = live.answer(PanelRequest(live.ids[3], {"audio": Edit("noise", severity=severity)}, seed))
        return float(found["changed"]["prediction"])

    clean = live.answer(PanelRequest(live.ids[3], {}))["clean"]["prediction"]
    assert changed(0.0) == clean
    assert abs(changed(0.001) - clean) < abs(changed(1.0) - clean)
    assert changed(1.0) == changed(1.0)
    assert changed(1.0) != changed(1.0, seed=1)


def test_dependency_and_percentile_are_those_of_the_critic(live: LiveModel, fitted: FittedFold) -> None:
    critic = from_penalty(fitted)
    with torch.no_grad():
        every = torch.cat([critic(fitted.model(batch).representations) for batch in fitted.batches()]).numpy()
    for position in (0, 12, 500):
        answer = live.answer(PanelRequest(live.ids[position], {}))["clean"]
        assert answer["dependency"] == pytest.approx(float(every[position]), abs=1e-4)
        share = 100 * (every < every[position]).mean()
        assert answer["percentile"] == pytest.approx(share, abs=0.2)  # of 800, the sample itself counts half


def test_without_a_critic_there_is_no_dependency(tmp_path: Path) -> None:
    runs = open_runs(short_run(tmp_path / "run", measure="none"))
    model = LiveModel.of(runs, runs.runs[0])
    answer = model.answer(PanelRequest(model.ids[0], {"text": Edit("off")}))
    assert answer["changed"]["dependency"] is None
    assert (model.facts["unit"], model.facts["critic"]) == (None, None)


def test_what_cannot_be_answered_is_an_error_of_one_line(live: LiveModel, run_set: RunSet) -> None:
    trained_on = str(run_set.dataset.id[run_set.dataset.partitions[0].train[0]])
    for name in ("nobody", trained_on, "x" * 5000):
        with refused("unknown_name", name[:60], 800) as raised:
            live.answer(PanelRequest(name, {}))
        assert len(str(raised.value)) < 200
    with refused("conflict", live.ids[0]):
        live.answer(PanelRequest(live.ids[0], {"text": Edit("swap", live.ids[0])}))


def test_a_search_reads_ids_whatever_their_case(live: LiveModel) -> None:
    wanted = live.ids[42]
    assert wanted in [each["id"] for each in live.find(wanted.upper())]
    assert len(live.find("")) == 20
    assert live.find("no such words") == []


def test_who_may_lend_is_tested_in_the_same_fold(tmp_path: Path) -> None:
    short_run(tmp_path / "run")
    runs = open_runs(tmp_path / "run")
    model = LiveModel.of(runs, runs.runs[0])
    # A second fold that tests every second sample.
    folds, place = model._folds * 2, {name: (row % 2, at) for row, (name, (_, at)) in enumerate(model._place.items())}
    model = replace(model, _folds=folds, _place=place)
    name, other, stranger = model.ids[0], model.ids[2], model.ids[1]
    found = [each["id"] for each in model.find("", beside=name)]
    assert other in found
    assert name not in found
    assert stranger not in found
    assert model.answer(PanelRequest(name, {"text": Edit("swap", other)}))["id"] == name
    with refused("conflict", stranger, name):
        model.answer(PanelRequest(name, {"text": Edit("swap", stranger)}))
    with refused("unknown_name", "nobody"):
        model.find("", beside="nobody")
