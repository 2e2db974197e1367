"""Explanations travel through a file unchanged, and name the modality that disagrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import refused

from comodal.contracts import ExplanationTable


def table(**changed: Any) -> ExplanationTable:
    columns: dict[str, Any] = {
        "id": np.array(["a[0]", "b[1]", "ج"]),
        "group": np.array(["a", "b", "c"]),
        "target": np.array([1.0, -2.0, 0.0], np.float32),
        "prediction": np.array([0.5, -1.0, 0.25], np.float32),
        "dependency": np.array([0.3, -0.2, 1.5], np.float32),
        "percentile": np.array([50.0, 0.0, 100.0]),
        "transcript": np.array(["<script>alert(1)</script>", "", "مرحبا 世界"]),
        "map_x": np.array([0.0, 1.0, 2.0]),
        "map_y": np.array([0.0, -1.0, 2.0]),
        "swapped": {"text": np.array([0.1, -3.0, 0.0]), "audio": np.array([0.2, -4.0, -1.0])},
        "without": {"text": np.array([0.0, 0.1, 0.2]), "audio": np.array([0.3, 0.4, 0.5])},
        "facts": {"unit": "nats", "seed": 3, "map": "PCA, 61 % of the variance"},
    }
    return ExplanationTable(**{**columns, **changed})


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    given = table()
    given.to_parquet(tmp_path / "explanation.parquet")
    read = ExplanationTable.from_parquet(tmp_path / "explanation.parquet")
    assert read.facts == given.facts
    assert read.modalities == ("text", "audio")
    assert list(read.columns()) == list(given.columns())
    for name, column in given.columns().items():
        np.testing.assert_array_equal(read.columns()[name], column)


def test_the_disagreeing_modality_is_the_one_whose_exchange_costs_least() -> None:
    assert table().disagreeing.tolist() == ["audio", "text", "text"]
    swapped = {"text": np.array([0.3, -3.0, 0.0]), "audio": np.array([0.2, -4.0, 1.0])}
    assert table(swapped=swapped).disagreeing.tolist() == ["text", "text", "audio"]


@pytest.mark.parametrize("changed", [{"swapped": {}}, {"dependency": np.full(3, np.nan)}])
def test_without_a_critic_nothing_disagrees(changed: dict[str, Any]) -> None:
    assert table(**changed).disagreeing.tolist() == ["", "", ""]


@pytest.mark.parametrize("changed", [{"id": np.array(["a"])}, {"without": {"text": np.zeros(2)}}])
def test_columns_of_other_lengths_are_refused(changed: dict[str, Any]) -> None:
    with refused("mismatch", "id"):
        table(**changed)


def test_a_damaged_explanation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "explanation.parquet"
    with refused("missing", path):
        ExplanationTable.from_parquet(path)
    path.write_bytes(b"PAR1 is not enough")
    with refused("damaged", path):
        ExplanationTable.from_parquet(path)
    pq.write_table(pa.table({"id": ["a"]}), path)
    with refused("missing", path, "dependency", "comodal explain"):
        ExplanationTable.from_parquet(path)
