"""The figures hold the numbers they are made from, and of many samples those that matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from findings import MODALITIES, SEVERITIES, SUBSETS, curve, empty, explanation, findings
from refusals import refused

from comodal.contracts import ComparisonRow, PairingScore, TrainingCurve
from comodal.reports.page.cards import cards_of
from comodal.reports.page.figures_comparison import forest
from comodal.reports.page.figures_explanation import dependency_figure, labels_of
from comodal.reports.page.figures_map import map_figure
from comodal.reports.page.figures_pairing import pairing_figure
from comodal.reports.page.figures_robustness import heat_map, severity_figure
from comodal.reports.page.figures_training import mean_curve, training_figure
from comodal.reports.page.sample import chosen
from comodal.reports.page.static import write_figures
from comodal.reports.page.theme import BETTER, NEUTRAL, WORSE, styles, template

pytestmark = pytest.mark.slow

MADE = findings(40, seeds=3, corrupted=("mae", "corr"))


def row(measure: str, delta: float | None, p_value: float | None, metric: str = "mae") -> ComparisonRow:
    low, high = (None, None) if delta is None else (delta - 0.02, delta + 0.04)
    better = "lower" if metric == "mae" else "higher"
    return ComparisonRow("early", measure, 0.3, metric, 0.9, 0.01, delta, low, high, p_value, 4, 0, 1.0, better=better)


# One figure of one variant, and one of two.
SMALL = replace(
    empty(),
    robustness=tuple(replace(e, row=row("kl", None, None)) for e in MADE.robustness[:7]),
    pairing=MADE.pairing,
)


def test_the_forest_parts_gain_harm_and_neither_by_colour_and_by_fill() -> None:
    rows = [row("none", None, None), row("kl", -0.1, 0.01), row("f", 0.1, 0.01), row("wasserstein", 0.05, 0.4)]
    marks = {trace.name: trace for trace in forest("mae", rows).data}
    assert {name: trace.x for name, trace in marks.items()} == {
        "significant gain": (-0.1,),
        "significant harm": (0.1,),
        "not significant": (0.05,),
    }
    assert [marks[f"significant {kind}"].marker.symbol for kind in ("gain", "harm")] == ["circle", "circle"]
    assert marks["not significant"].marker.symbol == "circle-open"
    assert {trace.marker.color for trace in marks.values()} == {BETTER, WORSE, NEUTRAL}
    gain = marks["significant gain"]
    assert gain.error_x.arrayminus == pytest.approx([0.02])
    assert gain.error_x.array == pytest.approx([0.04])


def test_the_forest_sets_fresh_seeds_apart_on_the_same_line() -> None:
    first, again = forest("mae", [row("kl", -0.1, 0.01)], [row("kl", -0.02, 0.6)]).data
    assert (first.name, again.name) == ("first seeds: significant gain", "fresh seeds: not significant")
    assert round(first.y[0]) == round(again.y[0]) == 0
    assert first.y[0] < again.y[0]


def test_mean_curve_equals_plain_loops_and_stops_with_half_of_the_fits() -> None:
    series = [[3.0, 1.0, 5.0, 7.0], [1.0, 2.0], [2.0, 6.0, 1.0], [4.0]]
    mean, std, fits = mean_curve(series)
    reached = [[values[epoch] for values in series if len(values) > epoch] for epoch in range(3)]
    assert mean == pytest.approx([sum(values) / len(values) for values in reached])
    assert std == pytest.approx([np.std(values) for values in reached])
    assert fits.tolist() == [4, 3, 2]  # the fourth epoch has one fit of four and is left out


def test_training_curves_have_a_band_only_with_several_fits_and_mark_the_chosen_epoch() -> None:
    one = TrainingCurve("early", "kl", 0, "part", 1, {"valid_loss": (3.0, 1.0, 2.0)})
    (line,) = training_figure([one], "valid_loss").data
    assert training_figure([one], "valid_loss").layout.xaxis.dtick == 1
    assert line.x == (1, 2, 3)
    assert line.y == (3.0, 1.0, 2.0)
    assert line.marker.size.index(max(line.marker.size)) == 1
    band, mean = training_figure([one, replace(one, seed=1, values={"valid_loss": (5.0, 3.0, 4.0)})], "valid_loss").data
    assert mean.y == (4.0, 2.0, 3.0)
    assert band.y == (5.0, 3.0, 4.0, 2.0, 1.0, 3.0)


def test_runs_that_logged_different_quantities_are_drawn() -> None:
    rng = np.random.default_rng(0)
    card = cards_of(replace(empty(), curves=(curve(rng, "a", "none", 0, 0), curve(rng, "a", "kl", 0, 0))))["training"]
    assert [len(figure.data) for figure in card.variants.values()] == [2, 2, 1]
    assert list(card.variants) == [("a", "valid_loss"), ("a", "train_task"), ("a", "train_dependency")]


def test_heat_map_holds_every_cell_and_blue_is_better_whatever_the_direction() -> None:
    rows = [each for each in MADE.robustness if each.kind == "subset" and each.row.metric == "mae"]
    (cells,) = heat_map(rows).data
    assert cells.x == SUBSETS
    found = {(cells.y[i], cells.x[j]): cells.z[i][j] for i in range(8) for j in range(len(SUBSETS))}
    for each in rows:  # a low error is good: the colour's number is the negative
        assert found[f"{each.row.fusion}/{each.row.measure}", each.scenario] == pytest.approx(-each.row.mean, rel=1e-4)
    assert heat_map([rows[0]]).data[0].text[0][0] == f"{rows[0].row.mean:.3f}"
    (other,) = heat_map([each for each in MADE.robustness if each.kind == "subset" and each.row.metric == "corr"]).data
    assert min(min(line) for line in other.z) > 0


def test_heat_map_marks_significant_differences_and_leaves_references_empty() -> None:
    own = [each for each in MADE.robustness if each.kind == "subset" and each.row.metric == "mae"][:1]
    cells = [replace(own[0], row=row("none", None, None)), replace(own[0], row=row("kl", -0.1, 0.01))]
    (drawn,) = heat_map(cells, "difference to no penalty").data
    assert [list(line) for line in drawn.z] == [[None], [0.1]]
    assert [list(line) for line in drawn.text] == [[""], ["-0.100*"]]


def test_severity_curves_are_in_order_and_whole() -> None:
    own = [e for e in MADE.robustness if e.scenario.startswith("noise:audio=") and e.row.metric == "corr"]
    figure = severity_figure(own[::-1])
    assert len(figure.data) == 8
    for trace in figure.data:
        assert trace.x == SEVERITIES
        mean = {e.severity: e.row.mean for e in own if f"{e.row.fusion}/{e.row.measure}" == trace.name}
        assert trace.y == pytest.approx([mean[severity] for severity in SEVERITIES], rel=1e-4)
    card = cards_of(MADE)["severity"]
    assert len(card.variants) == 2 * (5 * len(MODALITIES) + 1)


def test_arms_of_one_figure_look_different_without_colour() -> None:
    arms = [(fusion, measure) for fusion in ("a", "b") for measure in ("none", "kl", "f", "wasserstein")]
    found = styles(arms)
    assert len({(look.symbol, look.dash) for look in found.values()}) == len(arms)


def test_dependency_is_parted_by_the_sign_of_the_label() -> None:
    table = explanation(np.random.default_rng(3), 3000)
    figure = dependency_figure(table)
    for trace, sign in zip(figure.data, (-1, 0, 1), strict=True):
        values = table.dependency[np.sign(table.target) == sign]
        assert f"({len(values)})" in trace.name
        assert len(trace.y) <= 200
        assert np.median(trace.y) == pytest.approx(np.median(values), abs=0.02)
        assert np.mean(trace.y) == pytest.approx(np.mean(values), abs=0.02)
    assert "nats" in figure.layout.yaxis.title.text
    assert len(dependency_figure(replace(table, target=np.abs(table.target) + 0.1)).data) == 1, "one class only"
    rank = explanation(np.random.default_rng(3), 30, "wasserstein")
    assert "order" in dependency_figure(rank).layout.yaxis.title.text


def test_the_map_colours_by_label_error_and_percentile_and_shows_names_as_text() -> None:
    table = explanation(np.random.default_rng(4), 25)
    table = replace(table, id=np.asarray([f"<b>{row}</b>" for row in range(25)], dtype=object))
    kept = np.arange(25)
    colours = {
        "target": table.target,
        "error": np.abs(table.prediction - table.target),
        "dependency percentile": table.percentile,
    }
    for name, values in colours.items():
        (points,) = map_figure(table, name, kept).data
        assert points.marker.color == pytest.approx(values, rel=1e-3, abs=1e-6)
        assert points.x == pytest.approx(table.map_x, rel=1e-3)
        assert points.text[3] == "&lt;b&gt;3&lt;/b&gt;"
        assert points.customdata[3] == "<b>3</b>"


def test_explained_runs_of_the_same_name_are_told_apart() -> None:
    table = explanation(np.random.default_rng(5), 20)
    assert labels_of([table, table]) == ["early/kl, seed 0", "early/kl, seed 0 (2)"]


def test_pairing_marks_values_intervals_and_chance() -> None:
    score = PairingScore("critic", "broken pairs", "audio", 0.7, 0.6, 0.75, 0.5, 0.4, 0.55, 20, 100)
    critic, chance = pairing_figure([score]).data
    assert (critic.x, chance.x) == ((0.7,), (0.5,))
    assert critic.error_x.array == pytest.approx([0.05])
    assert critic.error_x.arrayminus == pytest.approx([0.1])
    precision, its_chance = pairing_figure([score], "average precision").data
    assert (precision.x, its_chance.x) == ((0.5,), (0.2,))


def test_the_data_of_every_figure_are_columns_of_one_length_equal_to_the_rows() -> None:
    for card in cards_of(MADE).values():
        assert len({len(column) for column in card.columns.values()}) == 1, card.name
        assert len(card.shows) > 40
        assert len(card.hides) > 40
        assert all(len(key) == len(card.selectors) for key in card.variants)
    held = cards_of(MADE)["comparison"].columns
    assert held["delta"] == [each.delta for each in (*MADE.rows, *MADE.replication)]
    assert cards_of(empty()) == {}


def test_the_sample_holds_extremes_and_an_even_rest() -> None:
    table = explanation(np.random.default_rng(6), 10_000)
    kept = chosen(table, 400)
    assert len(kept) == len(set(kept.tolist())) == 400
    assert (np.diff(kept) > 0).all()
    order = np.argsort(table.dependency)
    error = np.argsort(-np.abs(table.prediction - table.target))
    assert set(order[:100]) | set(order[-100:]) | set(error[:100]) <= set(kept)
    assert len(chosen(table, 20_000)) == 10_000
    blind = replace(table, dependency=np.full(10_000, np.nan))
    assert len(chosen(blind, 400)) == 400


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def light(colour: str) -> float:
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("dark", "ground"), [(False, "#ffffff"), (True, "#12161c")])
def test_marks_and_letters_stand_out(dark: bool, ground: str) -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast(template(dark=dark)["layout"]["font"]["color"], ground) >= 4.5
    for colour in {*template(dark=dark)["layout"]["colorway"], NEUTRAL}:
        assert contrast(colour, ground) >= 3, colour
    assert contrast("#E69F00", "#ffffff") < 3  # a colour that would not do


def test_figure_files_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with refused("unknown_name", "svgg", "svg"):
        write_figures(MADE, tmp_path, ("svgg",))
    with refused("unknown_name", "pairings", "pairing"):
        write_figures(SMALL, tmp_path, only=("pairings",))
    with refused("empty", empty().title):
        write_figures(empty(), tmp_path)
    (tmp_path / "pairing--AUROC.svg").write_text("mine")
    with refused("exists", "pairing--AUROC.svg", "--force"):
        write_figures(SMALL, tmp_path, ("svg",), only=("pairing",))
    assert (tmp_path / "pairing--AUROC.svg").read_text() == "mine"


def test_figure_files_are_written(tmp_path: Path) -> None:
    """With a browser; see CONTRIBUTING for how to get one."""
    paths = write_figures(SMALL, tmp_path, ("svg", "pdf", "png"), only=("subsets",))
    assert len(paths) == 3
    starts = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}
    for path in paths:
        assert path.read_bytes().startswith(starts[path.suffix[1:]])
    assert "early/kl" in (tmp_path / "subsets.svg").read_text()


def test_without_a_browser_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "no-browser"))
    with refused("unavailable", "chromium"):
        write_figures(SMALL, tmp_path / "figures", ("svg",), only=("subsets",))
