"""Package a trained run for sharing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comodal.atomic_write import atomic_folder, write_text
from comodal.contracts import InputError
from comodal.contracts.json_records import read_json
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.evaluation.fitted import STANDARDIZER
from comodal.evaluation.predictor import Predictor, predictor_of
from comodal.evaluation.runs import SUMMARY, SavedRun
from comodal.evaluation.saved_model import (
    BACKBONE,
    EXPORTED_WEIGHTS,
    KIND,
    MODEL_FILE,
    SavedModel,
    SavedPart,
    find_model,
    is_exported,
    only_run,
)
from comodal.evaluation.score import score
from comodal.export.model_card import CardFacts, model_card
from comodal.export.onnx_file import write_onnx
from comodal.training.run_folder import ENVIRONMENT, METRICS

__all__ = ["Exported", "export_model"]

_ONNX = "model.onnx"
_CARD = "README.md"


@dataclass(frozen=True)
class Exported:
    """An exported model: its folder, and the files in it."""

    folder: Path
    files: tuple[str, ...]
    onnx_difference: float | None  # largest difference of the ONNX file from PyTorch, None without one


def export_model(
    run: str | Path, out: str | Path, *, arm: str = "", seed: int | None = None, onnx: bool = False, force: bool = False
) -> Exported:
    """Write a run as a folder of safetensors weights, statistics, configuration and a model card.

    An interrupted export leaves no folder.

    Args:
        run: folder that `comodal train` or `comodal compare` wrote.
        out: folder to write.
        arm: which of a comparison, for example ``"early/kl"``.
        seed: which run of that arm, its first when not given.
        onnx: also write ``model.onnx``.
        force: replace a model that was exported to ``out`` before; any other folder is never touched.

    Raises:
        InputError: no such run, ``out`` exists, or the model cannot be exported to ONNX.
    """
    source, target = Path(run), Path(out)
    if is_exported(source):
        raise InputError(
            f"{source}: is an exported model; copy it, or export the run it was made from", code="conflict"
        )
    _refuse(target, force=force)
    chosen = only_run(source, arm=arm, seed=seed)
    saved = find_model(source, arm=arm, seed=seed)
    predictor = predictor_of(saved)
    facts = _facts(saved, target, chosen, predictor, onnx=onnx)
    with _new_folder(target) as folder:
        difference = write_onnx(predictor, folder / _ONNX) if onnx else None
        kept = [_write_part(part, folder, f"fold-{k}") for k, part in enumerate(saved.parts)]
        described = {
            "kind": KIND,
            "version": 1,
            "data": {**saved.data, "source": facts.source},
            "task": saved.task.to_dict(),
            "dims": dict(facts.dims),
            "metrics": facts.metrics,
            "note": facts.note,
            "versions": dict(facts.versions),
            "onnx_difference": difference,
            "folds": kept,
        }
        write_text(folder / MODEL_FILE, json.dumps(described, indent=2, allow_nan=False) + "\n")
        write_text(folder / _CARD, model_card(facts))
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return Exported(target, tuple(files), difference)


def _refuse(target: Path, *, force: bool) -> None:
    if not target.exists():
        return
    if not force:
        message = f"{target}: exists already; give another folder, or --force to replace an exported model"
        raise InputError(message, code="exists")
    if not is_exported(target):
        raise InputError(f"{target}: not an exported model, so not replaced; give another folder", code="exists")


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill that replaces the target at the end."""
    if not target.exists():
        with atomic_folder(target) as folder:
            yield folder
        return
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with atomic_folder(fresh) as folder:
        yield folder
    shutil.rmtree(target)
    fresh.rename(target)


def _write_part(part: SavedPart, folder: Path, name: str) -> dict[str, Any]:
    (folder / name).mkdir()
    shutil.copyfile(part.weights, folder / name / EXPORTED_WEIGHTS)
    shutil.copyfile(part.standardizer, folder / name / STANDARDIZER)
    config = part.config.to_dict()
    backbone = str(config["fusion_config"].get("backbone", ""))
    if backbone and Path(backbone).expanduser().is_dir():  # the model cannot be built without its files
        if not (folder / BACKBONE).exists():
            shutil.copytree(Path(backbone).expanduser(), folder / BACKBONE)
        config["fusion_config"]["backbone"] = BACKBONE
    return {"folder": name, "config": config}


def _facts(saved: SavedModel, target: Path, run: SavedRun, predictor: Predictor, *, onnx: bool) -> CardFacts:
    source = saved.folder
    environment = read_json(source / ENVIRONMENT) if (source / ENVIRONMENT).exists() else {}
    return CardFacts(
        name=target.name,
        fusion=run.arm.label,
        measure=run.arm.measure,
        weight=run.weight,
        source=Path(str(saved.data["source"])).name,  # without the folders of the training machine
        seed=run.seed,
        folds=len(predictor.parts),
        dims={name: predictor.dims.get(name, 0) for name in predictor.spec.modalities},
        metrics={name: each.plain() for name, each in score(run.predictions()).items()},
        references=_references(source),
        task=saved.task.kind,
        note=_note(source),
        versions=environment.get("packages", {}),
        onnx=onnx,
    )


def _note(source: Path) -> str:
    """Return the note on the data: from the metrics of a run, or common to all rows of a comparison's summary."""
    if (source / METRICS).exists():
        return str(read_json(source / METRICS).get("note", ""))
    rows = read_json(source / SUMMARY) if (source / SUMMARY).exists() else []
    notes = [row["note"].split("; ") for row in rows]
    return "; ".join(part for part in notes[0] if all(part in note for note in notes)) if notes else ""


def _references(source: Path) -> dict[str, dict[str, float]]:
    """Return the metrics of the reference models: from those of a run, or from a comparison's summary."""
    if (source / METRICS).exists():
        known = read_json(source / METRICS).get("references", {})
        return {name: known[name] for name in REFERENCE_NAMES if name in known}
    found: dict[str, dict[str, float]] = {}
    for row in read_json(source / SUMMARY) if (source / SUMMARY).exists() else ():
        if row.get("fusion") in REFERENCE_NAMES:
            found.setdefault(row["fusion"], {})[row["metric"]] = row["mean"]
    return found
