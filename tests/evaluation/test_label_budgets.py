"""A study of label budgets: one comparison per budget, paired and nested by seed, resumed, and shown in one table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from finished_runs import SHORT, two_arms
from refusals import refused

from comodal.cli.result_commands import report
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.data.arrays import from_arrays
from comodal.data.dataset import Dataset
from comodal.evaluation.comparison import Comparison, compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.gather import gather
from comodal.evaluation.label_budgets import budget_folder, budget_folders, budget_rows, compare_budgets
from comodal.reports.label_budget_report import budget_table, print_budgets, write_budgets
from comodal.reports.number_text import notes

CONFIG = two_arms(SHORT)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, Comparison]]:
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataConfig, "load", lambda _: views())
        return folder, compare_budgets(DataConfig(source="views"), CONFIG, budgets=[2, 5, 0], out=folder)


def views() -> Dataset:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(120, 2))
    names = np.array(["low", "high"])[(latent[:, 0] > 0).astype(int)]
    features = {name: latent + 0.5 * rng.normal(size=(120, 2)) for name in ("left", "right")}
    return from_arrays(features, names)


def test_a_budget_is_the_comparison_with_that_budget(
    study: tuple[Path, dict[int, Comparison]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = study
    assert list(found) == [2, 5, 0]
    monkeypatch.setattr(DataConfig, "load", lambda _: views())
    training = dataclasses.replace(CONFIG.base.training, label_budget=5)
    alone = dataclasses.replace(CONFIG, base=dataclasses.replace(CONFIG.base, training=training))
    rows = compare(DataConfig(source="views"), alone, out=tmp_path).rows
    plain = [dataclasses.replace(row, seconds=0.0) for row in rows]
    assert [dataclasses.replace(row, seconds=0.0) for row in found[5].rows] == plain
    assert budget_folder(folder, 5).is_dir()


def test_rows_have_their_budget_and_an_interval_of_the_mean(study: tuple[Path, dict[int, Comparison]]) -> None:
    _, found = study
    rows = budget_rows(found)
    assert [row.labels for row in rows] == [budget for budget, each in found.items() for _ in each.rows]
    for row in rows:
        if row.fusion in REFERENCE_NAMES and row.metric in {"auroc", "auprc"}:
            assert row.mean_low is row.mean_high is None, "it would take longer than the fit"
            continue
        assert row.mean_low is not None
        assert row.mean_high is not None
        assert row.mean_low <= row.mean <= row.mean_high
    assert budget_rows(found, replication=True) == []


def test_chosen_metrics_lead_every_table_in_their_order(
    study: tuple[Path, dict[int, Comparison]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Chosen when the runs are finished: of arms and reference models, their values are those of the runs."""
    folder, found = study
    monkeypatch.setattr(DataConfig, "load", lambda _: views())
    chosen = compare_budgets(DataConfig(source="views"), CONFIG, budgets=[2], out=folder, metrics=["uar", "accuracy"])
    rows = budget_rows(chosen)
    assert [row.metric for row in rows] == ["uar", "accuracy"] * (len(rows) // 2)
    before = {(row.fusion, row.measure, row.metric): row.mean for row in found[2].rows}
    for row in rows:  # unweighted average recall is balanced accuracy
        assert row.mean == before[row.fusion, row.measure, row.metric.replace("uar", "balanced_accuracy")]
    assert all("in uar" in note for note in notes(rows) if "no better than" in note)
    write_budgets(rows, tmp_path, title="views")
    heads = [line for line in (tmp_path / "label_efficiency.md").read_text().splitlines() if line.startswith("## ")]
    assert [head.split()[1] for head in heads] == ["uar", "accuracy"]
    with refused("unknown_name", "mae"):
        compare_budgets(DataConfig(source="views"), CONFIG, budgets=[2], out=tmp_path / "new", metrics=["mae"])
    assert not (tmp_path / "new").exists()


def test_the_same_call_resumes(study: tuple[Path, dict[int, Comparison]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, found = study
    monkeypatch.setattr(DataConfig, "load", lambda _: views())
    again = compare_budgets(DataConfig(source="views"), CONFIG, budgets=[2], out=folder)
    assert again[2].rows == found[2].rows


def test_the_folder_of_a_study_names_those_of_its_budgets(study: tuple[Path, dict[int, Comparison]]) -> None:
    with refused("missing", "labels-2", "labels-all"):
        gather(study[0])
    assert gather(study[0] / "labels-2", source=views()).label_budget == 2
    assert gather(study[0] / "labels-all", source=views()).label_budget == 0


def test_one_table_holds_arms_by_budgets(study: tuple[Path, dict[int, Comparison]], tmp_path: Path, capsys) -> None:
    rows = budget_rows(study[1])
    table = budget_table(rows, "accuracy")
    assert table.heads == ("model", "2 labels", "5 labels", "all labels")
    means = {row.labels: row.mean for row in rows if (row.measure, row.metric) == ("kl", "accuracy")}
    line = next(cells for cells in table.rows if cells[0].text == "early/kl")
    assert [float(cell.text.split()[0]) for cell in line[1:]] == pytest.approx(list(means.values()), abs=0.01)
    paths = write_budgets(rows, tmp_path, title="views")
    assert {path.name for path in paths} >= {"summary.json", "label_efficiency.md", "label_efficiency.html"}
    assert "default-src &#39;none&#39;" in (tmp_path / "label_efficiency.html").read_text()
    filled = {cells[0].text: sum(bool(cell.text) for cell in cells[1:]) for cells in table.rows}
    assert {name: count for name, count in filled.items() if name.partition("/")[0] in REFERENCE_NAMES} == {
        "constant/none": 3,
        "linear/none": 3,
        "self-training/none": 2,
        "label spreading/none": 2,
    }
    print_budgets(rows, title="views")
    assert "2 labels" in capsys.readouterr().out
    beaten = {
        (row.fusion, row.measure, row.labels) for row in rows if "no better than the linear reference" in row.note
    }
    means = {(row.fusion, row.measure, row.labels): row.mean for row in rows if row.metric == "accuracy"}
    for (fusion, measure, labels), mean in means.items():
        if fusion not in REFERENCE_NAMES:
            assert ((fusion, measure, labels) in beaten) == (mean <= means["linear", "none", labels])


def test_the_report_of_a_study_is_a_page_with_one_beside_it_for_each_budget(
    study: tuple[Path, dict[int, Comparison]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DataConfig, "load", lambda *_, **__: views())
    report(str(study[0]), out="page.html")
    assert {path.name for path in tmp_path.iterdir()} == {
        "page.html",
        *(f"page-labels-{budget}.html" for budget in ("2", "5", "all")),
    }
    page = Path("page.html").read_text(encoding="utf-8")
    links = [page.index(f'href="page-labels-{budget}.html"') for budget in ("2", "5", "all")]
    assert links == sorted(links)
    assert page.count('data-of="efficiency"') == len({row.metric for row in budget_rows(study[1])})
    assert "5 training samples of each class keep their label" in Path("page-labels-5.html").read_text(encoding="utf-8")
    with refused("exists", "page.html"):
        report(str(study[0]), out="page.html")
    Path("page.html").unlink()
    with refused("exists", "page-labels-2.html"):
        report(str(study[0]), out="page.html")
    assert budget_folders(tmp_path) == {}


@pytest.mark.parametrize(("budgets", "code"), [([], "duplicate"), ([2, 2], "duplicate"), ([2, 500], "out_of_range")])
def test_budgets_are_checked_before_anything_is_trained(
    budgets: list[int], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DataConfig, "load", lambda _: views())
    with refused(code):
        compare_budgets(DataConfig(source="views"), CONFIG, budgets=budgets, out=tmp_path)
    assert not list(tmp_path.iterdir())
