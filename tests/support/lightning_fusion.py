"""A LightningModule that knows of no penalty, its data and its trainer."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from comodal.integrations.lightning import DependencyCallback

LAYERS = {"text": "encoders.text", "audio": "encoders.audio"}
OPTIONS: dict[str, Any] = {"weight": 0.5, "critic_steps": 2}


class Fusion(nn.Module):
    """Two encoders and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"text": nn.Linear(5, 8), "audio": nn.Linear(3, 4)})
        self.head = nn.Linear(12, 1)

    def views(self, text: Tensor, audio: Tensor) -> dict[str, Tensor]:
        return {"text": self.encoders["text"](text), "audio": self.encoders["audio"](audio)}

    def loss(self, views: dict[str, Tensor], label: Tensor) -> Tensor:
        return (self.head(torch.cat(list(views.values()), dim=1).relu()).squeeze(1).float() - label).square().mean()


def module_of(pl: ModuleType, returns: str = "tensor") -> Any:
    """A LightningModule as users write it: its training step knows of no penalty."""

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.fusion = Fusion()
            self.returns = returns

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
            text, audio, label = batch
            loss = self.fusion.loss(self.fusion.views(text, audio), label)
            if self.returns != "compiled":  # PyTorch cannot trace Lightning's log
                self.log("train_loss", loss)
            if self.returns == "some" and batch_idx == 1:
                return None
            return {"loss": loss, "other": 1} if self.returns == "dict" else loss

        def validation_step(self, batch: list[Tensor]) -> None:
            text, audio, label = batch
            self.log("val_loss", self.fusion.loss(self.fusion.views(text, audio), label))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.05)

    return Module()


def loader(batch_size: int = 16, *, rank: int = 0, world: int = 1) -> torch.utils.data.DataLoader[Any]:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(72, 5, generator=generator)
    data = [text, text[:, :3] + 0.1 * torch.randn(72, 3, generator=generator), text[:, 0]]
    rows = [each[rank::world] for each in data]
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*rows), batch_size=batch_size)


def callback(**options: Any) -> DependencyCallback:
    return DependencyCallback({name: f"fusion.{path}" for name, path in LAYERS.items()}, **OPTIONS | options)


def trainer_of(pl: ModuleType, folder: Path, *callbacks: Any, **options: Any) -> Any:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet |= {"enable_checkpointing": False, "default_root_dir": folder, "accelerator": "cpu", "max_epochs": 2}
    return pl.Trainer(callbacks=list(callbacks), **quiet | options)
