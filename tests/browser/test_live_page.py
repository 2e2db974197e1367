"""The live page as a person uses it, in a real Chromium against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chromium import Watch, Watched
from live_server import running
from playwright.sync_api import Page, expect

from comodal.contracts import Findings
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.panel_request import Edit, PanelRequest
from comodal.serve.security import allowed_hosts
from comodal.serve.start import live_page

pytestmark = pytest.mark.slow

TEXT = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


@pytest.fixture(scope="module")
def opened(watch: Watch, served: str) -> Watched:
    """The live page, opened once: drawing its figures takes most of the time."""
    watched = watch(served, viewport={"width": 1440, "height": 900})
    watched.open(served).wait_for_selector("#live-answer table")
    return watched


@pytest.fixture
def page(opened: Watched, live: LiveModel) -> Iterator[Page]:
    """The open page with its first sample as it is, which must stay silent."""
    for modality in live.modalities:
        choose(opened.page, modality, "on")
    opened.page.fill("#live-sample", live.ids[0])
    expect_sentiment(opened.page, live.answer(PanelRequest(live.ids[0], {}))["clean"]["prediction"])
    yield opened.page
    opened.require_peace()


def shown(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\u2212")


def choose(page: Page, modality: str, act: str) -> None:
    page.locator(f"fieldset[data-modality={modality}] select").select_option(act)


def expect_sentiment(page: Page, value: float) -> None:
    expect(page.locator("#live-answer tbody tr").first.locator("td").nth(1)).to_have_text(shown(value))


def test_the_page_is_the_report_with_a_panel(page: Page) -> None:
    expect(page.locator("section#comparison figure svg.main-svg").first).to_be_visible()
    expect(page.locator("section#live")).to_be_visible()
    expect(page.locator("#live-facts")).to_contain_text("early/kl, seed 0; critic trained with the model")


def test_switching_a_modality_off_changes_prediction_and_dependency(page: Page, live: LiveModel) -> None:
    answer = live.answer(PanelRequest(live.ids[0], {"text": Edit("off")}))
    choose(page, "text", "off")
    expect_sentiment(page, answer["changed"]["prediction"])
    lines = page.locator("#live-answer tbody tr")
    assert lines.nth(1).locator("td").all_text_contents()[:2] == [
        shown(answer["clean"]["dependency"]),
        shown(answer["changed"]["dependency"]),
    ]
    choose(page, "text", "on")
    expect_sentiment(page, answer["clean"]["prediction"])


def test_another_sample_lends_at_once_and_can_be_chosen(page: Page, live: LiveModel) -> None:
    choose(page, "audio", "swap")
    first = live.find("", beside=live.ids[0])[0]["id"]
    expect_sentiment(
        page, live.answer(PanelRequest(live.ids[0], {"audio": Edit("swap", first)}))["changed"]["prediction"]
    )
    page.locator("fieldset[data-modality=audio] input[type=search]").fill(live.ids[99])
    answer = live.answer(PanelRequest(live.ids[0], {"audio": Edit("swap", live.ids[99])}))
    expect_sentiment(page, answer["changed"]["prediction"])


def test_noise_follows_its_slider_by_keyboard(page: Page, live: LiveModel) -> None:
    choose(page, "vision", "noise")
    slider = page.locator("fieldset[data-modality=vision] input[type=range]")
    slider.focus()
    page.keyboard.press("End")
    answer = live.answer(PanelRequest(live.ids[0], {"vision": Edit("noise", severity=1.0)}))
    expect_sentiment(page, answer["changed"]["prediction"])


def test_a_sample_is_found_by_its_id(page: Page, live: LiveModel) -> None:
    page.fill("#live-sample", live.ids[321])
    expect_sentiment(page, live.answer(PanelRequest(live.ids[321], {}))["clean"]["prediction"])


def test_all_off_is_said_and_mended(page: Page) -> None:
    for modality in ("text", "audio", "vision"):
        choose(page, modality, "off")
    expect(page.locator("#live-error")).to_have_text("Every modality is off: leave one on.")
    choose(page, "text", "on")
    expect(page.locator("#live-error")).to_have_text("")


def test_of_fifty_quick_clicks_the_last_counts(page: Page, live: LiveModel) -> None:
    page.evaluate(
        """() => {
          const select = document.querySelector("fieldset[data-modality=text] select");
          for (let click = 0; click < 50; click++) {
            select.value = click % 2 ? "off" : "noise";
            select.dispatchEvent(new Event("change"));
          }
        }"""
    )
    answer = live.answer(PanelRequest(live.ids[0], {"text": Edit("off")}))
    expect_sentiment(page, answer["changed"]["prediction"])


def test_nothing_scrolls_sideways_on_a_phone(watch: Watch, served: str) -> None:
    watched = watch(served, viewport={"width": 390, "height": 844})
    page = watched.open(served)
    page.wait_for_selector("#live-answer table")
    for modality, act in (("text", "swap"), ("audio", "noise")):
        choose(page, modality, act)
    for width in ("0", "0.06em"):  # fonts differ in width: the default one, and one a tenth wider
        page.add_style_tag(content=f"* {{ letter-spacing: {width} }}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    watched.require_peace()


def test_markup_in_a_transcript_is_text(watch: Watch, bare: Findings, live: LiveModel) -> None:
    odd = replace(live, transcripts=(TEXT,) * len(live.ids))
    app = build_app(odd, live_page(bare), names=allowed_hosts("127.0.0.1", ()))
    with running(app) as port:
        address = f"http://127.0.0.1:{port}/"
        watched = watch(address)
        page = watched.open(address)
        page.wait_for_selector("#live-answer table")
        assert page.locator("#live-transcript").text_content() == TEXT
        assert page.locator("#live :is(img, script)").count() == 0
        watched.require_peace()
        page.close()


def test_another_page_cannot_ask(page: Page, watch: Watch, served: str, tmp_path: Path, live: LiveModel) -> None:
    """A page from elsewhere in the same browser, which may reach the port, is told nothing."""
    path = tmp_path / "elsewhere.html"
    path.write_text("<!doctype html><html data-ready=true>", encoding="utf-8")
    watched = watch("", viewport={"width": 800, "height": 600})
    other = watched.open(path.as_uri())
    ask = """([address, id]) => fetch(address + "api/predict", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({id})
      }).then(() => "answered", () => "refused")"""
    assert other.evaluate(ask, [served, live.ids[0]]) == "refused"
    watched.settle()
    assert any("CORS" in said for said in watched.complaints)
    assert page.evaluate(ask, [served, live.ids[0]]) == "answered"
