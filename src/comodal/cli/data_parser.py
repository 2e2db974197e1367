"""The arguments of `comodal data`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser

__all__ = ["add_data_actions", "build_data_parser"]

_SOURCE = "file or folder of any format that is known (see docs/formats.md), `mosi`, or a converted data set"


def build_data_parser() -> Parser:
    """`comodal data`, to which :func:`add_data_actions` adds what it does."""
    return Parser(description="Look into data files, check them, convert them once, or fetch them.")


def add_data_actions(parser: Parser) -> None:
    """The actions; the parser must be part of the command by then."""
    actions = parser.add_subcommands(required=True, dest="action")
    actions.add_subcommand("inspect", _inspect(), help="what a source is and holds")
    actions.add_subcommand("validate", _validate(), help="every check at once; status 1 when something is wrong")
    actions.add_subcommand("convert", _convert(), help="to a folder of Arrow files that opens at once")
    actions.add_subcommand("download", _download(), help="fetch CMU-MOSI or CMU-MOSEI from its public locations")


def _inspect() -> Parser:
    parser = Parser(
        description="What a source is: format, features, splits, lengths, labels, and what would be cleaned.",
        epilog="Example: comodal data inspect mosei_senti_data.pkl",
    )
    parser.add_argument("source", help=_SOURCE)
    _add_folds(parser)
    _add_json(parser)
    return parser


def _validate() -> Parser:
    parser = Parser(
        description=(
            "Every check over a source: ids, labels, features, splits that share a video or a transcript, damage of a "
            "converted data set, and the partition against lists of videos. Exit status 1 when an error is found."
        ),
        epilog="Example: comodal data validate runs/mosi --folds folds.json",
    )
    parser.add_argument("source", help=_SOURCE)
    _add_folds(parser)
    _add_json(parser)
    return parser


def _convert() -> Parser:
    parser = Parser(
        description=(
            "Read a source once, clean it by stated rules, and write a folder that is mapped rather than read. The "
            "folder is there whole at the end or not at all."
        ),
        epilog="Example: comodal data convert unaligned_50.pkl data/mosei",
    )
    parser.add_argument("source", help=_SOURCE)
    parser.add_argument("folder", help="what to make; must not exist")
    parser.add_argument(
        "--encode-text",
        help=(
            "folder or name of a pretrained encoder: its hidden states become features `text_words`, a frame for every "
            "word of the transcripts"
        ),
    )
    _add_folds(parser)
    _add_json(parser)
    return parser


def _download() -> Parser:
    parser = Parser(
        description=(
            "Download the files of a data set from the locations of an editable list. What no location gives is listed "
            "with the command that downloads it by hand."
        ),
        epilog="Example: comodal data download mosi --to data/mosi",
    )
    parser.add_argument("name", help="mosi or mosei, or another name of the list")
    parser.add_argument("--to", required=True, help="folder to put the files in")
    parser.add_argument("--catalog", help="YAML list of locations to use instead of the packaged one")
    _add_json(parser)
    return parser


def _add_folds(parser: Parser) -> None:
    parser.add_argument("--folds", help="lists of videos by split: JSON, or the SDK's Python file (read, never run)")
    parser.add_argument("--folds-key", help="which lists, where the JSON file holds several")


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON on standard output and nothing else there")
