"""The table of predictions on new samples that `comodal predict` writes.

Axis legend: N samples, K folds.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError

__all__ = ["Predictions", "require_new_table"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a model for samples with or without labels.

    Attributes:
        id: ``(N,)`` as the source has them.
        prediction: ``(N,)`` mean over the folds; of classes, the name of the most probable one, or of the labels that
            are more probable than not, joined by ``+``. ``(N, K)`` for several outputs.
        prediction_std: ``(N,)`` sample standard deviation over the folds, of classes that of the probability of the
            predicted one; NaN where there is one fold.
        critic_score: ``(N,)`` the critic's score of the joint sample, mean over the folds: it ranks the samples of
            one table and has no unit. NaN without a critic, or where a modality is absent.
        target: ``(N,)`` labels, NaN or empty where the source has none.
        modalities: ``(N,)`` the modalities of the sample, joined by ``+``.
        folds: ``(N, F)`` the prediction of every fold, ``(N, F, K)`` for several outputs; not part of the files.
        probability: name of each class or label to ``(N,)``, empty for a regression.
        notes: for the reader, for example on a modality left out; not part of the files.
    """

    id: NDArray[Any]
    prediction: NDArray[np.float32]
    prediction_std: NDArray[np.float32]
    critic_score: NDArray[np.float32]
    target: NDArray[np.float32]
    modalities: NDArray[Any]
    folds: NDArray[np.float32]
    probability: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> dict[str, list[Any]]:
        """Return name to plain values, ``None`` for unknown ones.

        Example:
            >>> one = np.array([0.5], dtype=np.float32)
            >>> unknown = np.full(1, np.nan, dtype=np.float32)
            >>> table = Predictions(np.array(["a"]), one, unknown, unknown, one, np.array(["text"]), one[:, None])
            >>> table.columns()["prediction_std"], table.columns()["target"]
            ([None], [0.5])
        """
        names = [each.name for each in fields(self) if each.name not in {"folds", "notes", "probability"}]
        columns = {name: getattr(self, name) for name in names}
        columns |= {f"probability:{name}": values for name, values in self.probability.items()}
        return {name: [_plain(value) for value in values.tolist()] for name, values in columns.items()}

    def write(self, path: str | Path, *, force: bool = False) -> None:
        """Write CSV, JSON (a list of objects) or Parquet by the suffix of the name; unknown values are empty.

        Raises:
            InputError: an unknown suffix, or the file exists and ``force`` is not given.
        """
        file = require_new_table(path, force=force)
        write_atomic(file, lambda partial: _WRITERS[file.suffix.lower()](self.columns(), partial))


def require_new_table(path: str | Path, *, force: bool = False) -> Path:
    """Check that a table may be written, before its predictions are computed."""
    file = Path(path)
    if file.suffix.lower() not in _WRITERS:
        raise InputError(f"{file}: end the name in .csv, .json or .parquet", code="unsupported")
    if file.exists() and not force:
        raise InputError(f"{file}: exists already; give another name, or --force to overwrite it", code="exists")
    return file


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        each = [_plain(each) for each in value]
        return each if any(plain is not None for plain in each) else None
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write_csv(columns: dict[str, list[Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_json(columns: dict[str, list[Any]], path: Path) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_parquet(columns: dict[str, list[Any]], path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
    import pyarrow.parquet as pq  # noqa: PLC0415

    arrays = {
        name: pa.array(
            column, type=pa.float32() if all(each is None or isinstance(each, float) for each in column) else None
        )
        for name, column in columns.items()
    }
    pq.write_table(pa.table(arrays), path)


_WRITERS: dict[str, Callable[[dict[str, list[Any]], Path], None]] = {
    ".csv": _write_csv,
    ".json": _write_json,
    ".parquet": _write_parquet,
}
