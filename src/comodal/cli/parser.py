"""The command's arguments: parsing only."""

from __future__ import annotations

from typing import Any

from comodal.cli.base_parser import Parser
from comodal.cli.config_file import ConfigFile
from comodal.cli.data_parser import add_data_actions, build_data_parser
from comodal.cli.explain_parser import explain_parser
from comodal.cli.predict_parser import build_export_parser, build_predict_parser
from comodal.cli.report_parser import build_report_parser
from comodal.cli.robustness_parser import build_robustness_parser
from comodal.cli.serve_parser import build_serve_parser
from comodal.contracts import InputError
from comodal.evaluation.grid import WEIGHT_GRID
from comodal.fusion import FUSIONS
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

__all__ = ["build_parser", "pairs", "words"]

_DATA = (
    "`synthetic` (or synthetic:redundant, synthetic:single); `mosi:nested`, `mosi:clean`, ..., found through "
    "COMODAL_MOSI_DIR or ../shared/data/cmu_mosi; or a path"
)
_CONFIG = "preset:NAME for a published setting (docs/models.md), or a YAML file with any of the options"


def words(text: str) -> tuple[str, ...]:
    """Comma-separated names.

    Example:
        >>> words("early, lfn")
        ('early', 'lfn')
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str) -> dict[str, str]:
    """Comma-separated ``key=value``.

    Example:
        >>> pairs("text=text_minilm,audio=audio")
        {'text': 'text_minilm', 'audio': 'audio'}
    """
    found = [word.split("=", 1) for word in words(text)]
    for item in found:
        if len(item) != 2:
            raise InputError(
                f"{item[0]!r} is no pair: write modality=feature, for example text=text_minilm,audio=audio"
            )
    return {item[0]: item[1] for item in found}


def build_parser(version: str) -> Parser:
    """The whole command."""
    parser = Parser(
        prog="comodal",
        version=version,
        description="Multimodal fusion trained with dependency penalties, compared honestly over many seeds.",
    )
    commands = parser.add_subcommands(required=True, dest="command")
    data = build_data_parser()
    commands.add_subcommand("data", data, help="look into, check, convert and download data sets")
    commands.add_subcommand("train", _train(), help="train one fusion model, with or without a penalty")
    commands.add_subcommand("evaluate", _evaluate(), help="predict and score again with a finished run")
    commands.add_subcommand("estimate", _estimate(), help="estimate the dependency between views in a file")
    commands.add_subcommand(
        "compare", _compare(), help="the main job: every fusion with every measure, over many seeds"
    )
    robustness = build_robustness_parser()
    commands.add_subcommand("robustness", robustness, help="missing and corrupted modalities, over finished runs")
    commands.add_subcommand("report", build_report_parser(), help="one self-contained page about finished runs")
    commands.add_subcommand("serve", build_serve_parser(), help="the report as a live page that asks a model")
    commands.add_subcommand("explain", explain_parser(), help="what the critic says of every utterance, and why")
    commands.add_subcommand("predict", build_predict_parser(), help="predict new utterances, labelled or not")
    commands.add_subcommand("export", build_export_parser(), help="a run as a folder to hand on, ONNX where possible")
    add_data_actions(data)  # jsonargparse takes the levels in order
    return parser


def _train() -> Parser:
    parser = Parser(
        description="Train on every partition of DATA, select the epoch on validation, read the test part once.",
        epilog="Example: comodal train mosi:clean --fusion lfn --penalty.measure kl --out runs/lfn-kl",
    )
    _add_data(parser)
    parser.add_argument("--out", required=True, help="run folder; a half run found there is resumed, never overwritten")
    parser.add_argument("--config", action=ConfigFile, help=f"{_CONFIG} below")
    parser.add_class_arguments(RunConfig)
    parser.add_argument("--logger", default="csv", help="csv, tensorboard, mlflow or wandb")
    parser.add_argument(
        "--progress", default="auto", choices=["auto", "yes", "no"], help="progress bar; auto: in a terminal"
    )
    _add_common(parser)
    return parser


def _evaluate() -> Parser:
    parser = Parser(
        description="Predict with the weights a run selected, and score with 95 % intervals over videos.",
        epilog="Example: comodal evaluate runs/lfn-kl --split valid --json",
    )
    parser.add_argument("run", help="folder that `comodal train` wrote")
    parser.add_argument("--split", default="test", choices=["train", "valid", "test"], help="which part")
    parser.add_argument("--data", help="other data with the same modalities")
    parser.add_argument("--predictions", help="also write the predictions to this Parquet file")
    _add_common(parser)
    return parser


def _estimate() -> Parser:
    parser = Parser(
        description=(
            "Fit a critic on one half of the samples and report the dependency between the views on all of the "
            "other half."
        ),
        epilog="Example: comodal estimate views.npz --views a,b,c --measure kl --json",
    )
    parser.add_argument("file", help="npz file with one array (samples, features) a view")
    parser.add_argument("--views", help="names of the arrays, comma-separated; all of them when not given")
    parser.add_argument("--measure", default="kl", help="kl, f, wasserstein, jensen_shannon, ...")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split, the critic and the pairings")
    _add_common(parser)
    return parser


def _compare() -> Parser:
    parser = Parser(
        description=(
            "Train every fusion with every measure over many seeds and compare each with no penalty. Arms of one "
            "seed share initial weights, batches and dropout masks. Weights are chosen on validation with seeds that "
            "are not reported; the test part is read once; intervals cover seeds and videos; p-values carry Holm's "
            "correction."
        ),
        epilog="Example: comodal compare mosi:nested --fusion early,lfn --measures none,kl --seeds 32 --out runs/c",
    )
    _add_data(parser)
    parser.add_argument(
        "--out", required=True, help="folder of the comparison; interrupted, the same command resumes it"
    )
    parser.add_argument("--fusion", default="early", help=f"comma-separated: {', '.join(FUSIONS)}")
    parser.add_argument(
        "--measures",
        default="none,kl,f,wasserstein",
        help="comma-separated; `placebo` is no penalty, other random streams",
    )
    parser.add_argument("--weight", default="auto", help="auto, one number, or pairs such as kl=0.3,f=1")
    parser.add_argument("--weight-grid", default=",".join(f"{w:g}" for w in WEIGHT_GRID), help="what auto chooses from")
    parser.add_argument("--seeds", type=int, default=32, help="reported seeds; may grow later")
    parser.add_argument("--selection-seeds", type=int, default=8, help="seeds that choose weights; never reported")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--replicate", action="store_true", help="repeat on as many fresh seeds and print both")
    parser.add_argument("--no-weights", action="store_true", help="do not keep the weights of every run")
    parser.add_argument("--config", action=ConfigFile, help=f"{_CONFIG} here")
    parser.add_argument("--preset", default="", help="published setting that `--config preset:NAME` has set")
    parser.add_argument("--fusion_config", type=dict[str, Any], default={}, help="options of the architectures")
    parser.add_argument(
        "--fusion_training",
        type=dict[str, dict[str, Any]],
        default={},
        help="architecture to options of the optimisation that are its own",
    )
    parser.add_class_arguments(PenaltyConfig, "penalty", skip={"measure", "weight"})
    parser.add_class_arguments(TrainingConfig, "training")
    _add_common(parser)
    return parser


def _add_data(parser: Parser) -> None:
    parser.add_argument("data", help=_DATA)
    parser.add_argument("--protocol", help="which partition, where the data offer several; the first when not given")
    parser.add_argument("--features", help="modality=feature pairs, for example text=text_minilm,audio=audio")
    parser.add_argument(
        "--clean", action="store_true", help="replace what is not finite by a stated rule, and report it"
    )


def _add_common(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON on standard output and nothing else there")
