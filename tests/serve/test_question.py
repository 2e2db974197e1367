from __future__ import annotations

from typing import Any

import pytest

from comodal.contracts import InputError
from comodal.serve.question import Act, parse_question

KNOWN = ("text", "audio")


def test_a_question_keeps_what_was_asked() -> None:
    body = {
        "id": "v_1",
        "modalities": {"text": {"act": "swap", "donor": "v_2"}, "audio": {"act": "noise", "severity": 1}},
        "seed": 3,
    }
    found = parse_question(body, KNOWN)
    assert (found.id, found.seed, found.donors) == ("v_1", 3, ("v_2",))
    assert found.acts == {"text": Act("swap", "v_2"), "audio": Act("noise", severity=1.0)}


def test_what_an_act_does_not_use_is_dropped() -> None:
    given = {"id": "v_1", "modalities": {"text": {"act": "off", "donor": "v_2", "severity": 0.5}}}
    assert parse_question(given, KNOWN).acts == {"text": Act("off")}
    assert parse_question({"id": "v_1"}, KNOWN).acts == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "request: give a JSON object"),
        ([1], "request: give a JSON object"),
        ({"id": 3}, "id: give a text"),
        ({}, "id: give a text"),
        ({"id": "a", "modality": {}}, "request: unknown key 'modality': did you mean 'modalities'"),
        ({"id": "a", "modalities": []}, "modalities: give a JSON object"),
        ({"id": "a", "modalities": {"audoi": {}}}, "unknown key 'audoi': did you mean 'audio'"),
        ({"id": "a", "modalities": {"audio": "off"}}, "modality 'audio': give a JSON object"),
        ({"id": "a", "modalities": {"audio": {"act": "of"}}}, "unknown act 'of': did you mean 'off'"),
        ({"id": "a", "modalities": {"audio": {"act": 1}}}, "act of 'audio': give a text"),
        ({"id": "a", "modalities": {"audio": {"act": "swap"}}}, "donor of 'audio': give a text"),
        ({"id": "a", "modalities": {"audio": {"act": "noise"}}}, "severity of 'audio': give a number from 0 to 1"),
        ({"id": "a", "modalities": {n: {"act": "off"} for n in KNOWN}}, "every modality is off: leave one on"),
        ({"id": "a", "seed": -1}, "seed: give a whole number"),
        ({"id": "a", "seed": True}, "seed: give a whole number"),
        ({"id": "a", "seed": 1.5}, "seed: give a whole number"),
    ],
)
def test_what_is_no_question_is_one_line(body: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        parse_question(body, KNOWN)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, [0.5]])
def test_a_severity_is_a_number_from_0_to_1(severity: Any) -> None:
    body = {"id": "a", "modalities": {"audio": {"act": "noise", "severity": severity}}}
    with pytest.raises(InputError, match="give a number from 0 to 1"):
        parse_question(body, KNOWN)
