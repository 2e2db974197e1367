"""One of two processes that a Hugging Face ``Trainer`` trains in; saves the weights of model and critic to a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))


def main(folder: Path) -> None:
    """Fit on batches of 24, 12 in each process."""
    from tests.support.trainer_towers import Towers, attached, trainer_of

    trainer = trainer_of(folder, Towers(), per_device_train_batch_size=12)
    each = attached(trainer)
    trainer.train()
    critic = {f"critic.{name}": value.detach() for name, value in each.penalty.named_parameters()}
    torch.save({**trainer.model.state_dict(), **critic}, folder / f"{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
