"""One way to any data set: a name, a path, or one already in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from comodal.contracts import InputError
from comodal.data import cleaning
from comodal.data.checks import check
from comodal.data.dataset import Dataset
from comodal.data.formats import mosi_utterances, recognise
from comodal.data.synthetic import PRESETS, SyntheticConfig, synthetic

__all__ = ["SOURCES", "load"]

SOURCES: tuple[str, ...] = (
    "synthetic",
    *(f"synthetic:{preset}" for preset in PRESETS),
    *(f"mosi:{protocol}" for protocol in mosi_utterances.PROTOCOLS),
)


def load(
    source: str | Path | Dataset | SyntheticConfig,
    *,
    features: Mapping[str, str] | None = None,
    protocol: str | None = None,
    clean: bool = False,
) -> Dataset:
    """Find, read, clean where asked, and check a data set.

    Args:
        source: ``"synthetic"``, ``"synthetic:redundant"``, ``"mosi:nested"`` and the others of :data:`SOURCES`; the
            path of a file or folder that a reader knows; a configuration to draw from; or a data set in memory.
        features: modality to the source's name of its features, which also chooses the modalities and their order.
        protocol: partition of a path that offers several, its first when ``None``.
        clean: repair non-finite features and missing or outlying labels; ``dataset.cleaning`` says what was done.

    Returns:
        A data set that has passed all checks.

    Raises:
        InputError: an unknown name, a file that cannot be read, or data that cannot be used.

    Example:
        >>> dataset = load("synthetic", features={"text": "text", "audio": "audio"})
        >>> len(dataset), dataset.spec.modalities
        (1200, ('text', 'audio'))
    """
    dataset = _read(source, features, protocol)
    if clean:
        dataset, _ = cleaning.clean(dataset)
    return check(dataset, source=str(source) if isinstance(source, str | Path) else dataset.spec.name)


def _read(
    source: str | Path | Dataset | SyntheticConfig, features: Mapping[str, str] | None, protocol: str | None
) -> Dataset:
    if isinstance(source, str | Path):
        family, _, member = str(source).partition(":")
        if family == "mosi":
            return _mosi(member, features, protocol)
        if family != "synthetic":
            return _path(source, features, protocol)
        dataset = _preset(str(source), member or "default")
    else:
        dataset = synthetic(source) if isinstance(source, SyntheticConfig) else source
    if protocol is not None:
        raise InputError(f"protocol {protocol!r}: {dataset.spec.name} has one partition only; leave protocol out")
    return dataset.select_modalities(features) if features else dataset


def _mosi(member: str, features: Mapping[str, str] | None, protocol: str | None) -> Dataset:
    if member and protocol and member != protocol:
        raise InputError(f"mosi:{member} with protocol {protocol!r}: name the protocol once")
    return mosi_utterances.read(mosi_utterances.locate(), protocol=member or protocol, features=features)


def _path(source: str | Path, features: Mapping[str, str] | None, protocol: str | None) -> Dataset:
    path = Path(source)
    if isinstance(source, str) and not path.exists() and path.name == source and not path.suffix:
        raise InputError.unknown("data set", source, SOURCES)
    return recognise(path).read(path, protocol=protocol, features=features)


def _preset(source: str, preset: str) -> Dataset:
    if preset not in PRESETS:
        raise InputError.unknown("preset of synthetic", preset, PRESETS)
    return synthetic(PRESETS[preset], name=source)
