"""One of two processes that Lightning trains in; saves the weights of model and critic to a folder."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import torch

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[2]))


def main(folder: Path) -> None:
    """Fit on every second sample of batches of 24."""
    import lightning.pytorch as pl
    from tests.support.lightning_fusion import callback, loader, module_of, trainer_of

    module, each = module_of(pl), callback()
    how = {"devices": 2, "strategy": "ddp_find_unused_parameters_true", "use_distributed_sampler": False}
    rank = int(os.environ["RANK"])
    trainer_of(pl, folder, each, **how).fit(module, loader(12, rank=rank, world=2))
    critic = {f"critic.{name}": value.detach() for name, value in each.penalty.named_parameters()}
    torch.save({**module.state_dict(), **critic}, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
