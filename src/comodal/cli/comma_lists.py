"""Comma-separated lists on the command line."""

from __future__ import annotations

from comodal.contracts.errors import InputError

__all__ = ["budgets_of", "metrics_of", "names_of", "numbers_of", "pairs_of"]


def names_of(text: str) -> tuple[str, ...]:
    """Return comma-separated names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def metrics_of(text: str | None) -> tuple[str, ...] | None:
    """Return comma-separated names of metrics; ``None`` without a text, for those of the task."""
    return None if text is None else names_of(text)


def numbers_of(text: str, *, option: str) -> tuple[float, ...]:
    """Return the comma-separated numbers of an option.

    Example:
        >>> numbers_of("0.1, 1", option="--weight-grid")
        (0.1, 1.0)
    """
    try:
        return tuple(float(name) for name in names_of(text))
    except ValueError as error:
        raise InputError(f"{option} {text!r}: give comma-separated numbers", code="wrong_type") from error


def budgets_of(text: str) -> tuple[int, ...]:
    """Return comma-separated label budgets, 0 for ``all``.

    Example:
        >>> budgets_of("5,10,all")
        (5, 10, 0)
    """
    names = names_of(text)
    if not names or not all(name == "all" or (name.isdigit() and int(name) > 0) for name in names):
        raise InputError(
            f"--label-budget {text!r}: give comma-separated whole numbers above 0, or all, such as 5,10,all",
            code="wrong_type",
        )
    return tuple(0 if name == "all" else int(name) for name in names)


def pairs_of(text: str | None) -> dict[str, str] | None:
    """Return comma-separated ``modality=feature`` pairs; ``None`` without a text.

    Example:
        >>> pairs_of("text=text_minilm,audio=audio")
        {'text': 'text_minilm', 'audio': 'audio'}
    """
    pairs = [name.partition("=") for name in names_of(text or "")]
    for key, separator, _ in pairs:
        if not separator:
            example = "text=text_minilm,audio=audio"
            raise InputError(f"{key!r}: write modality=feature, for example {example}", code="invalid")
    return {key: value for key, _, value in pairs} or None
