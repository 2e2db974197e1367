"""The live page of classes and of several outputs, in a real Chromium against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Watch, Watched
from live_server import running
from playwright.sync_api import Page, expect
from task_data import penalised_run

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.gather import findings_of
from comodal.evaluation.runs import RunSet, open_runs
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import Edit, PanelRequest
from comodal.serve.security import allowed_hosts
from comodal.serve.start import live_page
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    folder = tmp_path_factory.mktemp("digits") / "run"
    config = RunConfig(penalty=PenaltyConfig(measure="kl", weight=0.1), training=TrainingConfig(max_epochs=2))
    train(DataConfig(source="digits"), config, out=folder)
    return open_runs(folder)


@pytest.fixture(scope="module")
def live(digits: RunSet) -> LiveModel:
    return LiveModel.of(digits, digits.runs[0])


@pytest.fixture(scope="module")
def served(digits: RunSet, live: LiveModel) -> Iterator[str]:
    yield from _address(digits, live)


def _address(runs: RunSet, live: LiveModel) -> Iterator[str]:
    """Address of a page with the panel, and without figures, which take long to draw."""
    bare = replace(findings_of(runs), rows=(), curves=())
    with running(build_app(live, live_page(bare), names=allowed_hosts("127.0.0.1", ()))) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def opened(watch: Watch, served: str) -> Iterator[Watched]:
    watched = watch(served, viewport={"width": 1200, "height": 900})
    watched.open(served).wait_for_selector("#live-answer table")
    yield watched
    watched.require_peace()
    watched.page.close()


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def cells(page: Page, name: str) -> list[str]:
    row = page.locator("#live-answer tbody tr").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return row.locator("td").all_text_contents()


def hide(page: Page, modality: str) -> None:
    page.locator(f"fieldset[data-modality={modality}] select").select_option("off")


def test_class_and_probabilities_follow_the_edits(opened: Watched, live: LiveModel) -> None:
    page, name = opened.page, live.ids[0]
    hide(page, "left")
    answer = live.answer(PanelRequest(name, {"left": Edit("off")}))
    clean, changed = answer["clean"], answer["changed"]
    top = max(changed["probabilities"], key=changed["probabilities"].get)
    expect(page.locator("#live-answer tbody tr").nth(1 + int(top)).locator("td").nth(1)).to_have_text(
        f"{changed['probabilities'][top]:.2f}"
    )
    assert cells(page, "prediction") == [clean["prediction"], changed["prediction"], answer["target"]]
    for digit in clean["probabilities"]:
        shown = [f"{each['probabilities'][digit]:.2f}" for each in (clean, changed)]
        assert cells(page, digit)[:2] == shown
    assert page.locator("#live-answer svg").count() == 0  # classes have no scale
    bars = page.locator("#live-answer tbody tr").nth(1 + int(top)).locator(".live-bar")
    widths = [bar.evaluate("bar => bar.getBoundingClientRect().width") for bar in bars.all()]
    ratio = changed["probabilities"][top] / clean["probabilities"][top]
    assert widths[1] / widths[0] == pytest.approx(ratio, rel=0.01)  # one unit in both columns


def test_contributions_are_of_the_predicted_class_or_the_chosen_one(opened: Watched, live: LiveModel) -> None:
    page = opened.page
    page.get_by_text("Contribution of each modality").focus()
    page.keyboard.press("Enter")
    for output in ("", "3"):
        page.locator("#live-output").select_option(output)
        (found,) = live.attribute(PanelRequest(live.ids[0], {}, output=output))
        expect(page.locator("#live-contributions caption")).to_have_text(found["output"])
        for row, name in enumerate(("left", "right")):
            shown = page.locator("#live-contributions tbody tr").nth(row).locator("td").all_text_contents()
            assert shown == [signed(found["clean"][name]), signed(found["changed"][name])]
    hide(page, "right")
    (found,) = live.attribute(PanelRequest(live.ids[0], {"right": Edit("off")}, output="3"))
    expect(page.locator("#live-contributions tbody tr").nth(1).locator("td").nth(1)).to_have_text("\u2013")
    assert "right" not in found["changed"]


def test_every_control_has_a_name_and_nothing_scrolls_sideways_on_a_phone(watch: Watch, served: str) -> None:
    watched = watch(served, viewport={"width": 390, "height": 844})
    page = watched.open(served)
    page.wait_for_selector("#live-answer table")
    page.locator("#live-why summary").click()
    page.wait_for_selector("#live-contributions table")
    controls = page.locator("#live :is(input, select)")
    named = "each => each.labels.length > 0 || Boolean(each.ariaLabel)"
    assert all(control.evaluate(named) for control in controls.all())
    assert controls.count() == 8  # sample, output, and three for each modality
    for spacing in ("0", "0.06em"):
        page.add_style_tag(content=f"* {{ letter-spacing: {spacing} }}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    watched.require_peace()
    page.close()


@pytest.mark.parametrize("kind", ["binary", "multilabel", "outputs"])
def test_other_tasks_are_shown_by_name(kind: str, watch: Watch, tmp_path: Path) -> None:
    runs = penalised_run(kind, tmp_path / "run")
    live = LiveModel.of(runs, runs.runs[0])
    answer = live.answer(PanelRequest(live.ids[0], {}))
    for address in _address(runs, live):
        watched = watch(address)
        page = watched.open(address)
        page.wait_for_selector("#live-answer table")
        for place, name in enumerate(live.facts["names"]):
            number = (
                answer["clean"]["prediction"][place] if kind == "outputs" else answer["clean"]["probabilities"][name]
            )
            wanted = signed(number) if kind == "outputs" else f"{number:.2f}"
            assert cells(page, name)[0] == wanted
        page.locator("#live-why summary").click()
        captions = page.locator("#live-contributions caption")
        expect(captions).to_have_text([each["output"] for each in live.attribute(PanelRequest(live.ids[0], {}))])
        watched.require_peace()
        page.close()
