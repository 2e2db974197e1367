from __future__ import annotations

import pytest

from comodal.cli.parser import build_parser, pairs, words
from comodal.contracts import InputError


def test_words_and_pairs_forgive_spaces_and_empty_parts() -> None:
    assert words(" early, lfn ,,") == ("early", "lfn")
    assert words("") == ()
    assert pairs("text=a=b, audio=c") == {"text": "a=b", "audio": "c"}
    with pytest.raises(InputError, match="'audio' is no pair: write modality=feature"):
        pairs("text=a,audio")


def test_defaults_of_the_main_job_are_those_of_the_issue() -> None:
    parser = build_parser("0")
    options = parser.parse_args(["compare", "synthetic", "--out", "x"]).compare
    assert options.measures == "none,kl,f,wasserstein"
    assert (options.weight, options.seeds, options.jobs, options.replicate) == ("auto", 32, 1, False)


def test_an_unknown_option_offers_the_nearest_of_its_command() -> None:
    with pytest.raises(InputError, match=r"did you mean --selection-seeds\?.*comodal compare --help"):
        build_parser("0").parse_args(["compare", "synthetic", "--out", "x", "--selecton-seeds", "3"])
    with pytest.raises(InputError, match="unrecognized arguments: --zzzz") as raised:
        build_parser("0").parse_args(["compare", "synthetic", "--out", "x", "--zzzz", "3"])
    assert "did you mean" not in str(raised.value)
