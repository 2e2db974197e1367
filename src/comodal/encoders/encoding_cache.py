"""One encoder per modality, and a cache that encodes the same tensors once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders.presence import require_modalities

__all__ = ["ModalityEncoders", "encode_once"]


class EncodingCache:
    """Cache of encodings, keyed by the identity of tensors; sequences that are not known are not cached."""

    def __init__(self, known: Iterable[ModalitySequence]) -> None:
        # Kept alive, so that no other tensor takes their address.
        self._known = {(id(values), id(mask)): (values, mask) for values, mask in known}
        self._found: dict[tuple[str, int, int], Any] = {}

    def encoded(self, name: str, encoder: nn.Module, sequence: ModalitySequence) -> Any:
        """Return the encoding of a sequence by the encoder of this name, from the cache where possible."""
        tensors = id(sequence.values), id(sequence.mask)
        if tensors not in self._known:
            return encoder(sequence)
        key = (name, *tensors)
        if key not in self._found:
            self._found[key] = encoder(sequence)
        return self._found[key]


class ModalityEncoders(nn.ModuleDict):
    """One encoder per modality, in order; each maps a :class:`~comodal.contracts.ModalitySequence`.

    Example:
        >>> import torch
        >>> from comodal.encoders.sequence_encoders import MeanEncoder
        >>> encoder = MeanEncoder(5, hidden=8, out=4, input_dropout=0.0, dropout=0.1)
        >>> sequence = ModalitySequence(torch.zeros(2, 1, 5), torch.ones(2, 1, dtype=torch.bool))
        >>> batch = MultimodalBatch(("a", "b"), {"text": sequence}, torch.zeros(2))
        >>> ModalityEncoders({"text": encoder})(batch)["text"].shape
        torch.Size([2, 4])
    """

    cache: EncodingCache | None = None

    def forward(self, batch: MultimodalBatch) -> dict[str, Any]:
        """Return the encoding of each modality.

        Raises:
            InputError: the batch lacks a modality; an absent one is a mask that is all false.
        """
        require_modalities(batch, self)
        return {name: self._encoded(name, encoder, batch.modalities[name]) for name, encoder in self.items()}

    def _encoded(self, name: str, encoder: nn.Module, sequence: ModalitySequence) -> Any:
        if self.cache is None or self.training:  # in training, dropout encodes the same tensors anew every time
            return encoder(sequence)
        return self.cache.encoded(name, encoder, sequence)


@contextmanager
def encode_once(model: nn.Module, known: Iterable[ModalitySequence]) -> Iterator[None]:
    """Encode each of these sequences once inside the context, whatever batches they occur in.

    Has no effect in training mode, or on models without one encoder per modality. Weights must not change inside.

    Args:
        model: in evaluation mode.
        known: sequences that occur again as the same tensors.

    Example:
        >>> import torch
        >>> from comodal.contracts import DatasetSpec
        >>> from comodal.encoders.bank import EncoderBank, EncoderConfig
        >>> bank = EncoderBank(DatasetSpec("toy", {"text": 4}, {"text": 1}), EncoderConfig(representation=8)).eval()
        >>> text = ModalitySequence(torch.zeros(2, 1, 4), torch.ones(2, 1, dtype=torch.bool))
        >>> batch = MultimodalBatch(("a", "b"), {"text": text}, torch.zeros(2))
        >>> with encode_once(bank, [text]):
        ...     bank(batch)["text"] is bank(batch)["text"]
        True
        >>> bank(batch)["text"] is bank(batch)["text"]
        False
    """
    kept = list(known)
    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, ModalityEncoders):
                before, module.cache = module.cache, EncodingCache(kept)
                stack.callback(setattr, module, "cache", before)
        yield
