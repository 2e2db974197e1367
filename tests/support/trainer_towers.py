"""Models of two towers as a Hugging Face ``Trainer`` takes them, that know of no penalty, and their trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Trainer, TrainingArguments

from comodal.integrations.huggingface import TrainerPenalty, attach_to_trainer

LAYERS = {"text": "text_tower", "audio": "audio_tower"}
OPTIONS: dict[str, Any] = {"weight": 0.5, "critic_steps": 2}


class Towers(nn.Module):
    """Two towers and a head; the loss is a mean over its batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.text_tower, self.audio_tower, self.head = nn.Linear(5, 8), nn.Linear(3, 4), nn.Linear(12, 1)

    def views(self, text: Tensor, audio: Tensor) -> dict[str, Tensor]:
        return {"text": self.text_tower(text), "audio": self.audio_tower(audio)}

    def logits(self, views: dict[str, Tensor]) -> Tensor:
        return self.head(torch.cat(list(views.values()), dim=1).relu()).squeeze(1).float()

    def forward(self, text: Tensor, audio: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.logits(self.views(text, audio))
        return {"logits": logits} if labels is None else {"loss": (logits - labels).square().mean(), "logits": logits}


class Counting(Towers):
    """Its loss is a mean over all accumulated batches, as that of language models in the library is."""

    def forward(self, text: Tensor, audio: Tensor, labels: Tensor | None = None, **given: Any) -> dict[str, Tensor]:
        output = super().forward(text, audio, labels)
        if "num_items_in_batch" in given:
            output["loss"] = (output["logits"] - labels).square().sum() / given["num_items_in_batch"]
        return output


class OwnLoss(Trainer):
    """A subclass that computes its loss from the logits, as many users have."""

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, **_: Any) -> Any:
        labels = inputs.pop("labels")
        output = model(**inputs)
        loss = (output["logits"] - labels).square().mean()
        return (loss, output) if return_outputs else loss


def own_function(output: dict[str, Tensor], labels: Tensor, num_items_in_batch: int) -> Tensor:
    return (output["logits"] - labels).square().sum() / num_items_in_batch


def rows(n: int = 72) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    text = torch.randn(n, 5, generator=generator)
    audio = text[:, :3] + 0.1 * torch.randn(n, 3, generator=generator)
    return [{"text": t, "audio": a, "labels": t[0]} for t, a in zip(text, audio, strict=True)]


def trainer_of(folder: Path, model: nn.Module, kind: type[Trainer] = Trainer, func: Any = None, **args: Any) -> Trainer:
    quiet = {"report_to": "none", "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "logging_steps": 2}
    quiet |= {"per_device_train_batch_size": 16, "num_train_epochs": 2, "train_sampling_strategy": "sequential"}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    settings = TrainingArguments(output_dir=str(folder), **quiet | args)
    return kind(
        model,
        settings,
        train_dataset=rows(),
        compute_loss_func=func,
        optimizers=(optimizer, constant),
        eval_dataset=rows(9),
    )


def attached(trainer: Trainer, **options: Any) -> TrainerPenalty:
    return attach_to_trainer(trainer, LAYERS, **OPTIONS | options)
