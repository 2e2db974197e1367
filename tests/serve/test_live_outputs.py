"""Answers and contributions of the live page for every task, against the model called by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from fusion_batches import featureless, without
from live_server import asked, request, running
from refusals import refused
from task_data import NAMED, OF_CLASSES

from comodal.contracts import MultimodalBatch
from comodal.evaluation.fitted import FittedFold
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import Edit, PanelRequest
from comodal.serve.security import allowed_hosts


def model_of(live: LiveModel) -> FittedFold:
    return live._folds[0].fitted


def sample(live: LiveModel, name: str, *, hidden: str = "") -> MultimodalBatch:
    return without(model_of(live).fold.view[[live._place[name][1]]], hidden)


def logits(live: LiveModel, batch: MultimodalBatch) -> torch.Tensor:
    with torch.no_grad():
        return model_of(live).model(batch).logits[0]


@pytest.mark.parametrize("kind", OF_CLASSES)
def test_the_class_and_all_probabilities_are_answered(kind: str, lives: dict[str, LiveModel]) -> None:
    live = lives[kind]
    task, name = model_of(live).task, live.ids[3]
    assert (live.facts["names"], live.facts["classes"], live.facts["label_range"]) == (list(task.classes), True, None)
    answer = live.answer(PanelRequest(name, {"left": Edit("off")}))
    for key, hidden in (("clean", ""), ("changed", "left")):
        prediction = task.predict(logits(live, sample(live, name, hidden=hidden)).unsqueeze(0)).numpy()
        wanted = {each: values[0] for each, values in task.probabilities(prediction).items()}
        assert answer[key]["probabilities"] == {each: pytest.approx(value, abs=1e-5) for each, value in wanted.items()}
        assert answer[key]["prediction"] == task.readable(task.decide(prediction))[0]
    assert answer["target"] == task.readable(sample(live, name).target.numpy())[0]
    assert answer["changed"]["probabilities"] != answer["clean"]["probabilities"]


def test_several_outputs_are_answered_as_a_list(lives: dict[str, LiveModel]) -> None:
    live = lives["outputs"]
    answer = live.answer(PanelRequest(live.ids[3], {}))
    assert live.facts["names"] == ["0", "1"]
    assert answer["clean"]["prediction"] == pytest.approx(logits(live, sample(live, live.ids[3])).tolist(), abs=1e-5)
    assert answer["target"] == pytest.approx(sample(live, live.ids[3]).target[0].tolist())
    assert answer["clean"]["probabilities"] == {}


@pytest.mark.parametrize("kind", NAMED)
def test_contributions_sum_to_the_change_of_the_explained_logit(kind: str, lives: dict[str, LiveModel]) -> None:
    live = lives[kind]
    task = model_of(live).task
    for name in live.ids[:5]:
        question = PanelRequest(name, {"left": Edit("off")})
        found = live.attribute(question)
        outputs = [each["output"] for each in found]
        probabilities = live.answer(question)["changed"]["probabilities"]
        assert outputs == ([max(probabilities, key=probabilities.__getitem__)] if probabilities else ["0", "1"])
        for each in found:
            number = task.output_number(each["output"])
            for key, hidden in (("clean", ""), ("changed", "left")):
                batch = sample(live, name, hidden=hidden)
                change = logits(live, batch) - logits(live, featureless(batch))
                wanted = float(task.output_logits(change.unsqueeze(0))[0, number])
                assert sum(each[key].values()) == pytest.approx(wanted, abs=0.011 * max(1.0, abs(wanted)))
                assert set(each[key]) == {"left", "right"} - {hidden}


def test_a_named_class_is_explained_and_another_is_not(lives: dict[str, LiveModel]) -> None:
    live = lives["multiclass"]
    sums = []
    for output in ("low", "high"):
        (found,) = live.attribute(PanelRequest(live.ids[0], {}, output=output))
        assert found["output"] == output
        sums.append(sum(found["clean"].values()))
    assert not np.isclose(*sums, atol=0.05)
    with refused("unknown_name", "lwo", "low"):
        live.attribute(PanelRequest(live.ids[0], {}, output="lwo"))


def test_one_number_has_one_contribution_for_each_modality(live: LiveModel) -> None:
    (found,) = live.attribute(PanelRequest(live.ids[0], {}))
    assert found["output"] == ""
    assert set(found["clean"]) == {"text", "audio", "vision"}
    assert found["clean"] == found["changed"]
    with refused("conflict", "joy"):
        live.attribute(PanelRequest(live.ids[0], {}, output="joy"))


def test_both_questions_pass_through_the_server(lives: dict[str, LiveModel]) -> None:
    live = lives["multiclass"]
    body: dict[str, Any] = {"id": live.ids[1], "modalities": {"right": {"act": "off"}}, "output": "low"}
    with running(build_app(live, "<!doctype html>", names=allowed_hosts("127.0.0.1", ()))) as port:
        assert json.loads(request(port, "/api/facts")[2]) == live.facts
        edited = PanelRequest(live.ids[1], {"right": Edit("off")}, output="low")
        assert asked(port, body) == live.answer(edited)
        status, _, answer = request(port, "/api/attribute", method="POST", body=json.dumps(body).encode())
        assert (status, json.loads(answer)) == (200, live.attribute(edited))
        for wrong in ({**body, "output": 3}, {**body, "output": "x" * 5000}):
            status, _, answer = request(port, "/api/attribute", method="POST", body=json.dumps(wrong).encode())
            assert status == 400
            assert len(json.loads(answer)["error"]) < 400
        assert request(port, "/api/attribute")[0] == 405
