"""The arguments of `comodal serve`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser

__all__ = ["build_serve_parser"]


def build_serve_parser() -> Parser:
    """`comodal serve`."""
    parser = Parser(
        description=(
            "The report as a live page: switch a modality off, exchange it or add noise, and see what changes. Only "
            "this machine can open it unless --host says otherwise."
        ),
        epilog="Example: comodal serve runs/nested --arm early/kl --seed 0",
    )
    parser.add_argument("folder", help="folder of `comodal train` or `comodal compare`, with weights")
    parser.add_argument("--arm", default="", help="fusion/measure whose model answers; the first with a penalty")
    parser.add_argument("--seed", type=int, help="of the run whose model answers; the arm's first when not given")
    parser.add_argument("--fit-critic", default="", help="fit a critic of this measure now, for a run without one: kl")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; anyone who reaches it may use it")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free")
    parser.add_argument("--allow", default="", help="further names the page is reached under, comma-separated")
    parser.add_argument("--data", help="where the data are now, if no longer where they were")
    return parser
