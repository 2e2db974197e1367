"""Published settings, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from comodal.contracts import InputError

__all__ = ["Preset", "load_preset", "preset_names"]


@dataclass(frozen=True)
class Preset:
    """A published setting.

    Attributes:
        name: its name here.
        data: its data set.
        videos: fewest and most videos of such data.
        source: its publication.
        differs: differences to the publication.
        run: options of a run: ``fusion``, ``fusion_config``, ``training``.
    """

    name: str
    data: str
    videos: tuple[int, int]
    source: str
    differs: str
    run: dict[str, Any]

    def require(self, videos: int, *, source: str) -> None:
        """Check that data are those of the setting, by their number of videos."""
        fewest, most = self.videos
        if not fewest <= videos <= most:
            raise InputError(
                f"{source}: has {videos} videos, and preset {self.name!r} is for {self.data} ({fewest} to {most}); "
                "take one for these data, or its options without `preset`",
                code="mismatch",
            )


@cache
def _catalog() -> dict[str, Any]:
    text = files("comodal").joinpath("configs", "presets.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(_catalog())


def load_preset(name: str) -> Preset:
    """Return a preset by name."""
    if name not in _catalog():
        raise InputError.unknown("preset", name, _catalog())
    entry = _catalog()[name]
    fewest, most = entry["videos"]
    return Preset(name, entry["data"], (fewest, most), entry["source"], entry["differs"], entry["run"])
