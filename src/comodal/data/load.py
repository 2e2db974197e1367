"""One way to any data set: a name, a path, or one already in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from comodal.contracts import InputError
from comodal.data import store
from comodal.data.assemble import assemble, chosen_features, require_division
from comodal.data.cache import cached
from comodal.data.checks import check, refuse
from comodal.data.cleaning import clean as repaired
from comodal.data.dataset import Dataset
from comodal.data.formats import Source, mosi_utterances, recognise
from comodal.data.manifest import read_manifest
from comodal.data.rules import RULES
from comodal.data.synthetic import PRESETS, SyntheticConfig, synthetic

__all__ = ["SOURCES", "load", "open_source"]

SOURCES: tuple[str, ...] = (
    "synthetic",
    *(f"synthetic:{preset}" for preset in PRESETS),
    *(f"mosi:{protocol}" for protocol in mosi_utterances.PROTOCOLS),
)
_FOREIGN = "cleaned: non-finite features were filled in from the train part of another protocol"


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
    if isinstance(source, str | Path):
        family, _, preset = str(source).partition(":")
        if family != "synthetic":
            opened, division = open_source(source, protocol=protocol)
            return _from_files(opened, division, features, clean=clean, where=str(source))
        if preset and preset not in PRESETS:
            raise InputError.unknown("preset of synthetic", preset, PRESETS)
        dataset = synthetic(PRESETS[preset or "default"], name=str(source))
    else:
        dataset = synthetic(source) if isinstance(source, SyntheticConfig) else source
    name = dataset.spec.name
    if protocol is not None:
        raise InputError(f"protocol {protocol!r}: {name} has one partition only; leave protocol out", code="conflict")
    dataset = dataset.select_modalities(features) if features else dataset
    return check(repaired(dataset) if clean else dataset, source=name)


def open_source(source: str | Path, *, protocol: str | None = None) -> tuple[Source, str | None]:
    """The files behind a name or path, recognised by their content, and the protocol that was asked for.

    Raises:
        InputError: an unknown name, nothing there, or files that no reader knows.
    """
    family, _, member = str(source).partition(":")
    if family == "mosi" and not Path(source).exists():
        if member and protocol and member != protocol:
            raise InputError(f"mosi:{member} with protocol {protocol!r}: name the protocol once", code="conflict")
        return mosi_utterances.open_source(mosi_utterances.locate()), member or protocol
    path = Path(source)
    if isinstance(source, str) and not path.exists() and path.name == source and not path.suffix:
        raise InputError.unknown("data set", source, SOURCES)
    reader = store.FORMAT if store.FORMAT.recognises(path) else recognise(path)
    return reader.open(path), protocol


def _from_files(
    source: Source, protocol: str | None, features: Mapping[str, str] | None, *, clean: bool, where: str
) -> Dataset:
    """Return a data set from files that were converted, now if need be; converting has counted and repaired them."""
    require_division(source, protocol)
    used = chosen_features(source, protocol, features)
    raw = source.format != store.FORMAT.name
    stored = cached(source) if raw else source
    manifest = read_manifest(stored.path)
    report = manifest.cleaning.of(used)
    foreign = any(report.replaced_values.values()) and protocol not in {None, next(iter(source.divisions))}
    if raw and foreign and clean:  # with the medians of this protocol
        return check(repaired(assemble(source, protocol=protocol, features=features)), source=where)
    dataset = assemble(replace(stored, path=source.path), protocol=protocol, features=features)
    if foreign:
        note = "; ".join(each for each in (dataset.spec.note, _FOREIGN) if each)
        dataset = replace(dataset, spec=replace(dataset.spec, note=note))
    counts = {modality: manifest.inspection.features[name] for modality, name in used.items()}
    rules = [rule for rule in RULES if not (rule.repaired and (clean or not raw))]
    refuse(dataset, replace(manifest.inspection, features=counts), where=where, rules=rules)
    return replace(dataset, cleaning=report if clean or report.changed else None)
