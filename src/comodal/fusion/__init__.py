"""Fusion models, one per file.

``FUSIONS`` maps each name to its model class and config class; a new model needs a file and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import nn

from comodal.contracts import DatasetSpec, FusionOutput, InputError, InputSpec, MultimodalBatch
from comodal.fusion.adaptation_gate import AdaptationGate
from comodal.fusion.crossmodal import (
    CrossmodalTransformers,
    ParallelLinear,
    SelfAttentionTransformers,
    TransformerLayer,
)
from comodal.fusion.early import EarlyFusion, EarlyFusionConfig
from comodal.fusion.ef_lstm import EFLSTM, EFLSTMConfig
from comodal.fusion.gated_memory import GatedMemory, TwoLayers
from comodal.fusion.graph_mfn import DynamicFusionGraph, Edge, GraphMFN, GraphMFNConfig
from comodal.fusion.head import Head
from comodal.fusion.late import LateFusion, LateFusionConfig
from comodal.fusion.lfn import LFN, LFNConfig
from comodal.fusion.mag import MAG, MAGConfig, tokenizer_of
from comodal.fusion.memory_fusion import CellSummary, CellWindows, MemoryFusion, MemoryFusionConfig
from comodal.fusion.mfn import MFN, DeltaMemoryAttention, MFNConfig
from comodal.fusion.misa import MISA, MISAConfig
from comodal.fusion.mult import MulT, MulTConfig
from comodal.fusion.tfn import TFN, TFNConfig

__all__ = [
    "EFLSTM",
    "FUSIONS",
    "LFN",
    "MAG",
    "MFN",
    "MISA",
    "TFN",
    "AdaptationGate",
    "CellSummary",
    "CellWindows",
    "CrossmodalTransformers",
    "DeltaMemoryAttention",
    "DynamicFusionGraph",
    "EFLSTMConfig",
    "EarlyFusion",
    "EarlyFusionConfig",
    "Edge",
    "Fusion",
    "FusionFamily",
    "GatedMemory",
    "GraphMFN",
    "GraphMFNConfig",
    "Head",
    "LFNConfig",
    "LateFusion",
    "LateFusionConfig",
    "MAGConfig",
    "MFNConfig",
    "MISAConfig",
    "MemoryFusion",
    "MemoryFusionConfig",
    "MulT",
    "MulTConfig",
    "ParallelLinear",
    "SelfAttentionTransformers",
    "TFNConfig",
    "TransformerLayer",
    "TwoLayers",
    "fusion_family",
]


class Fusion(Protocol):
    """Interface of fusion models: any ``nn.Module`` with these members is one.

    Attributes:
        input_spec: requirements on the data set.
        dims: width of each unimodal representation, by modality.
        fused_dim: width of the fused representation.
    """

    input_spec: InputSpec
    dims: dict[str, int]
    fused_dim: int

    def __call__(self, batch: MultimodalBatch) -> FusionOutput:
        """Predict a batch."""
        ...

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Every trainable parameter in exactly one named group."""
        ...


class FusionFamily(NamedTuple):
    """A model class and its config class.

    Attributes:
        model: built from the spec of a data set and a config.
        config: a frozen dataclass.
        tokenizer: loads the tokenizer of a config, for models that read word pieces; ``None`` for others.
    """

    model: Any
    config: Any
    tokenizer: Callable[[Any], Any] | None = None

    def build(self, spec: DatasetSpec, config: Any) -> Any:
        """Return a new model for a data set.

        Raises:
            InputError: the data set does not meet the model's ``input_spec``.
        """
        self.model.input_spec.require(spec, fusion=self.model.__name__)
        return self.model(spec, config)


FUSIONS: dict[str, FusionFamily] = {
    "early": FusionFamily(EarlyFusion, EarlyFusionConfig),
    "lfn": FusionFamily(LFN, LFNConfig),
    "ef_lstm": FusionFamily(EFLSTM, EFLSTMConfig),
    "late": FusionFamily(LateFusion, LateFusionConfig),
    "tfn": FusionFamily(TFN, TFNConfig),
    "mfn": FusionFamily(MFN, MFNConfig),
    "graph_mfn": FusionFamily(GraphMFN, GraphMFNConfig),
    "misa": FusionFamily(MISA, MISAConfig),
    "mult": FusionFamily(MulT, MulTConfig),
    "mag": FusionFamily(MAG, MAGConfig, tokenizer_of),
}


def fusion_family(name: str) -> FusionFamily:
    """Return the model and config classes of a fusion model by name.

    Raises:
        InputError: unknown name; the nearest known one is offered.

    Example:
        >>> fusion_family("lfn").model.__name__
        'LFN'
    """
    if name not in FUSIONS:
        raise InputError.unknown("fusion", name, FUSIONS)
    return FUSIONS[name]
