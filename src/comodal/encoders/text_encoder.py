"""A pretrained language model that is read from and never trained.

Axis legend: B utterances, P pieces, H width of a hidden state.
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
    """Hidden states of a pretrained encoder, as features of a text.

    Args:
        backbone: folder with a pretrained encoder and its tokenizer, or its name on the Hugging Face hub.

    Attributes:
        name: the last part of ``backbone``.
        tokenizer: its fast tokenizer.
        width: of a hidden state, H.
        longest: most pieces that it takes, ``None`` where there is no end to them.

    Raises:
        InputError: the encoder or its tokenizer cannot be loaded, or they do not fit.

    Example:
        >>> import tempfile, transformers
        >>> words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good"])}
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 6}
        >>> with tempfile.TemporaryDirectory() as folder:  # stands for one with a pretrained encoder
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
        """Hidden states behind the last layer, without dropout.

        Args:
            pieces: ``(B, P, 2)`` ids and type ids, legal ones in the padding too; and the mask ``(B, P)`` of those that
                are read.

        Returns:
            ``(B, P, H)``; what stands where the mask is false means nothing.
        """
        with torch.no_grad():
            return self._model.last_states(pieces)
