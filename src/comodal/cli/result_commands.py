"""`comodal evaluate`, `robustness`, `report` and `serve`: subcommands about finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from comodal.atomic_write import write_atomic, write_text
from comodal.cli.comma_lists import metrics_of, names_of, numbers_of
from comodal.cli.options import Force, Jobs, Json, Metrics, MovedData, PenalisedArm, Run, Seed, Split
from comodal.cli.screen import one_thread, print_json, progress_bars, wide_console
from comodal.contracts.errors import InputError

if TYPE_CHECKING:
    from comodal.contracts import Findings
    from comodal.evaluation.experiment import RunReport
    from comodal.reports.page.cards import Card

__all__ = ["evaluate", "print_report", "report", "robustness", "serve"]


def evaluate(
    run: Run,
    *,
    split: Annotated[Split, "part of the data"] = "test",
    metrics: Metrics = None,
    data: MovedData = None,
    predictions: Annotated[str | None, "also write the predictions to this Parquet file"] = None,
    json: Json = False,
) -> None:
    """Predict and score again with a finished run.

    The weights that the run selected predict one part of the data; scores have 95 % intervals over groups.

    Example: comodal evaluate runs/lfn-kl --split valid --json
    """
    from comodal.evaluation import experiment

    one_thread()
    found = experiment.evaluate(run, split=split, metrics=metrics_of(metrics), source=data)
    if predictions:
        write_atomic(Path(predictions), found.predictions.to_parquet)
    print_report(found, as_json=json)


def print_report(found: RunReport, *, as_json: bool) -> None:
    """Print the metrics of a run as JSON or as a table."""
    references = found.metrics.get("references", {})
    if as_json:
        compared = {"no_better_than": found.no_better_than} if references else {}
        print_json({"folder": str(found.folder), **found.metrics, **compared})
        return
    from rich.console import Console
    from rich.table import Table

    simple = ("constant", "linear") if references else ()
    table = Table("metric", "value", "95 % interval over groups", *simple, title=str(found.folder))
    for name, value in found.metrics.items():
        if isinstance(value, dict) and name != "references":
            interval = f"[{_shown(value['ci_low'])}, {_shown(value['ci_high'])}]"
            table.add_row(name, _shown(value["value"]), interval, *(_shown(references[s].get(name)) for s in simple))
        elif name != "references" and value not in ("", [0]):  # no note, no unlabelled samples
            table.add_row(name, _shown(value) if isinstance(value, float) else str(value))
    Console().print(table, markup=False)
    if references:
        _print_references(found)


def _print_references(found: RunReport) -> None:
    samples, metric = found.metrics["references"]["samples"], next(iter(found.metrics))
    print(f"constant, linear: simple reference models, fitted on {', '.join(map(str, samples))} labelled samples.")
    for name in found.no_better_than:
        print(f"The model is no better than the {name} reference in {metric}.")


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def robustness(
    run: Run,
    *,
    scenarios: Annotated[
        Literal["all", "subsets", "curves"], "subsets of the modalities, curves over severities, or all"
    ] = "all",
    severities: Annotated[str, "points of every curve, from 0 to 1, comma-separated"] = "0,0.25,0.5,0.75,1",
    kinds: Annotated[str | None, "corruptions, comma-separated: drop, frames, noise, swap, shift, words"] = None,
    modalities: Annotated[str | None, "modalities to corrupt, comma-separated; all by default"] = None,
    metrics: Metrics = None,
    replication: Annotated[bool, "evaluate the fresh seeds of `comodal compare --replicate`"] = False,
    data: MovedData = None,
    out: Annotated[str | None, "folder to write; `robustness` in the folder of the runs by default"] = None,
    jobs: Jobs = 1,
    force: Force = False,
    json: Json = False,
) -> None:
    """Evaluate finished runs with modalities missing or corrupted.

    Scenarios are all subsets of the modalities, and curves over the severity of each corruption. All runs see the same
    corrupted samples. In a comparison each penalty is compared with no penalty in the same scenario; intervals cover
    seeds and groups, p-values are corrected by Holm's method.

    Example: comodal robustness runs/c --scenarios subsets --jobs 2
    """
    from comodal.contracts.json_records import json_text
    from comodal.evaluation import robustness as evaluation
    from comodal.reports.robustness_report import ROWS, print_robustness, write_robustness

    config = evaluation.RobustnessConfig(
        scenarios=scenarios,
        severities=numbers_of(severities, option="--severities"),
        kinds=names_of(kinds) if kinds else None,
        modalities=names_of(modalities) if modalities else None,
        metrics=metrics_of(metrics),
    )
    folder = Path(out) if out else Path(run, "robustness", "replication" if replication else "")
    if (folder / ROWS).exists() and not force:
        message = f"{folder / ROWS}: exists already; give --force to replace it, or another --out"
        raise InputError(message, code="exists")
    with progress_bars() as stage:
        rows = evaluation.robustness(
            run, config, out=folder, source=data, replication=replication, jobs=jobs, progress=stage
        )
    title = f"comodal robustness {run}" + (": fresh seeds" if replication else "")
    written = write_robustness(rows, folder, metrics=config.metrics, title=title)
    if json:
        print(json_text(rows), end="")
        return
    print_robustness(rows, metrics=config.metrics, title=title, console=wide_console())
    print(f"Written: {', '.join(map(str, written.values()))}")


def report(
    *folders: Run,
    out: Annotated[str, "file of the page"] = "report.html",
    figures: Annotated[str | None, "also write every figure into this folder, for papers"] = None,
    formats: Annotated[str, "formats of these figures, comma-separated: svg, pdf, png"] = "svg,pdf,png",
    metrics: Annotated[
        str | None, "metrics of the tables, comma-separated, the leading one first; all by default"
    ] = None,
    data: MovedData = None,
    force: Force = False,
) -> None:
    """Write one self-contained HTML page about finished runs.

    The page shows what was run, the comparison, training, robustness and explanation, as far as they were computed. It
    opens from disk and needs no network. For a study of label budgets it shows the metric against the budget, and links
    to a page for each budget, written beside it.

    Example: comodal report runs/nested -o report.html --figures figures --formats svg,pdf
    """
    from comodal.evaluation.gather import gather
    from comodal.evaluation.label_budgets import budget_folders
    from comodal.reports.page import render_page, write_figures
    from comodal.reports.page.glance import missing_parts

    file = Path(out)
    if file.is_dir():
        raise InputError(f"{file}: is a folder; give the page a name (-o report.html)", code="exists")
    studied = budget_folders(folders[0]) if len(folders) == 1 else {}
    pages = {budget: file.with_name(f"{file.stem}-{each.name}{file.suffix}") for budget, each in studied.items()}
    for each in (file, *pages.values()):
        if each.exists() and not force:
            raise InputError(f"{each}: exists; give another name (-o), or --force to overwrite it", code="exists")
    if studied:
        found = {budget: gather(folder, source=data, metrics=metrics_of(metrics)) for budget, folder in studied.items()}
        drawn: Findings | dict[str, Card] = _write_study(
            found, pages, file, title=f"comodal compare {Path(folders[0]).resolve().name}"
        )
    else:
        findings = gather(*folders, source=data, metrics=metrics_of(metrics))
        write_text(file, render_page(findings))
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
        for part, command in missing_parts(findings).items():
            print(f"  without {part}: {command}")
        drawn = findings
    if figures:
        written = write_figures(drawn, figures, names_of(formats), force=force)
        print(f"{figures}: {len(written)} files")


def _write_study(found: dict[int, Findings], pages: dict[int, Path], file: Path, *, title: str) -> dict[str, Card]:
    """Write the page of a study of label budgets, and beside it that of every budget; return its figures."""
    from comodal.evaluation.label_budgets import budget_rows
    from comodal.reports.label_budget_report import efficiency_cards, render_budgets
    from comodal.reports.page import render_page

    rows, fresh = budget_rows(found), budget_rows(found, replication=True)
    for budget, page in pages.items():
        write_text(page, render_page(found[budget]))
    links = {budget: page.name for budget, page in pages.items()}
    write_text(file, render_budgets(rows, links, fresh=fresh, title=title))
    for each in (file, *pages.values()):
        print(f"{each}: {each.stat().st_size / 1e6:.1f} MB")
    return efficiency_cards(rows, fresh)


def serve(
    folder: Run,
    *,
    arm: PenalisedArm = "",
    seed: Seed = None,
    fit_critic: Annotated[str, "measure of a critic to fit now, for a run without one, for example kl"] = "",
    host: Annotated[str, "address to listen on; everybody who can reach it can use it"] = "127.0.0.1",
    port: Annotated[int, "port to listen on; 0 for any free one"] = 8000,
    allow: Annotated[str, "further allowed host names, comma-separated"] = "",
    data: MovedData = None,
) -> None:
    """Serve the report as a live page that queries a model.

    The page has a panel to switch a modality off, exchange it or add noise, and shows the new prediction. Only this
    machine can open it unless --host says otherwise.

    Example: comodal serve runs/nested --arm early/kl --seed 0
    """
    from comodal.serve import start

    one_thread()
    start.serve(
        folder,
        arm=arm,
        seed=seed,
        fit_critic=fit_critic,
        host=host,
        port=port,
        allowed=names_of(allow),
        source=data,
        announce=lambda address: print(f"{address}  (Ctrl-C ends)", flush=True),
    )
