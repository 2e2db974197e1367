"""Encoders of several modalities that need not encode the same tensors twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders.required import require_modalities

__all__ = ["ModalityEncoders", "encode_once"]


class Recall:
    """Encodings of some sequences, which are recognised by their tensors and not by what stands in them.

    Args:
        known: the sequences that will come again. They are kept, so that no other tensor takes their place in memory;
            nothing else is kept, however much is encoded.
    """

    def __init__(self, known: Iterable[ModalitySequence]) -> None:
        self._known = {_tensors(sequence): sequence for sequence in known}
        self._found: dict[tuple[str, int, int], Any] = {}

    def encoded(self, name: str, encoder: nn.Module, sequence: ModalitySequence) -> Any:
        """The encoding by the encoder of this name."""
        tensors = _tensors(sequence)
        if tensors not in self._known:
            return encoder(sequence)
        key = (name, *tensors)
        if key not in self._found:
            self._found[key] = encoder(sequence)
        return self._found[key]


def _tensors(sequence: ModalitySequence) -> tuple[int, int]:
    return id(sequence.values), id(sequence.mask)


class ModalityEncoders(nn.ModuleDict):
    """One encoder a modality, in order; each maps a :class:`~comodal.contracts.ModalitySequence`.

    Example:
        >>> import torch
        >>> from comodal.encoders.utterance import UtteranceEncoder
        >>> encoder = UtteranceEncoder(5, hidden=8, out=4, input_dropout=0.0, dropout=0.1)
        >>> sequence = ModalitySequence(torch.zeros(2, 1, 5), torch.ones(2, 1, dtype=torch.bool))
        >>> batch = MultimodalBatch(("a", "b"), {"text": sequence}, torch.zeros(2))
        >>> ModalityEncoders({"text": encoder})(batch)["text"].shape
        torch.Size([2, 4])
    """

    recall: Recall | None = None

    def forward(self, batch: MultimodalBatch) -> dict[str, Any]:
        """What each encoder makes of its modality.

        Raises:
            InputError: the batch lacks a modality; an absent one is a mask that is all false.
        """
        require_modalities(batch, self)
        return {name: self._encoded(name, encoder, batch.modalities[name]) for name, encoder in self.items()}

    def _encoded(self, name: str, encoder: nn.Module, sequence: ModalitySequence) -> Any:
        # While training, dropout makes another encoding of the same tensors every time.
        return (
            encoder(sequence) if self.recall is None or self.training else self.recall.encoded(name, encoder, sequence)
        )


@contextmanager
def encode_once(model: nn.Module, known: Iterable[ModalitySequence]) -> Iterator[None]:
    """Inside, each of these sequences is encoded once, in whatever batch it comes; weights must not change.

    A model that has no encoders of single modalities computes everything again. A model in training mode does so, too.

    Args:
        model: in evaluation mode.
        known: sequences that will come again, the very same tensors.

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
                before, module.recall = module.recall, Recall(kept)
                stack.callback(setattr, module, "recall", before)
        yield
