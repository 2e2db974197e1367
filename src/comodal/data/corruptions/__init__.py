"""Corruptions of a batch: values that configurations name, and the acts they stand for.

Robustness and training use the same acts. They are loaded on first use, so that reading a configuration needs no torch.
"""

from typing import TYPE_CHECKING, Any

from comodal.data.corruptions.corruption import KINDS, Corruption, Kind, corrupt, kinds_for, parse_corruption

if TYPE_CHECKING:
    from comodal.data.corruptions.acts import (
        add_noise,
        drop_frames,
        drop_modality,
        keep_only,
        replace_words,
        shift_frames,
        swap_modality,
    )

__all__ = [
    "KINDS",
    "Corruption",
    "Kind",
    "add_noise",
    "corrupt",
    "drop_frames",
    "drop_modality",
    "keep_only",
    "kinds_for",
    "parse_corruption",
    "replace_words",
    "shift_frames",
    "swap_modality",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'comodal.data.corruptions' has no attribute {name!r}")
        from comodal.data.corruptions import acts  # noqa: PLC0415 - see the module's docstring

        return getattr(acts, name)
