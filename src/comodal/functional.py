"""Bounds, statistics, distances and products as functions of tensors, in the manner of ``torch.nn.functional``.

>>> import torch
>>> from comodal import functional
>>> functional.nwj(torch.tensor([2.0, 1.0]), torch.tensor([0.0, 0.0]))
tensor(1.1321)
"""

from comodal.dependency.bounds import (
    donsker_varadhan,
    jensen_shannon,
    kantorovich_rubinstein,
    nwj,
    pearson,
    reverse_kl,
    smile,
    squared_hellinger,
)
from comodal.dependency.covariance_statistics import barlow, gaussian, vicreg
from comodal.dependency.kernel_statistics import dhsic, distance_correlation
from comodal.dependency.lipschitz import gradient_penalty
from comodal.dependency.spectral_statistics import pmrl
from comodal.dependency.views import views_of
from comodal.encoders.pooling import last_frame, masked_mean
from comodal.fusion.lfn import low_rank_product
from comodal.fusion.subspaces import cmd, masked_mse, soft_orthogonality
from comodal.fusion.tfn import tensor_product
from comodal.resampling import cyclic_order

__all__ = [
    "barlow",
    "cmd",
    "cyclic_order",
    "dhsic",
    "distance_correlation",
    "donsker_varadhan",
    "gaussian",
    "gradient_penalty",
    "jensen_shannon",
    "kantorovich_rubinstein",
    "last_frame",
    "low_rank_product",
    "masked_mean",
    "masked_mse",
    "nwj",
    "pearson",
    "pmrl",
    "reverse_kl",
    "smile",
    "soft_orthogonality",
    "squared_hellinger",
    "tensor_product",
    "vicreg",
    "views_of",
]
