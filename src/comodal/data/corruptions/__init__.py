"""Pure acts on a batch: hide, disturb or exchange a modality. The batch given is never changed.

Every act takes its chance from a generator of the caller, keeps the shapes of all tensors, and leaves values of 0 where
a mask is false. Robustness and training use these same acts.
"""

from comodal.data.corruptions.corruption import Corruption, corrupt, parse_corruption
from comodal.data.corruptions.dropping import drop_modality, keep_only
from comodal.data.corruptions.kinds import KINDS, Kind, kinds_for
from comodal.data.corruptions.missing import drop_frames
from comodal.data.corruptions.noise import add_noise
from comodal.data.corruptions.shifting import shift_frames
from comodal.data.corruptions.swapping import swap_modality
from comodal.data.corruptions.words import replace_words

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
