"""The report as a person uses it: opened from disk in a real Chromium."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import Watch, Watched
from findings import METRICS, comparison, of_task, task_explanation
from playwright.sync_api import Locator, Page, expect

from comodal.contracts import ExplanationTable, Findings, Multiclass, Multilabel
from comodal.evaluation.gather import findings_of
from comodal.evaluation.runs import RunSet
from comodal.reports.label_budget_report import write_budgets
from comodal.reports.page import render_page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened(watch: Watch, report: str) -> Watched:
    """The report, opened once: that takes most of the time."""
    watched = watch(report, viewport={"width": 1440, "height": 900})
    watched.open(report)
    return watched


@pytest.fixture
def page(opened: Watched) -> Iterator[Page]:
    """The open report with an empty search and no order, which must stay silent."""
    opened.page.fill("#search", "")
    opened.page.select_option("#rank", index=1)
    opened.page.select_option("#rank", index=0)
    yield opened.page
    opened.page.keyboard.press("Escape")
    opened.require_peace()


@pytest.fixture(scope="module")
def table(runs: RunSet) -> ExplanationTable:
    return findings_of(runs).explanations[0]


def ids(page: Page) -> list[str]:
    return page.locator("#samples tbody tr").evaluate_all("rows => rows.map(row => row.dataset.id)")


def downloaded(page: Page, button: Locator) -> bytes:
    with page.expect_download() as waiting:
        button.click()
    return Path(waiting.value.path()).read_bytes()


def test_every_part_is_there_and_every_figure_drawn(page: Page) -> None:
    for part in ("glance", "run", "comparison", "training", "robustness", "explanation", "samples-part"):
        expect(page.locator(f"section#{part}")).to_be_visible()
    figures = page.locator("figure[data-figure]")
    assert figures.count() >= 5
    for number in range(figures.count()):
        assert figures.nth(number).locator("svg.main-svg").count() > 0
    expect(page.locator("#failure")).to_be_hidden()


def test_heads_sort_up_and_down(page: Page, table: ExplanationTable) -> None:
    head = page.locator("button[data-sort=dependency]")
    order = table.dependency.argsort(kind="stable")
    head.click()
    assert ids(page)[:5] == table.id[order][:5].tolist()
    expect(page.locator("th[data-column=dependency]")).to_have_attribute("aria-sort", "ascending")
    head.click()
    assert ids(page)[0] == table.id[order[-1]]
    expect(page.locator("th[data-column=dependency]")).to_have_attribute("aria-sort", "descending")


def test_search_leaves_what_contains_the_text(page: Page, table: ExplanationTable) -> None:
    wanted = str(table.id[37])
    page.fill("#search", wanted.upper())
    assert set(ids(page)) == {name for name in table.id.tolist() if wanted in name}
    page.fill("#search", "no such sample")
    assert ids(page) == []


def test_the_next_page_shows_the_next_rows(page: Page) -> None:
    first = ids(page)
    page.click("#next")
    assert not set(ids(page)) & set(first)
    page.click("#previous")
    assert ids(page) == first


def test_a_row_opens_its_details(page: Page, table: ExplanationTable) -> None:
    name = ids(page)[2]
    page.locator(f'tr[data-id="{name}"] .open').click()
    detail = page.locator("dialog#detail")
    expect(detail).to_be_visible()
    expect(page.locator("#detail-title")).to_have_text(name)
    row = int(np.flatnonzero(table.id == name)[0])
    expect(detail).to_contain_text(f"{table.prediction[row]:.3f}")
    page.click("#close-detail")
    expect(detail).to_be_hidden()


def test_details_hold_the_attributions(page: Page, runs: RunSet) -> None:
    found = findings_of(runs).attributions
    name, moved = next(iter(found.items()))
    page.fill("#search", name)
    page.locator(f'tr[data-id="{name}"] .open').click()
    for each in moved:
        expect(page.locator("#detail-body")).to_contain_text(f"{each.modality}: moves the prediction by")


def test_the_data_of_a_figure_is_its_rows(page: Page, runs: RunSet) -> None:
    text = downloaded(page, page.locator("button[data-download=comparison]")).decode()
    lines = list(csv.DictReader(io.StringIO(text)))
    kept = [row for row in findings_of(runs).rows if row.delta is not None]
    shown = sorted(round(float(line["delta"]), 3) for line in lines if line["delta"])
    assert shown == sorted(round(row.delta, 3) for row in kept)


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<svg"), ("png", b"\x89PNG")])
def test_a_figure_is_saved_as_a_picture(page: Page, kind: str, start: bytes) -> None:
    button = page.locator(f"button[data-image=comparison][data-format={kind}]")
    assert downloaded(page, button).startswith(start)


def test_light_and_dark_switch_and_recolour_the_figures(page: Page) -> None:
    def colours() -> list[str]:
        ink = "getComputedStyle(document.querySelector('figure[data-figure=comparison] svg text')).fill"
        return [str(page.evaluate(each)) for each in ("getComputedStyle(document.body).backgroundColor", ink)]

    before, name = colours(), page.locator("#theme-switch").inner_text()
    page.click("#theme-switch")
    assert page.locator("#theme-switch").inner_text() != name
    assert all(new != old for new, old in zip(colours(), before, strict=True))
    page.click("#theme-switch")
    assert colours() == before


def test_it_follows_the_system_until_somebody_chose(watch: Watch, bare_report: str) -> None:
    watched = watch(bare_report, color_scheme="light")
    page = watched.open(bare_report)
    ink = "getComputedStyle(document.body).color"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ink) != light
    page.click("#theme-switch")
    assert page.evaluate(ink) == light
    page.reload()
    page.wait_for_selector("html[data-ready=true]")
    assert page.evaluate(ink) == light  # what was chosen stays
    watched.require_peace()


def test_the_keyboard_is_enough(page: Page) -> None:
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.evaluate("document.querySelector('.skip').focus()")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.focus("button[data-sort=target]")
    page.keyboard.press("Enter")
    expect(page.locator("th[data-column=target]")).to_have_attribute("aria-sort", "ascending")
    opener = page.locator("#samples .open").first
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog#detail")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog#detail")).to_be_hidden()
    expect(opener).to_be_focused()


def test_nothing_scrolls_sideways_on_a_phone(watch: Watch, report: str) -> None:
    watched = watch(report, viewport={"width": 390, "height": 844})
    page = watched.open(report)
    for width in ("0", "0.06em"):  # fonts differ in width: the default one, and one a tenth wider
        page.add_style_tag(content=f"* {{ letter-spacing: {width} }}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#samples .open").first.click()
    expect(page.locator("dialog#detail")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    watched.require_peace()


def test_figures_of_predictions_fit_a_phone_and_their_tables_follow_the_choice(watch: Watch, tmp_path: Path) -> None:
    for task in (Multiclass(tuple(f"class {k}" for k in range(100))), Multilabel(("happy", "sad"))):
        path = tmp_path / f"{task.kind}.html"
        path.write_text(render_page(of_task(task)), encoding="utf-8")
        watched = watch(path.as_uri(), viewport={"width": 390, "height": 844})
        page = watched.open(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        first, second = page.get_by_test_id("breakdown-1"), page.get_by_test_id("breakdown-2")
        for details in page.locator("#predictions details:not([data-table])").all():
            details.evaluate("each => { each.open = true }")
        expect(first).to_be_visible()
        expect(second).to_be_hidden()
        page.locator("figure[data-figure=confusion] select").first.select_option("early/kl")
        expect(first).to_be_hidden()
        expect(second).to_be_visible()
        watched.require_peace()


def test_samples_of_classes_are_searched_by_name_and_sorted_by_error(watch: Watch, tmp_path: Path) -> None:
    task = Multiclass(("joy", "anger", "fear"))
    table, found = task_explanation(task), of_task(task)
    path = tmp_path / "classes.html"
    path.write_text(render_page(replace(found, explanations=(table,))), encoding="utf-8")
    watched = watch(path.as_uri(), viewport={"width": 390, "height": 844})
    page = watched.open(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.select_option("#rank", "largest errors first")
    assert ids(page)[:5] == table.id[np.argsort(-table.error, kind="stable")][:5].tolist()
    page.fill("#search", "anger")
    names = (task.readable(table.target), task.readable(task.decide(table.prediction)))
    said = [" ".join(each) for each in zip(*names, table.transcript, strict=True)]
    assert page.locator("#shown").inner_text().split(" of ")[1].startswith(f"{sum('anger' in each for each in said)},")
    page.locator("#samples .open").first.click()
    row = int(np.flatnonzero(table.id == page.locator("#detail-title").inner_text())[0])
    expect(page.locator("#detail-body")).to_contain_text(f"Target: {names[0][row]}; Prediction: {names[1][row]}")
    expect(page.locator("#detail-body")).to_contain_text(f"{table.prediction[row].max():.3f}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    watched.require_peace()


def test_the_page_of_label_budgets_fits_a_phone_and_has_a_table_for_each_metric(watch: Watch, tmp_path: Path) -> None:
    rows = [replace(row, labels=budget) for budget in (5, 0) for row in comparison(np.random.default_rng(0))]
    write_budgets(rows, tmp_path, title="study")
    address = (tmp_path / "label_efficiency.html").as_uri()
    watched = watch(address, viewport={"width": 390, "height": 844})
    page = watched.open(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    tables = page.locator("[data-of=efficiency]")
    assert tables.count() == len(METRICS)
    page.locator("select").select_option(METRICS[2])
    shown = [each.get_attribute("data-key") for each in tables.all() if each.is_visible()]
    assert shown == [METRICS[2]]
    page.click("#theme-switch")
    watched.require_peace()


def test_markup_in_a_transcript_is_text(watch: Watch, odd_report: tuple[str, Findings]) -> None:
    address, odd = odd_report
    watched = watch(address)
    page = watched.open(address)
    for name, text in zip(odd.explanations[0].id[:6].tolist(), odd.explanations[0].transcript, strict=False):
        page.fill("#search", name)
        row = page.locator(f'tr[data-id="{name}"]')
        assert row.locator(".words-cell").text_content() == text
        row.locator(".open").click()
        assert page.locator("#detail-body blockquote").text_content() == text
        assert page.locator("#samples :is(script, img, b), #detail :is(script, img, b)").count() == 0
        page.keyboard.press("Escape")
    watched.require_peace()  # a script that ran would have opened a dialog or asked for something


@pytest.mark.parametrize(
    "script", ["console.error('x')", "alert(1)", "throw Error('x')", "new Image().src = 'http://127.0.0.1:9/x.png'"]
)
def test_the_watch_sees_what_a_page_does(watch: Watch, tmp_path: Path, script: str) -> None:
    path = tmp_path / "bad.html"
    path.write_text(f"<!doctype html><html data-ready=true><script>{script}</script>", encoding="utf-8")
    watched = watch(path.as_uri())
    watched.open(path.as_uri())
    watched.settle()
    with pytest.raises(AssertionError):
        watched.require_peace()
    watched.require_peace()
