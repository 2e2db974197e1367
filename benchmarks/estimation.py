"""Held-out estimates compared with known values: a table of measure x distribution that never fails.

OMP_NUM_THREADS=1 python benchmarks/estimation.py                  # the Gaussian target: 3 seeds, 10 000 samples
OMP_NUM_THREADS=1 python benchmarks/estimation.py --all            # every measure x nine distributions, seed 0
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from comodal.dependency import MEASURES, Bound
from comodal.dependency.estimation import EstimationConfig, estimate_dependency
from comodal.distributions import (
    CopiedBits,
    GaussianViews,
    HalfCube,
    Independent,
    KnownDistribution,
    StudentT,
    XorBits,
)

TARGETS = {0.5: 0.08, 2.0: 0.15, 5.0: 0.4}


@dataclass(frozen=True)
class Cubed:
    """The views of another distribution with each coordinate cubed: the same truth, heavier tails."""

    inner: KnownDistribution

    def sample(self, n: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Return cubed samples of the inner distribution."""
        return {name: view**3 for name, view in self.inner.sample(n, generator).items()}

    def truth(self, measure: str) -> float | None:
        """Return the truth of the inner distribution."""
        return None if measure == "wasserstein" else self.inner.truth(measure)


def gaussians() -> dict[str, KnownDistribution]:
    """Return the six Gaussian distributions of the accuracy target."""
    make = GaussianViews.with_total_correlation
    plain = {f"Gaussian {tc} nats": make(tc, views=3, dim=10) for tc in TARGETS}
    return plain | {f"Gaussian {tc} nats, rotated": make(tc, views=3, dim=10, rotation_seed=1) for tc in TARGETS}


def others() -> dict[str, object]:
    """Return the distributions that are not Gaussian, and the independent one."""
    rotated = GaussianViews.with_total_correlation(2.0, views=3, dim=10, rotation_seed=1)
    return {
        "Gaussian 2.0 nats, rotated, cubed": Cubed(rotated),
        "two copied bits": CopiedBits(2),
        "three copied bits": CopiedBits(3),
        "exclusive or": XorBits(),
        "half cube": HalfCube(),
        "Student-t 1 df, 2 x 2": StudentT(GaussianViews.with_total_correlation(2.0, views=2, dim=2), df=1.0),
        "Student-t 1 df, 3 x 10": StudentT(GaussianViews.with_total_correlation(2.0, views=3, dim=10), df=1.0),
        "independent": Independent(3, 10),
    }


def row(name: str, distribution: object, measure: str, seeds: Iterable[int], n: int) -> str:
    """Return one line of the table."""
    # Bits and the Wasserstein truth are in the units of the data; all else is scaled as by default.
    truth = distribution.truth(measure)
    as_given = measure == "wasserstein" and truth is not None
    config = EstimationConfig(scaling="none") if as_given else EstimationConfig()
    values, intervals, seconds = [], [], []
    for seed in seeds:
        views: Mapping[str, torch.Tensor] = distribution.sample(n, torch.Generator().manual_seed(seed))
        start = time.process_time()
        estimate = estimate_dependency(views, measure=measure, seed=seed, config=config)
        seconds.append(time.process_time() - start)
        values.append(estimate.value)
        intervals.append(f"[{estimate.ci_low:.3f}, {estimate.ci_high:.3f}]")
    mean = sum(values) / len(values)
    cells = ["-" if truth is None else f"{truth:.3f}", f"{mean:.3f}", "-" if truth is None else f"{mean - truth:+.3f}"]
    return f"| {name} | {measure} | {' | '.join(cells)} | {' '.join(intervals)} | {max(seconds):.1f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every measure and distribution, one seed")
    parser.add_argument("--samples", type=int, default=10_000, help="half to fit, half to report on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| distribution | measure | truth | estimate | error | 95 % interval of each seed | CPU seconds, worst |")
    print("|---|---|---|---|---|---|---|")
    rotated = "Gaussian 2.0 nats, rotated"
    if options.all:
        table = [
            (name, measure, (0,))
            for name in (rotated, *others())
            for measure in MEASURES
            if isinstance(MEASURES[measure].core, Bound)
        ]
    else:
        table = [(name, "kl", (0, 1, 2)) for name in gaussians()] + [(name, "kl", (0,)) for name in others()]
    known = gaussians() | others()
    for name, measure, seeds in table:
        print(row(name, known[name], measure, seeds, options.samples), flush=True)


if __name__ == "__main__":
    main()
