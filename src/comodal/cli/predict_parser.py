"""The arguments of `comodal predict` and `comodal export`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser
from comodal.data.dataset import SPLITS

__all__ = ["build_export_parser", "build_predict_parser"]

_RUN = "folder of `comodal train` or `comodal compare`"


def build_predict_parser() -> Parser:
    """`comodal predict`."""
    parser = Parser(
        description=(
            "Predict every utterance of INPUT, with or without labels and splits, with the modalities that are there. "
            "Features are standardised with the statistics of the model's own training part. Where the model has "
            "several folds each predicts, and the prediction is their mean."
        ),
        epilog="Example: comodal predict runs/lfn-kl new_utterances/ -o predictions.csv",
    )
    parser.add_argument("model", help=f"{_RUN}, or an exported model")
    parser.add_argument("input", help="any source that can be trained on, a table without labels, or an .npz of arrays")
    parser.add_argument("-o", "--out", required=True, help="predictions to write: .csv, .json or .parquet")
    _add_choice(parser)
    parser.add_argument("--split", choices=list(SPLITS), help="one part of INPUT; every utterance when not given")
    parser.add_argument("--protocol", help="which partition of INPUT, where it offers several")
    parser.add_argument("--features", help="modality=feature pairs, for example text=text_minilm,audio=audio")
    parser.add_argument(
        "--clean", action="store_true", help="replace what is not finite by its mean over the training part"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON and nothing else")
    return parser


def build_export_parser() -> Parser:
    """`comodal export`."""
    parser = Parser(
        description=(
            "Write a run as a folder to hand on: safetensors weights and statistics of every fold, the configuration, "
            "and a model card. `comodal predict` and comodal.load_model take that folder."
        ),
        epilog="Example: comodal export runs/nested lfn-kl --arm lfn/kl --seed 0 --onnx",
    )
    parser.add_argument("run", help=_RUN)
    parser.add_argument("folder", help="what to make")
    _add_choice(parser)
    parser.add_argument("--onnx", action="store_true", help="also model.onnx, checked against PyTorch to 1e-4")
    parser.add_argument("--force", action="store_true", help="replace a model that was exported there before")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON and nothing else")
    return parser


def _add_choice(parser: Parser) -> None:
    parser.add_argument("--arm", default="", help="fusion/measure of a comparison, for example early/kl")
    parser.add_argument("--seed", type=int, help="which run of that arm; its first when not given")
