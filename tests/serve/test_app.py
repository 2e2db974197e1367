"""The live page over a real connection: what it answers, and all that it refuses."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from live_server import asked, request
from refusals import refused

from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import Edit, PanelRequest
from comodal.serve.security import allowed_hosts
from comodal.serve.start import listen


def test_page_and_facts(port: int, live: LiveModel) -> None:
    status, headers, body = request(port, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>page</title>" in body
    status, _, body = request(port, "/api/facts")
    assert json.loads(body) == {**live.facts, "label_range": [-3.0, 3.0]}
    assert list(json.loads(body)["modalities"]) == ["text", "audio", "vision"]


def test_a_question_is_answered_as_the_model_answers(port: int, live: LiveModel) -> None:
    body = {"id": live.ids[0], "modalities": {"audio": {"act": "off"}, "text": {"act": "noise", "severity": 0.3}}}
    expected = live.answer(PanelRequest(live.ids[0], {"audio": Edit("off"), "text": Edit("noise", severity=0.3)}))
    assert asked(port, body) == expected


def test_samples_are_found(port: int, live: LiveModel) -> None:
    status, _, body = request(port, f"/api/samples?q={live.ids[7]}")
    assert status == 200
    assert live.ids[7] in [each["id"] for each in json.loads(body)]
    assert request(port, "/api/samples?q=" + "x" * 201)[0] == 400


@pytest.mark.parametrize("path", ["/", "/api/facts", "/api/samples?q=x", "/nowhere"])
def test_every_answer_forbids_what_a_page_needs_not(port: int, path: str) -> None:
    _, headers, _ = request(port, path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert path == "/" or "default-src 'none'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:99", "[::1]:80"])
def test_loopback_names_are_answered(port: int, host: str) -> None:
    assert request(port, "/api/facts", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:80", "localhost.example.org", "127.0.0.1.example.org", ""]
)
def test_another_name_gets_nothing(port: int, host: str) -> None:
    for path in ("/", "/api/facts", "/api/predict"):
        status, headers, body = request(port, path, headers={"Host": host})
        assert (status, body) == (400, b"Invalid host header")
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/../config.yaml",
        "/..%2f..%2fconfig.yaml",
        "/static/panel.js",
        "//etc/passwd",
        "/api",
        "/api/facts/x",
    ],
)
def test_unknown_paths_are_not_found(port: int, path: str) -> None:
    status, _, body = request(port, path)
    assert status == 404
    assert json.loads(body) == {"error": "Not Found"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/predict"), ("POST", "/"), ("DELETE", "/api/facts")])
def test_other_methods_are_refused(port: int, method: str, path: str) -> None:
    assert request(port, path, method=method)[0] == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 10_000,
        b"null",
        b'{"id": 1}',
        b'{"id": "nobody"}',
        b'{"id": "nobody", "modalities": {"text": {"act": "noise", "severity": NaN}}}',
        b'{"id": "nobody", "seed": 99999999999999999999}',
        b'{"id": "\\ud800"}',
    ],
)
def test_malformed_questions_are_refused_in_one_line(port: int, live: LiveModel, body: bytes) -> None:
    status, _, answer = request(port, "/api/predict", method="POST", body=body)
    assert status == 400
    (message,) = json.loads(answer).values()
    assert message
    assert "\n" not in message
    assert asked(port, {"id": live.ids[0]})["id"] == live.ids[0]  # and the server goes on


def test_another_type_than_json_is_refused(port: int, live: LiveModel) -> None:
    body = json.dumps({"id": live.ids[0]}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert request(port, "/api/predict", method="POST", body=body, headers={"Content-Type": kind})[0] == 415


def test_a_long_body_is_cut_off(port: int) -> None:
    assert request(port, "/api/predict", method="POST", body=b" " * 100_000)[0] == 413


def test_a_request_that_is_none_leaves_the_server_alone(port: int) -> None:
    for noise in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw:
            raw.sendall(noise)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert request(port, "/api/facts")[0] == 200


def test_fifty_clicks_at_once(port: int, live: LiveModel) -> None:
    noise = {"act": "noise", "severity": 0.5}
    bodies: list[dict[str, Any]] = [
        {"id": live.ids[n], "modalities": {"vision": {"act": "swap", "donor": live.ids[n + 60]}, "audio": noise}}
        for n in range(50)
    ]
    alone = [asked(port, body) for body in bodies]
    with ThreadPoolExecutor(max_workers=50) as pool:
        assert list(pool.map(lambda body: asked(port, body), bodies)) == alone


def test_only_loopback_is_listened_on() -> None:
    with listen("127.0.0.1", 0) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"


def test_names_of_an_open_address_must_be_said() -> None:
    with refused("missing", "0.0.0.0", "--allow"):
        allowed_hosts("0.0.0.0", ())
    assert "box.example.org" in allowed_hosts("0.0.0.0", ("box.example.org",))
    assert "192.168.0.7" in allowed_hosts("192.168.0.7", ())
    assert "example.org" not in allowed_hosts("192.168.0.7", ())


def test_an_address_that_cannot_be_had_is_one_line() -> None:
    with listen("127.0.0.1", 0) as bound, refused("unavailable", "127.0.0.1", "--port"):
        listen("127.0.0.1", bound.getsockname()[1])
    for port in (-1, 65536):
        with refused("out_of_range", port, 65535):
            listen("127.0.0.1", port)
    with refused("unavailable", "no.such.name.invalid"):
        listen("no.such.name.invalid", 0)
