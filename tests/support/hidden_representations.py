"""A model that keeps its representations to itself, and its batches."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

LAYERS = {"text": "encoders.text", "audio": "encoders.audio"}


class Hidden(nn.Module):
    """A classifier that keeps its representations to itself."""

    def __init__(self, *, checkpointed: bool = False, reentrant: bool = False) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"text": nn.Linear(5, 8), "audio": nn.Linear(3, 4)})
        self.head = nn.Linear(12, 2)
        self.unused = nn.Linear(2, 2)
        self.checkpointed, self.reentrant = checkpointed, reentrant

    def forward(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        if self.checkpointed:
            joined = checkpoint(self._joined, text, audio, use_reentrant=self.reentrant)
        else:
            joined = self._joined(text, audio)
        return self.head(joined.relu())

    def _joined(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.encoders["text"](text), self.encoders["audio"](audio)], dim=-1)


def batch(seed: int = 0, n: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(n, 5, generator=generator)
    return text, text[:, :3] + 0.1 * torch.randn(n, 3, generator=generator)
