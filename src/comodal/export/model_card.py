"""The model card: README of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CardFacts", "model_card"]


@dataclass(frozen=True)
class CardFacts:
    """The facts on a model card."""

    name: str
    fusion: str
    measure: str
    weight: float
    source: str
    seed: int
    folds: int  # one model each
    dims: Mapping[str, int]  # modality to features a frame; 0 for a text that is read from transcripts
    metrics: Mapping[str, Mapping[str, Any]]  # metric to the fields of its Score
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # simple model to metric to value
    task: str = "sentiment"
    note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    onnx: bool = False


def model_card(facts: CardFacts) -> str:
    """Return the card as Markdown."""
    parts = [_head(facts), _results(facts), _limits(facts), _use(facts), _versions(facts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(facts: CardFacts) -> str:
    average = " on average" if facts.folds > 1 else ""
    penalty = (
        "no dependency penalty"
        if facts.measure == "none"
        else f"a dependency penalty ({facts.measure}, weight {facts.weight:g}{average})"
    )
    inputs = "\n".join(
        f"| {name} | {f'{dim} features a frame' if dim else 'transcript'} |" for name, dim in facts.dims.items()
    )
    models = "one model" if facts.folds == 1 else f"{facts.folds} models, one a fold; the prediction is their mean"
    return (
        f"---\nlibrary_name: comodal\ntags: [multimodal, {facts.task}]\n---\n\n"
        f"# {facts.name}\n\n"
        f"{facts.fusion} fusion with {penalty}, trained on `{facts.source}`, seed {facts.seed}: {models}.\n\n"
        f"| modality | input |\n|---|---|\n{inputs}"
    )


def _results(facts: CardFacts) -> str:
    if not facts.metrics:
        return ""
    rows = "\n".join(
        f"| {name} | {_shown(each['value'])} {each.get('unit', '')} "
        f"| [{_shown(each['ci_low'])}, {_shown(each['ci_high'])}] |"
        + "".join(f" {_shown(values.get(name))} |" for values in facts.references.values())
        for name, each in facts.metrics.items()
    )
    first = next(iter(facts.metrics.values()))
    heads = "".join(f" {name} |" for name in facts.references)
    simple = " The last columns are simple reference models on the same data." if heads else ""
    return (
        f"## Results\n\nOn {first['n']} test samples of {first['n_groups']} groups, each predicted by a model "
        f"that was not trained on it; 95 % intervals over groups.{simple}\n\n"
        f"| metric | value | interval |{heads}\n|---|---|---|{'---|' * len(facts.references)}\n{rows}"
    )


def _limits(facts: CardFacts) -> str:
    note = f"\n- Note of the data: {facts.note}" if facts.note else ""
    return (
        "## Limits\n\n"
        "- It was trained on samples like those above; the results do not show how it does on others.\n"
        "- Features must come from the same extractors, unstandardised: they are standardised here.\n"
        "- A modality that is missing is hidden, and the prediction is then worse than the results above.\n"
        "- One seed: other seeds give other numbers.\n"
        "- The weights are derived from the data; whatever licence and terms the data come with bind their use, too."
        f"{note}"
    )


def _use(facts: CardFacts) -> str:
    arrays = ", ".join(f'"{name}": {name}' for name, dim in facts.dims.items() if dim)
    words = ", transcript=transcript" if 0 in facts.dims.values() else ""
    onnx = (
        "\n\n`model.onnx` takes the same features and, for each modality, `<name>_mask` (batch, frames), true on real "
        "frames; it returns the mean over the folds."
        if facts.onnx
        else ""
    )
    return (
        "## Use\n\n```python\nimport comodal\n\n"
        f'model = comodal.load_model("{facts.name}")\n'
        f"print(model.predict({{{arrays}}}{words}).prediction)  # (N, features) or (N, frames, features)\n```\n\n"
        f"or `comodal predict {facts.name} INPUT -o predictions.csv`.{onnx}"
    )


def _versions(facts: CardFacts) -> str:
    if not facts.versions:
        return ""
    return "## Versions\n\n" + ", ".join(f"{name} {version}" for name, version in facts.versions.items())


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
