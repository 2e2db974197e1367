"""Counts of what cleaning changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["CleaningReport"]


@dataclass(frozen=True)
class CleaningReport:
    """Counts of everything that cleaning changed; it travels with the data set.

    Attributes:
        utterances: number of samples that are left.
        dropped: ids of samples that were dropped because their label was missing.
        clipped_labels: labels that lay outside the legal range and were moved to its edge.
        replaced_values: modality to number of non-finite values that were replaced.
        replaced_utterances: modality to number of samples these were in.

    Example:
        >>> str(CleaningReport(10, ("u3",), 0, {"text": 4}, {"text": 1}))
        '4 non-finite values of text in 1 sample replaced; 1 sample without label dropped'
    """

    utterances: int
    dropped: tuple[str, ...]
    clipped_labels: int
    replaced_values: Mapping[str, int]
    replaced_utterances: Mapping[str, int]

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.dropped or self.clipped_labels or any(self.replaced_values.values()))

    def of(self, features: Mapping[str, str]) -> CleaningReport:
        """Return the report for the features that are used, under the names of their modalities.

        Args:
            features: modality to name of the features in this report.
        """
        values = {modality: self.replaced_values.get(name, 0) for modality, name in features.items()}
        utterances = {modality: self.replaced_utterances.get(name, 0) for modality, name in features.items()}
        return replace(self, replaced_values=values, replaced_utterances=utterances)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        plain = asdict(self)
        return {**plain, "dropped": list(self.dropped)}

    def __str__(self) -> str:
        parts = [
            f"{_count(count, 'non-finite value')} of {name} in "
            f"{_count(self.replaced_utterances[name], 'sample')} replaced"
            for name, count in self.replaced_values.items()
            if count
        ]
        if self.dropped:
            parts.append(f"{_count(len(self.dropped), 'sample')} without label dropped")
        if self.clipped_labels:
            parts.append(f"{_count(self.clipped_labels, 'label')} moved into range")
        return "; ".join(parts) or "nothing to clean"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
