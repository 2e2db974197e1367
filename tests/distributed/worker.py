"""One process of the distributed tests: trains a small encoder under every measure and saves what it saw.

Run as ``python worker.py FOLDER`` under the environment of ``torchrun``; :func:`trained` is also called in the test's
own process, as the reference.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from comodal.dependency import MEASURES, DependencyPenalty, distributed

DIMS = {"text": 6, "audio": 4, "vision": 4}
ROWS = 14
SPLITS = {"even": [7, 7], "uneven": [10, 4]}
VARIANTS: list[dict[str, Any]] = [
    *({"measure": name} for name in MEASURES),
    {"measure": "kl", "critic": "joint"},
    {"measure": "kl", "critic_steps": 3},
    {"measure": "mine", "critic_steps": 0},
    {"measure": "wasserstein", "lipschitz": "spectral_norm", "critic": "joint"},
    {"measure": "jensen_shannon", "gaps": True},
    {"measure": "infonce", "gaps": True},
]


class Encoders(nn.Module):
    """Representations of one input."""

    def __init__(self, dims: dict[str, int]) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({name: nn.Linear(5, dim) for name, dim in dims.items()})

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        return {name: encoder(inputs) for name, encoder in self.encoders.items()}


def trained(options: dict[str, Any], *, rank: int | None, rows: list[int], seed: int = 0) -> dict[str, Any]:
    """Two steps on one's own rows of the global batch (all of them when rank is None)."""
    torch.manual_seed(0)
    dims = dict.fromkeys(DIMS, 4) if MEASURES[options["measure"]].facts.equal_widths else DIMS
    plain = Encoders(dims)
    model = plain if rank is None else DistributedDataParallel(plain)
    torch.manual_seed(seed + (rank or 0))  # ranks differ in their global generators, as they do in practice
    penalty = DependencyPenalty(
        options["measure"], dims=dims, **{k: v for k, v in options.items() if k not in {"measure", "gaps"}}
    )
    penalty.weight *= penalty.measure.gradient_scale  # two steps of the same rate suit every measure
    there = {name: torch.arange(ROWS) % period != 2 for name, period in (("text", 5), ("audio", 7))}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    values, gradients = [], []
    for step in range(2):
        batch = torch.randn(ROWS, 5, generator=torch.Generator().manual_seed(step))
        views = model(batch if rank is None else batch.split(rows)[rank])
        own = there if rank is None else {name: each.split(rows)[rank] for name, each in there.items()}
        mask = own if options.get("gaps") else None
        penalty.update_critic(views, mask=mask)
        loss = penalty(views, mask=mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss.detach()))
        gradients.append({name: parameter.grad.clone() for name, parameter in plain.named_parameters()})
    critic = {name: parameter.detach().clone() for name, parameter in penalty.named_parameters()}
    own = [parameter.grad for parameter in penalty.parameters() if parameter.grad is not None]
    return {"values": values, "gradients": gradients, "critic": critic, "critic_gradients": own}


def main() -> None:
    """Every variant and split, then one without gathering."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    seen: dict[str, Any] = {
        f"{split} {options}": trained(options, rank=rank, rows=rows)
        for split, rows in SPLITS.items()
        for options in VARIANTS
    }
    distributed.gather_views = lambda views: views
    seen["not gathered"] = trained({"measure": "kl"}, rank=rank, rows=SPLITS["even"])
    torch.save(seen, Path(sys.argv[1]) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
