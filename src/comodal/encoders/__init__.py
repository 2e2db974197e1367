"""One modality's sequence to one representation."""

from comodal.encoders.bank import EncoderBank, EncoderConfig
from comodal.encoders.pooling import masked_mean
from comodal.encoders.presence import ModalityDropout, mask_absent, presence
from comodal.encoders.utterance import UtteranceEncoder

__all__ = [
    "EncoderBank",
    "EncoderConfig",
    "ModalityDropout",
    "UtteranceEncoder",
    "mask_absent",
    "masked_mean",
    "presence",
]
