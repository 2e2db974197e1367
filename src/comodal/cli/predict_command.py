"""`comodal predict` and `comodal export`: from parsed options to calls, from their results to the screen."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch

__all__ = ["export_command", "predict_command"]


def predict_command(options: Any) -> None:
    """Predict new utterances and write them as a table."""
    from comodal.cli.parser import pairs
    from comodal.evaluation.predictions import require_new_table
    from comodal.evaluation.predictor import load_model

    torch.set_num_threads(1)  # small models are slower on more
    out = require_new_table(options.out, force=options.force)
    model = load_model(options.model, arm=options.arm, seed=options.seed)
    features = pairs(options.features) if options.features else None
    dataset = model.read(options.input, features=features, protocol=options.protocol, split=options.split)
    found = model.predict(dataset, clean=options.clean)
    found.write(out, force=options.force)
    for note in found.notes:
        print(f"comodal: note: {note}", file=sys.stderr)
    if options.json:
        kinds, counts = np.unique(found.modalities, return_counts=True)
        summary = {
            "file": str(out),
            "utterances": len(found),
            "folds": found.folds.shape[1],
            "modalities": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
            "notes": list(found.notes),
        }
        print(json.dumps(summary, indent=2))
        return
    print(f"Written: {out}, {len(found)} utterances predicted by {found.folds.shape[1]} fold(s)")


def export_command(options: Any) -> None:
    """Write a run as a folder to hand on."""
    from comodal.export.folder import export_model

    torch.set_num_threads(1)
    found = export_model(
        options.run, options.folder, arm=options.arm, seed=options.seed, onnx=options.onnx, force=options.force
    )
    if options.json:
        difference = found.onnx_difference
        print(json.dumps({"folder": str(found.folder), "files": found.files, "onnx_difference": difference}, indent=2))
        return
    print(f"Written: {found.folder}: {', '.join(found.files)}")
    if found.onnx_difference is not None:
        print(f"model.onnx differs from PyTorch by at most {found.onnx_difference:.1e}")
