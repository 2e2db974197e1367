"""One modality's sequence to one representation."""

from comodal.encoders.alignment import align
from comodal.encoders.backbone import Layout
from comodal.encoders.bank import ENCODERS, EncoderBank, EncoderConfig
from comodal.encoders.gated_layer import GatedLayer
from comodal.encoders.language_model import EncodedText, LanguageModel
from comodal.encoders.lstm import LSTMEncoder
from comodal.encoders.lstm_system import LSTMSystem, Packing, UtteranceDropout
from comodal.encoders.padding import zero_padding
from comodal.encoders.pooling import last_frame, masked_mean
from comodal.encoders.presence import ModalityDropout, mask_absent, presence
from comodal.encoders.recall import ModalityEncoders, encode_once
from comodal.encoders.required import require_modalities
from comodal.encoders.temporal import TemporalConvolution, TemporalEncoders
from comodal.encoders.text_encoder import TextEncoder
from comodal.encoders.utterance import UtteranceEncoder

__all__ = [
    "ENCODERS",
    "EncodedText",
    "EncoderBank",
    "EncoderConfig",
    "GatedLayer",
    "LSTMEncoder",
    "LSTMSystem",
    "LanguageModel",
    "Layout",
    "ModalityDropout",
    "ModalityEncoders",
    "Packing",
    "TemporalConvolution",
    "TemporalEncoders",
    "TextEncoder",
    "UtteranceDropout",
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
