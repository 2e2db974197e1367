"""The fuzzing job itself: it sees whatever a reader may do wrong, goes on behind it, and can be replayed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from format_samples import FORMAT_SAMPLES
from fuzz_worker import Sample
from fuzzing import WORKER, campaign, report
from mutations import KINDS, mutated

pytestmark = pytest.mark.slow


def test_a_reader_that_goes_wrong_in_every_way_is_reported(tmp_path):
    outcomes = campaign("lmf", range(13), folder=tmp_path, reader="broken_readers:misbehave", patience=8.0)
    verdicts = [each.verdict for each in outcomes]
    assert verdicts == [
        *("hung for 8 s", "killed by signal 11", "memory"),
        *("raised ValueError", "raised RuntimeWarning", "raised MemoryError", "memory"),
        *("refused badly", "refused badly", "refused badly"),
        *("read", "read", "read"),
    ]
    told = report("lmf", outcomes)
    assert "lmf, case 1 (a replay tells the file): killed by signal 11" in told
    assert "raised ValueError: no such key" in told
    assert "replay: python tests/support/fuzz_worker.py lmf 3 4 FOLDER" in told
    assert len(told.splitlines()) >= 2 * 10


def test_what_was_cut_and_is_read_as_something_else_is_a_wrong_result(tmp_path):
    outcomes = campaign("lmf", range(len(KINDS)), folder=tmp_path, reader="broken_readers:misread")
    wrong = {each.kind for each in outcomes if each.verdict == "read something else"}
    assert wrong == {"cut", "emptied"}
    assert {each.verdict for each in outcomes if each.kind not in wrong} == {"read"}


def test_too_many_faults_end_a_campaign(tmp_path, monkeypatch):
    monkeypatch.setattr("fuzzing._MOST_FAULTS", 1)
    outcomes = campaign("lmf", range(1, 9), folder=tmp_path, reader="broken_readers:misbehave")
    assert [each.verdict for each in outcomes] == ["killed by signal 11", "memory"]


def test_a_case_can_be_replayed_and_leaves_its_files(tmp_path):
    command = [sys.executable, str(WORKER), "lmf", "2", "3", str(tmp_path / "replay")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '["done", 2, "flipped"' in done.stdout
    (write,) = FORMAT_SAMPLES["lmf"]
    sample = Sample(write, tmp_path / "sample")
    left = (tmp_path / "replay" / "2" / "files" / "vision_data.pkl").read_bytes()
    assert (
        left == mutated(sample.files, [b"other"], "lmf", 2).files["vision_data.pkl"] != sample.files["vision_data.pkl"]
    )


def test_damage_is_drawn_from_its_seed_and_damages():
    files, foreign = {"a": bytes(range(200)), "b": b"12 of 345"}, [b"x" * 50]
    first, again = ([mutated(files, foreign, "a", case) for case in range(240)] for _ in range(2))
    assert first == again
    assert [each.kind for each in first[:12]] == list(KINDS)
    assert sum(each.files != files for each in first) > 220
    assert first != [mutated(files, foreign, "b", case) for case in range(240)]
