"""One modality's sequence to one representation."""

from comodal.encoders.alignment import align
from comodal.encoders.bank import ENCODERS, EncoderBank, EncoderConfig
from comodal.encoders.lstm import LSTMEncoder
from comodal.encoders.padding import zero_padding
from comodal.encoders.pooling import last_frame, masked_mean
from comodal.encoders.presence import ModalityDropout, mask_absent, presence
from comodal.encoders.recall import ModalityEncoders, encode_once
from comodal.encoders.required import require_modalities
from comodal.encoders.utterance import UtteranceEncoder

__all__ = [
    "ENCODERS",
    "EncoderBank",
    "EncoderConfig",
    "LSTMEncoder",
    "ModalityDropout",
    "ModalityEncoders",
    "UtteranceEncoder",
    "align",
    "encode_once",
    "last_frame",
    "mask_absent",
    "masked_mean",
    "presence",
    "require_modalities",
    "zero_padding",
]
