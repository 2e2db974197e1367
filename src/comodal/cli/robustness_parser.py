"""The arguments of `comodal robustness`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser
from comodal.evaluation.scenarios import CHOICES, SEVERITIES
from comodal.metrics import DEFAULT_METRICS

__all__ = ["build_robustness_parser"]


def build_robustness_parser() -> Parser:
    """`comodal robustness`."""
    parser = Parser(
        description=(
            "Evaluate finished runs with modalities missing and corrupted: every subset of them, and curves over the "
            "severity of each corruption. All runs see the same corrupted utterances. Over a comparison each penalty "
            "is compared with none in the same scenario; intervals cover seeds and videos, p-values carry Holm's "
            "correction."
        ),
        epilog="Example: comodal robustness runs/c --scenarios subsets --jobs 2",
    )
    parser.add_argument("run", help="folder that `comodal train` or `comodal compare` wrote")
    parser.add_argument("--scenarios", default="all", choices=list(CHOICES), help="what is done to the test part")
    parser.add_argument(
        "--severities", default=",".join(f"{s:g}" for s in SEVERITIES), help="points of every curve, from 0 to 1"
    )
    parser.add_argument("--kinds", help="of corruption, comma-separated: drop, frames, noise, swap, shift, words")
    parser.add_argument("--modalities", help="which are corrupted, comma-separated; all when not given")
    parser.add_argument("--metrics", default=",".join(DEFAULT_METRICS), help="comma-separated")
    parser.add_argument("--replication", action="store_true", help="the runs of a comparison on fresh seeds")
    parser.add_argument("--data", help="where the data are now, if no longer where they were")
    parser.add_argument("--out", help="folder to write; `robustness` in the folder of the runs when not given")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument(
        "--force", action="store_true", help="replace a table that is there; predictions of the same weights are reused"
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output and nothing else there")
    return parser
