"""Parts of every fusion model: its last layer, the scale of its first weights, and its groups of parameters.

Axis legend: B samples, F width of the fused representation, K outputs.
"""

from __future__ import annotations

from torch import nn

__all__ = ["Head", "init_behind_relu", "split_off"]


class Head(nn.Linear):
    r"""Linear map from the fused representation to the logits of a model.

    .. math:: \hat y = V h + c

    Args:
        width_in: F, width of the vector that it reads.
        width_out: K, number of outputs; 1 for a single regression target.

    Shape:
        ``(B, F)`` to ``(B, K)``.

    Example:
        >>> import torch
        >>> Head(8)(torch.zeros(5, 8)).shape, Head(8, 3)(torch.zeros(5, 8)).shape
        (torch.Size([5, 1]), torch.Size([5, 3]))
    """

    def __init__(self, width_in: int, width_out: int = 1) -> None:
        super().__init__(width_in, width_out)


def init_behind_relu(*layers: nn.Linear) -> None:
    """Draw the weights of layers that stand behind, or in front of, rectified units.

    PyTorch's own scale is that of a linear unit. Behind a ReLU it is too small: predictions start shrunk, and early
    stopping may end training before they have grown.

    Source: He et al., *Delving Deep into Rectifiers*, ICCV 2015.
    """
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")


def split_off(encoders: nn.Module, model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return every parameter of a model in one of two groups: those of its encoders, and the others as ``fusion``."""
    own = list(encoders.parameters())
    known = set(map(id, own))
    return {"encoders": own, "fusion": [each for each in model.parameters() if id(each) not in known]}
