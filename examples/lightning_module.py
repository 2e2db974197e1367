"""Add a dependency penalty to a LightningModule without changing it: ``python examples/lightning_module.py``."""

import lightning.pytorch as pl
import torch
from torch import nn

from comodal.integrations.lightning import DependencyCallback


class Classifier(pl.LightningModule):
    """A module that knows of no penalty and keeps its representations to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"text": nn.Linear(20, 32), "audio": nn.Linear(12, 16)})
        self.head = nn.Linear(48, 2)

    def forward(self, text: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        joined = torch.cat([self.encoders["text"](text), self.encoders["audio"](audio)], dim=1)
        return self.head(joined.relu())

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Return the task loss; the callback adds its term."""
        text, audio, label = batch
        loss = nn.functional.cross_entropy(self(text, audio), label)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return an optimiser of the model; the callback has its own for the critic."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def main() -> dict[str, float]:
    """Train on random data and return what was logged."""
    text = torch.randn(256, 20)
    audio = text[:, :12] + torch.randn(256, 12)
    data = torch.utils.data.TensorDataset(text, audio, (text[:, 0] > 0).long())
    layers = {"text": "encoders.text", "audio": "encoders.audio"}  # paths as in module.named_modules()
    penalty = DependencyCallback(layers, measure="kl", weight=0.1)
    trainer = pl.Trainer(max_epochs=2, callbacks=[penalty], accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(Classifier(), torch.utils.data.DataLoader(data, batch_size=32, shuffle=True))
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    print(main())
