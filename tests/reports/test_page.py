"""The report page as a document: complete, without network access, and safe from markup in data."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from findings import FUSIONS, MEASURES, MODALITIES, ODD_TRANSCRIPTS, attributions, empty, explanation, findings
from refusals import refused

from comodal.contracts import Findings
from comodal.reports.page import render_page
from comodal.reports.page.glance import glance, missing_parts

SECTIONS = ("glance", "run", "comparison", "training", "robustness", "explanation", "pairing", "samples-part")
FIGURES = ("comparison", "training", "subsets", "severity", "areas", "dependency", "map", "pairing")


@cache
def made() -> Findings:
    return findings(60, seeds=3, corrupted=("mae",))


@cache
def page() -> str:
    return render_page(made())


class Reader(HTMLParser):
    """Elements with their attributes, ids, and the text of every script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.scripts[-1] == "":
            self.scripts[-1] = data

    def values(self, attribute: str) -> list[str | None]:
        return [given[attribute] for _, given in self.elements if attribute in given]


def unpacked(text: str) -> Any:
    found = re.search(r'id="packed-data">([^<]*)<', text)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def test_every_section_and_figure_is_there_and_ids_are_unique() -> None:
    ids = Reader(page()).values("id")
    assert set(SECTIONS) <= set(ids)
    assert len(ids) == len(set(ids))
    assert Reader(page()).values("data-figure") == list(FIGURES)
    assert tuple(unpacked(page())["figures"]) == FIGURES
    assert "data-missing" not in page().partition("<script")[0]


def test_what_is_missing_is_said_with_its_command() -> None:
    bare = empty()
    text = render_page(bare)
    assert Reader(text).values("data-figure") == []
    assert set(SECTIONS) <= set(Reader(text).values("id"))
    for part, command in missing_parts(bare).items():
        assert f'data-missing="{part}"' in text
        assert command in text
    assert missing_parts(made()) == {}


def test_a_run_without_a_critic_says_how_to_get_one() -> None:
    table = made().explanations[0]
    blind = replace(table, dependency=np.full(len(table), np.nan), percentile=np.full(len(table), np.nan), swapped={})
    text = render_page(replace(made(), explanations=(blind,), attributions={}))
    assert 'data-missing="critic"' in text
    assert unpacked(text)["explanations"][0]["dependency"] == [None] * len(table)
    assert "dependency" not in unpacked(text)["figures"]


def test_markup_of_the_data_never_reaches_the_document() -> None:
    """Everything that a data set or a folder names: title, source, notes, arms, transcripts."""
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    data = replace(made().data, name=hostile, source=hostile, note=hostile, modalities={hostile: 3})
    rows = tuple(replace(row, fusion=row.fusion + hostile, note=hostile) for row in made().rows)
    odd = replace(made(), title=hostile, data=data, rows=rows, replication=rows, config={hostile: hostile})
    clean, dirty = Reader(page()), Reader(render_page(odd))
    count = [tag for tag, _ in clean.elements].count
    assert [tag for tag, _ in dirty.elements].count("script") == count("script") == 3
    assert [tag for tag, _ in dirty.elements].count("img") == 0
    assert not [name for _, given in dirty.elements for name in given if name.startswith("on")]


def test_transcripts_are_whole_in_the_packed_data() -> None:
    held = unpacked(page())["transcripts"]
    ids = [str(name) for name in made().explanations[0].id]
    assert [held[name] for name in ids[: len(ODD_TRANSCRIPTS)]] == list(ODD_TRANSCRIPTS)
    assert "alert(1)" not in page()


def test_a_label_budget_is_stated() -> None:
    assert "5 training samples" in render_page(replace(empty(), label_budget=5))
    assert "training samples" not in render_page(empty())


def test_nothing_leaves_the_file() -> None:
    """No attribute or style names a place outside, and the policy forbids to ask one; the check sees a link."""
    reader = Reader(page())
    named = [str(value) for name in ("src", "href", "action", "srcset", "data") for value in reader.values(name)]
    assert [value for value in named if not value.startswith(("#", "data:"))] == []
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import", page())
    policy = next(str(given["content"]) for _, given in reader.elements if "http-equiv" in given)
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert re.search(r"https?://(?!www\.w3\.org/2000/svg)", page() + '<img src="https://example.org">')


def test_the_policy_allows_exactly_the_scripts_of_the_page() -> None:
    panel = "console.log('panel')"
    reader = Reader(render_page(empty(), panel="<section id='live'></section>", script=panel, style="#live{}"))
    policy = next(str(given["content"]) for _, given in reader.elements if "http-equiv" in given)
    run = [text for text in reader.scripts if not re.fullmatch(r"[A-Za-z0-9+/=]*", text)]
    assert len(run) == 2
    assert run[1] == panel
    for text in run:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert policy.count("sha256-") == 2
    assert "connect-src 'self'" in policy
    assert "live" in reader.values("id")
    with refused("unsafe", "</script"):
        render_page(empty(), panel="<p>", script="'</script>'")


