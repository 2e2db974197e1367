"""Keep a critic 1-Lipschitz, as the Wasserstein measure requires, by a gradient penalty or by spectral norms.

Slopes are Euclidean, in the space of the concatenated views.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import InputError
from comodal.dependency.critics import Critic, JointCritic

__all__ = ["GRADIENT_PENALTY_COEFFICIENT", "SpectralLinear", "gradient_penalty", "slope_penalty", "spectral_norm"]

GRADIENT_PENALTY_COEFFICIENT = 10.0
"""Weight of the penalty beside the bound (Gulrajani et al. 2017)."""


def gradient_penalty(
    critic: Critic, joint: Tensor, marginal: Tensor, *, generator: torch.Generator | None = None
) -> Tensor:
    """Return a one-sided penalty on slopes above 1, at random points between joint and marginal tuples.

    ``E_x[max(0, |grad T(x)| - 1)^2]`` with ``x = (1 - u) z_J + u z_Q`` and ``u`` uniform in [0, 1]; multiply it by
    :data:`GRADIENT_PENALTY_COEFFICIENT`. Smaller slopes cost nothing, since a 1-Lipschitz critic may have them.

    Args:
        critic: any critic.
        joint: ``(n, D)`` aligned tuples, concatenated; no gradient flows to them.
        marginal: ``(n, D)`` tuples with broken pairing, concatenated; no gradient flows to them.
        generator: source of randomness on the CPU; ``None`` is PyTorch's global one.

    Returns:
        Scalar >= 0, differentiable by the critic's parameters.

    Raises:
        InputError: the two sets of tuples differ in shape.

    Source: Gulrajani et al. 2017, section 4; the one-sided form: Petzka et al. 2018, eq. 8.

    Example:
        >>> import torch
        >>> from comodal.dependency.critics import QuadraticCritic
        >>> critic = QuadraticCritic([1, 1])
        >>> _ = torch.nn.init.constant_(critic.slope, 3 / 2**0.5)              # slope 3 everywhere
        >>> gradient_penalty(critic, torch.zeros(4, 2), torch.ones(4, 2)).detach()
        tensor(4.0000)
    """
    if joint.shape != marginal.shape:
        raise InputError(
            f"joint tuples {tuple(joint.shape)} and marginal tuples {tuple(marginal.shape)} differ in shape: "
            "give one broken tuple per aligned one",
            code="mismatch",
        )
    share = torch.rand(joint.shape[0], 1, generator=generator).to(joint)
    return slope_penalty(critic, torch.lerp(joint.detach(), marginal.detach(), share))


def slope_penalty(critic: Critic, points: Tensor) -> Tensor:
    """Return the mean square of what slopes at some points ``(n, D)`` have above 1."""
    gradient = critic.input_gradient(points)
    slopes: Tensor = torch.linalg.vector_norm(gradient, dim=1)
    return torch.relu(slopes - 1.0).square().mean()


class SpectralLinear(nn.Module):
    """A linear layer whose weight is divided by its largest singular value.

    ``y = (W / sigma) x + b`` with ``sigma = u' W v``; ``u`` and ``v``, exact at first, follow ``W`` by one power
    iteration per forward pass that can train it. PyTorch's own parametrisation cannot be pickled, which a penalty
    must be.

    Args:
        layer: the layer to take the weights of.

    Source: Miyato et al. 2018, algorithm 1.

    Example:
        >>> import torch
        >>> layer = SpectralLinear(torch.nn.Linear(5, 3))
        >>> round(torch.linalg.matrix_norm(layer.weight, 2).item(), 3)
        1.0
    """

    left: Tensor
    right: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.unscaled, self.bias = layer.weight, layer.bias
        left, _, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
        self.register_buffer("left", left[:, 0].clone())
        self.register_buffer("right", right[0].clone())

    @property
    def weight(self) -> Tensor:
        """The weight in use ``(outputs, inputs)``."""
        if self.training and self.unscaled.requires_grad and torch.is_grad_enabled():
            with torch.no_grad():
                self.left = functional.normalize(self.unscaled @ self.right, dim=0)
                self.right = functional.normalize(self.unscaled.T @ self.left, dim=0)
        return self.unscaled / torch.dot(self.left, self.unscaled @ self.right)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(n, inputs)`` to ``(n, outputs)``."""
        return functional.linear(inputs, self.weight, self.bias)


def spectral_norm(critic: Critic) -> Critic:
    """Make every layer's largest singular value 1, in place: with ReLU between them the critic is 1-Lipschitz.

    Every layer becomes a :class:`SpectralLinear`. The constraint is stricter than a gradient penalty:
    most critics end with slopes well below 1, so values are smaller.

    Args:
        critic: a joint critic.

    Returns:
        The same critic.

    Raises:
        InputError: another critic, whose slope the norms of its layers do not bound by 1.

    Source: Miyato et al. 2018, section 2.1.

    Example:
        >>> import torch
        >>> from comodal.dependency.critics import JointCritic
        >>> critic = spectral_norm(JointCritic([2, 2], hidden=(8,)))
        >>> slopes = critic.input_gradient(torch.randn(100, 4)).norm(dim=1)
        >>> bool((slopes <= 1.01).all())
        True
    """
    if not isinstance(critic, JointCritic):
        raise InputError(
            f"spectral_norm bounds the slopes of the joint critic only, got {type(critic).__name__}: "
            "use lipschitz='gradient_penalty'",
            code="unsupported",
        )
    for place, layer in enumerate(critic.layers):
        critic.layers[place] = SpectralLinear(cast("nn.Linear", layer))
    critic.head = SpectralLinear(cast("nn.Linear", critic.head))
    return critic
