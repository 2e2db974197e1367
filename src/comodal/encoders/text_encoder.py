"""A frozen pretrained language model.

Axis legend: B samples, P pieces, H width of a hidden state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence
from comodal.encoders.backbone import load_tokenizer, longest_input
from comodal.encoders.language_model import LanguageModel

__all__ = ["TextEncoder"]


class TextEncoder:
    """A frozen pretrained encoder whose hidden states are features of a text.

    Args:
        backbone: folder with a pretrained encoder and its tokenizer, or its name on the Hugging Face hub.

    Attributes:
        name: the last part of ``backbone``.
        tokenizer: its fast tokenizer.
        width: of a hidden state, H.
        longest: the largest number of pieces that it takes, ``None`` without a limit.

    Raises:
        InputError: the encoder or its tokenizer cannot be loaded, or they do not fit.

    Example:
        >>> import tempfile, transformers
        >>> words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])}
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 6}
        >>> with tempfile.TemporaryDirectory() as folder:  # in place of a pretrained encoder
        ...     _ = transformers.BertTokenizerFast(vocab=words).save_pretrained(folder)
        ...     transformers.BertModel(transformers.BertConfig(**sizes)).save_pretrained(folder)
        ...     encoder = TextEncoder(folder)
        >>> pieces = torch.tensor([[[2, 0], [5, 0], [3, 0]]])
        >>> encoder.states(ModalitySequence(pieces, torch.ones(1, 3, dtype=torch.bool))).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, backbone: str) -> None:
        self.tokenizer: Any = load_tokenizer(backbone)
        self._model = LanguageModel(backbone).eval()
        self.name = Path(backbone).expanduser().name or backbone
        self.width = self._model.width
        self.longest = longest_input(self._model)

    def states(self, pieces: ModalitySequence) -> Tensor:
        """Return the hidden states after the last layer, without dropout.

        Args:
            pieces: ``(B, P, 2)`` ids and type ids, legal ones in the padding too; and the mask ``(B, P)`` of real
                pieces.

        Returns:
            ``(B, P, H)``, undefined where the mask is false.
        """
        with torch.no_grad():
            return self._model.last_states(pieces)