def test_two_renderings_are_the_same_bytes() -> None:
    assert render_page(empty()) == render_page(empty())


@pytest.mark.slow
def test_size_for_mosi_and_for_many_samples() -> None:
    """2 fusion models x 4 measures x 32 seeds with eight explained runs of 752 samples stays below 5 MB."""
    rng = np.random.default_rng(1)
    tables = tuple(explanation(rng, 752, measure) for _ in FUSIONS for measure in MEASURES)
    full = replace(findings(samples=752, seeds=32), explanations=tables)
    full = replace(full, attributions=attributions(rng, tables[0]))
    assert len(render_page(full).encode()) < 5e6


@pytest.mark.slow
def test_a_hundred_thousand_samples_say_what_is_left_out() -> None:
    base = explanation(np.random.default_rng(2), 1000)
    many = {name: np.tile(column, 100) for name, column in base.columns().items() if ":" not in name}
    many |= {kind: {m: np.tile(getattr(base, kind)[m], 100) for m in MODALITIES} for kind in ("swapped", "without")}
    many["id"] = np.asarray([f"u{row}" for row in range(100_000)], dtype=object)
    text = render_page(replace(empty(), explanations=(replace(base, **many),)))
    run = unpacked(text)["explanations"][0]
    assert len(run["id"]) == 5000
    assert "5,000 of 100,000" in run["left_out"]
    assert len(text.encode()) < 5e6
    assert unpacked(page())["explanations"][0]["left_out"] == ""


def test_figures_and_controls_have_names() -> None:
    reader = Reader(page())
    plots = [given for tag, given in reader.elements if given.get("class") == "plot"]
    assert all(given["role"] == "img" and len(str(given["aria-label"])) > 40 for given in plots)
    assert len(plots) == len(FIGURES)
    tables = [tag for tag, _ in reader.elements].count("table")
    assert [tag for tag, _ in reader.elements].count("caption") == tables
    scrollers = [given for _, given in reader.elements if given.get("class") == "scroll"]
    assert all(given.get("tabindex") == "0" and given.get("aria-label") for given in scrollers)


def test_the_comparison_table_holds_the_rows() -> None:
    row = next(row for row in made().rows if row.metric == "mae" and row.measure == "kl")
    table = page().split('data-testid="comparison-mae"')[1].split("</table>")[0]
    assert row.delta is not None
    assert f"{row.delta:+.3f}" in table
    assert f"[{row.ci_low:+.3f}, {row.ci_high:+.3f}]" in table
    assert table.count("<tr") == 1 + len(FUSIONS) * len(MEASURES)


def test_at_a_glance_counts_what_is_significant() -> None:
    rows = [replace(row, p_value=None if row.p_value is None else 0.5) for row in made().rows]
    found = next(rank for rank, row in enumerate(rows) if row.delta is not None and row.metric == "mae")
    rows[found] = replace(rows[found], delta=-0.1, p_value=0.01)
    sentence = glance(replace(made(), rows=tuple(rows)))[0]
    assert sentence.startswith("Penalties, against none: of 42 differences")
    assert "1 significant gain (early/kl on mae); 0 significant harms" in sentence
    rows[found] = replace(rows[found], delta=0.1)
    assert "1 significant harm (early/kl on mae)" in glance(replace(made(), rows=tuple(rows)))[0]
    single = replace(rows[found], fusion="early:text", measure="none", delta=-0.2)
    said = glance(replace(empty(), rows=(single,)))
    assert len(said) == 1
    assert said[0].startswith("Single modalities, against the fusion of all: of 1 difference, ")
    assert "1 significant gain (early:text/none on mae)" in said[0]
    assert glance(empty()) == []


def test_a_gain_with_a_modality_missing_is_looked_for_on_fresh_seeds() -> None:
    none = [replace(each, row=replace(each.row, p_value=None)) for each in made().robustness]
    places = [
        rank for rank, each in enumerate(none) if each.scenario in {"text", "audio"} and each.row.delta is not None
    ]
    first = [replace(each, row=replace(each.row, delta=-0.1, p_value=0.01)) if rank in places[:2] else each
             for rank, each in enumerate(none)]  # fmt: skip
    fresh = [replace(each, row=replace(each.row, p_value=0.5)) if rank == places[1] else each
             for rank, each in enumerate(first)]  # fmt: skip
    said = glance(replace(empty(), robustness=tuple(first), robustness_replication=tuple(fresh)))
    kept = first[places[0]]
    name = f"{kept.row.fusion}/{kept.row.measure} with {kept.scenario} only, mae"
    assert said[0].startswith("With modalities missing, 2 of ")
    assert said[1] == f"On fresh seeds 1 of these 2 gains is found again: {name}."
    fresh = [replace(each, row=replace(each.row, delta=0.1)) for each in fresh]
    said = glance(replace(empty(), robustness=tuple(first), robustness_replication=tuple(fresh)))
    assert said[1] == "On fresh seeds 0 of these 2 gains are found again."
    assert len(glance(replace(empty(), robustness=tuple(first)))) == 1
