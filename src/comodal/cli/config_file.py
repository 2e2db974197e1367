"""The `--config` option: a YAML file whose every key is an option of the command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonargparse
import yaml

from comodal.contracts import InputError
from comodal.training.presets import load_preset

__all__ = ["ConfigFile"]

_PRESET = "preset:"


class ConfigFile(jsonargparse.ActionConfigFile):  # type: ignore[name-defined,misc]  # exported lazily
    """Read options from a YAML file or a preset; an error names the file, the key and the nearest known option."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Check the file, then apply it."""
        if str(values).startswith(_PRESET):
            name = str(values).removeprefix(_PRESET)
            super().__call__(parser, cfg, yaml.safe_dump({**load_preset(name).run, "preset": name}), option_string)
            return
        content = _read(Path(values))
        options = {action.dest for action in parser._actions}  # noqa: SLF001 - argparse offers no other list
        for key in _keys(content, options):
            if key not in options:
                known = sorted(option for option in options if option not in {"help", "config", "print_config"})
                raise InputError.unknown("option", key, known, where=str(values))
        if content:  # the parser takes an empty file for a mistake
            super().__call__(parser, cfg, values, option_string)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "binary data"
        raise InputError(f"{path}: cannot be read ({reason}); give a YAML file", code="cannot_read") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})", code="damaged") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        message = f"{path}: holds a {type(content).__name__}; write one option per line, such as `fusion: lfn`"
        raise InputError(message, code="wrong_type")
    return content


def _keys(values: Mapping[str, Any], options: set[str], prefix: str = "") -> Iterator[str]:
    """Yield dotted names; the keys of a mapping are options of their own where the parser has such options."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and any(option.startswith(f"{name}.") for option in options):
            yield from _keys(value, options, f"{name}.")
        else:
            yield name
