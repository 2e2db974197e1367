"""Facts and pictures of the pages of measures: rebuild what the registry says and draw every measure's value.

    python benchmarks/measure_pages.py          # the facts in docs/measures/*.md, in a second
    python benchmarks/measure_pages.py --draw   # the pictures, too, in a few minutes

A picture shows the value of a measure, its own parameters fitted, against the total correlation of two Gaussian views.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from comodal.dependency import (
    MEASURES,
    Conditional,
    Contrastive,
    DependencyPenalty,
    Measure,
    Statistic,
    Variational,
    build_measure,
)
from comodal.distributions import GaussianViews

PAGES = Path(__file__).resolve().parents[1] / "docs" / "measures"
WIDTH, BATCH, STEPS, RATE = 8, 256, 400, 3e-3
STRENGTHS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
OF_INFORMATION = ("kl", "mine", "f", "smile", "infonce", "symile", "gram", "gaussian", "club")
"""Measures that estimate the mutual information of two views."""

LEARNS: dict[type[Measure], str] = {
    Variational: "a critic",
    Contrastive: "a temperature",
    Conditional: "conditional distributions",
    Statistic: "nothing",
}
"""Family to what is fitted beside the model."""

PLOT = (60, 16, 420, 190)  # left, top, right, bottom of the axes in an image of 440 by 236


def facts_of(name: str) -> dict[str, str]:
    """Return what the registry says about a measure, in words."""
    spec = MEASURES[name]
    facts, family = spec.facts, type(build_measure(name, dims=[2, 2]))
    return {
        "unit": facts.unit,
        "bound": facts.estimates,
        "views": "pairs" if facts.pairwise else "all at once",
        "widths": "equal" if facts.equal_widths else "any",
        "learns": LEARNS[family],
        "one sample": facts.pointwise or "no",
        "options": ", ".join(f"`{option}`" for option in spec.options) or "none",
    }


def facts_table() -> str:
    """Return the table of all measures."""
    head = ["measure", *list(facts_of("kl"))[:-1]]
    rows = [[f"[`{name}`]({name}.md)", *list(facts_of(name).values())[:-1]] for name in MEASURES]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def facts_list(name: str) -> str:
    """Return the facts of one measure."""
    return "\n".join(f"- {fact}: {said}" for fact, said in facts_of(name).items())


def with_facts(page: str, facts: str) -> str:
    """Return a page with new facts between its marks."""
    return re.sub(r"(<!-- facts -->\n).*?(\n<!-- end -->)", lambda m: m[1] + facts + m[2], page, flags=re.DOTALL)


def value_at(name: str, strength: float) -> float:
    """Return the mean value of a measure over new batches of two Gaussian views, once its parameters are fitted."""
    generator = torch.Generator().manual_seed(0)
    source = GaussianViews.with_total_correlation(strength, views=2, dim=WIDTH)
    measure = build_measure(name, dims=[WIDTH, WIDTH])
    penalty = DependencyPenalty(measure, critic_lr=RATE)
    for _ in range(STEPS if list(measure.parameters()) else 0):
        penalty.update_critic(source.sample(BATCH, generator))
    with torch.no_grad():
        values = [float(measure.value(list(source.sample(BATCH, generator).values()))) for _ in range(8)]
    return sum(values) / len(values)


def picture(name: str, values: list[float]) -> str:
    """Return the image: the values, and dashed the truth where the measure estimates it."""
    truth = list(STRENGTHS) if name in OF_INFORMATION else []
    low, high = min([0.0, *values]), max([*values, *truth, 1e-3])
    left, top, right, bottom = PLOT

    def x_of(strength: float) -> float:
        return left + (right - left) * strength / STRENGTHS[-1]

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    def line(points: list[float], style: str) -> str:
        joined = " ".join(f"{x_of(s):.1f},{y_of(v):.1f}" for s, v in zip(STRENGTHS, points, strict=True))
        return f'<polyline points="{joined}" fill="none" {style}/>'

    ticks = [f'<text x="{x_of(s):.0f}" y="206" text-anchor="middle">{s:g}</text>' for s in (0, 1, 2, 3)]
    ticks += [f'<text x="54" y="{y_of(v) + 4:.0f}" text-anchor="end">{v:.2g}</text>' for v in (low, high)]
    lines = [line(truth, 'stroke="#888" stroke-dasharray="4 3"')] if truth else []
    unit = MEASURES[name].facts.unit
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 236" font-family="sans-serif" font-size="12">',
        '<rect width="440" height="236" fill="#fff"/>',
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#333"/>',
        *ticks, *lines, line(values, 'stroke="#0b62a3" stroke-width="2"'),
        f'<text x="{left + 8}" y="{top + 12}">{name} ({unit})</text>',
        '<text x="240" y="226" text-anchor="middle">total correlation of the views (nats)</text>',
        "</svg>\n",
    ])  # fmt: skip


def main() -> None:
    """Rewrite facts, and pictures on demand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draw", nargs="*", metavar="NAME", help="draw the pictures of these measures, or of all")
    chosen = parser.parse_args().draw
    torch.set_num_threads(1)
    for page in ("index", *MEASURES):
        path = PAGES / f"{page}.md"
        text = path.read_text(encoding="utf-8")
        path.write_text(with_facts(text, facts_table() if page == "index" else facts_list(page)), encoding="utf-8")
    for name in () if chosen is None else chosen or MEASURES:
        values = [value_at(name, strength) for strength in STRENGTHS]
        (PAGES / f"{name}.svg").write_text(picture(name, values), encoding="utf-8")
        print(f"{name:22}", *(f"{value:7.3f}" for value in values), flush=True)


if __name__ == "__main__":
    main()
