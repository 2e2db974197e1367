from __future__ import annotations

from typing import Any

import pytest
from refusals import refused

from comodal.contracts.errors import Code
from comodal.serve.panel_request import Edit, parse_request

KNOWN = ("text", "audio")


def test_a_question_keeps_what_was_asked() -> None:
    body = {
        "id": "v_1",
        "modalities": {"text": {"act": "swap", "donor": "v_2"}, "audio": {"act": "noise", "severity": 1}},
        "seed": 3,
    }
    found = parse_request(body, KNOWN)
    assert (found.id, found.seed, found.donors) == ("v_1", 3, ("v_2",))
    assert found.edits == {"text": Edit("swap", "v_2"), "audio": Edit("noise", severity=1.0)}


def test_what_an_act_does_not_use_is_dropped() -> None:
    given = {"id": "v_1", "modalities": {"text": {"act": "off", "donor": "v_2", "severity": 0.5}}}
    assert parse_request(given, KNOWN).edits == {"text": Edit("off")}
    assert parse_request({"id": "v_1"}, KNOWN).edits == {}


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (None, "wrong_type", "request"),
        ([1], "wrong_type", "request"),
        ({"id": 3}, "wrong_type", "id"),
        ({}, "wrong_type", "id"),
        ({"id": "a", "modality": {}}, "unknown_name", "request 'modality' 'modalities'"),
        ({"id": "a", "modalities": []}, "wrong_type", "modalities"),
        ({"id": "a", "modalities": {"audoi": {}}}, "unknown_name", "'audoi' 'audio'"),
        ({"id": "a", "modalities": {"audio": "off"}}, "wrong_type", "'audio'"),
        ({"id": "a", "modalities": {"audio": {"act": "of"}}}, "unknown_name", "'of' 'off'"),
        ({"id": "a", "modalities": {"audio": {"act": 1}}}, "wrong_type", "act 'audio'"),
        ({"id": "a", "modalities": {"audio": {"act": "swap"}}}, "wrong_type", "donor 'audio'"),
        ({"id": "a", "modalities": {"audio": {"act": "noise"}}}, "out_of_range", "severity 'audio'"),
        ({"id": "a", "modalities": {n: {"act": "off"} for n in KNOWN}}, "empty", "off"),
        ({"id": "a", "seed": -1}, "out_of_range", "seed"),
        ({"id": "a", "seed": True}, "out_of_range", "seed"),
        ({"id": "a", "seed": 1.5}, "out_of_range", "seed"),
    ],
)
def test_a_wrong_request_is_one_line(body: Any, code: Code, named: str) -> None:
    with refused(code, *named.split()):
        parse_request(body, KNOWN)


@pytest.mark.parametrize("severity", [-0.1, 1.1, float("nan"), float("inf"), True, "0.5", None, [0.5]])
def test_a_severity_is_a_number_from_0_to_1(severity: Any) -> None:
    body = {"id": "a", "modalities": {"audio": {"act": "noise", "severity": severity}}}
    with refused("out_of_range", "'audio'"):
        parse_request(body, KNOWN)
