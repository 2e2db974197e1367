"""The arguments of `comodal explain`."""

from __future__ import annotations

from comodal.cli.base_parser import Parser

__all__ = ["explain_parser"]


def explain_parser() -> Parser:
    """Arguments of `comodal explain`."""
    parser = Parser(
        description=(
            "What the critic says of every test utterance: pointwise dependency and its percentile, which modality "
            "disagrees, what the prediction loses without each modality, and what moved it. Every utterance is "
            "explained by the model that was not trained on it."
        ),
        epilog="Example: comodal explain runs/c --arm early/kl --seed 0",
    )
    parser.add_argument("run", nargs="?", help="folder that `comodal train` or `comodal compare` wrote")
    parser.add_argument("--representations", help="npz file of another model's representations, instead of a run")
    parser.add_argument("--arm", default="", help="fusion/measure of a comparison; the first with a penalty by default")
    parser.add_argument("--seed", type=int, help="seed of the run; the lowest by default")
    parser.add_argument("--data", help="other data with the same modalities")
    parser.add_argument("--fit-critic", default="", help="measure of a critic to fit now: kl, f, wasserstein, ...")
    parser.add_argument("--donors", type=int, default=200, help="most utterances a modality is taken from")
    parser.add_argument(
        "--attributions", type=int, default=100, help="attributions for so many of each rank list; 0 for none"
    )
    parser.add_argument("--map", default="pca", help="pca, or umap where umap-learn is installed")
    parser.add_argument("--save-representations", help="write the representations to this npz file, and stop")
    parser.add_argument("--validate", action="store_true", help="also test how well the critic finds broken pairs")
    parser.add_argument("--share", type=float, default=0.5, help="with --validate: share of utterances that are broken")
    parser.add_argument("--repetitions", type=int, default=20, help="with --validate: how often they are drawn")
    parser.add_argument("--out", help="folder to write; below the run by default")
    parser.add_argument("--force", action="store_true", help="replace an explanation that is there")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output and nothing else there")
    return parser
