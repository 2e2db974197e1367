"""Every measure has a page whose facts are those of the registry, and a picture; a stale page is seen."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

from comodal.dependency import MEASURES

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "measures"
PARTS = runpy.run_path(str(ROOT / "benchmarks" / "measure_pages.py"))


def page_of(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_the_table_is_what_the_registry_says() -> None:
    assert PARTS["facts_table"]() in page_of("index")
    assert all(f"[`{name}`]({name}.md)" in page_of("index") for name in MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_a_page_has_the_facts_the_source_an_example_and_a_picture(name: str) -> None:
    page = page_of(name)
    assert f"<!-- facts -->\n{PARTS['facts_list'](name)}\n<!-- end -->" in page
    assert all(part in page for part in (f"# `{name}`", "**Use it**", "**Do not use it**", "Source: ", "```python"))
    assert f"]({name}.svg)" in page
    picture = (PAGES / f"{name}.svg").read_text(encoding="utf-8")
    assert len(picture) < 3000
    assert len(ElementTree.fromstring(picture).findall("{http://www.w3.org/2000/svg}polyline")) >= 1


def test_pages_are_of_measures_that_exist() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {"index", "tcmax", *MEASURES}


def test_stale_facts_are_replaced_and_nothing_else() -> None:
    stale = page_of("club").replace("bound: upper bound", "bound: lower bound")
    assert stale != page_of("club")
    assert PARTS["with_facts"](stale, PARTS["facts_list"]("club")) == page_of("club")
