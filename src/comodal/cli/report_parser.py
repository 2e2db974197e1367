"""The arguments of `comodal report`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser

__all__ = ["build_report_parser"]


def build_report_parser() -> Parser:
    """`comodal report`."""
    parser = Parser(
        description=(
            "One self-contained HTML page about finished runs: what was run, the comparison, training, robustness and "
            "explanation, as far as they were made. It opens from disk and needs no network."
        ),
        epilog="Example: comodal report runs/nested -o report.html --figures figures --formats svg,pdf",
    )
    parser.add_argument("folders", nargs="+", help="folder of `comodal train` or `comodal compare`, or several")
    parser.add_argument("-o", "--out", default="report.html", help="the page")
    parser.add_argument("--figures", help="also write every figure into this folder, for papers")
    parser.add_argument("--formats", default="svg,pdf,png", help="of the figures: svg, pdf, png")
    parser.add_argument("--data", help="where the data are now, if no longer where they were")
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    return parser
