"""Unimodal encoders: from the sequence of a modality to its representation."""

from comodal.encoders.backbone import Layout
from comodal.encoders.bank import ENCODERS, EncoderBank, EncoderConfig
from comodal.encoders.encoding_cache import ModalityEncoders, encode_once
from comodal.encoders.gated_layer import GatedLayer
from comodal.encoders.language_model import EncodedText, LanguageModel, TextEncoder
from comodal.encoders.lstm_system import LSTMSystem, Packing, SampleDropout
from comodal.encoders.pooling import align, last_frame, masked_mean, zero_padding
from comodal.encoders.presence import ModalityDropout, mask_absent, presence, require_modalities
from comodal.encoders.sequence_encoders import LSTMEncoder, MeanEncoder
from comodal.encoders.temporal import TemporalConvolution, TemporalEncoders

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
    "MeanEncoder",
    "ModalityDropout",
    "ModalityEncoders",
    "Packing",
    "SampleDropout",
    "TemporalConvolution",
    "TemporalEncoders",
    "TextEncoder",
    "align",
    "encode_once",
    "last_frame",
    "mask_absent",
    "masked_mean",
    "presence",
    "require_modalities",
    "zero_padding",
]
