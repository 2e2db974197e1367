"""Words or word pieces that the frames of a sample stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from comodal.contracts import DatasetSpec, MultimodalBatch
from comodal.data.dataset import Dataset
from comodal.evaluation.fitted import FittedFold
from comodal.fusion import fusion_family

__all__ = ["frame_words"]

Names = dict[str, Sequence[str]]


def frame_words(dataset: Dataset, fitted: FittedFold) -> Callable[[Tensor], list[Names]]:
    """Return a function that names frames: by words of the transcript, or by the pieces that a language model reads.

    Frames are words for the text and modalities aligned with it, if they are as many as the words and the data set has
    more than one frame per sample.

    Returns:
        Function from row numbers ``(B,)`` to one dict per sample: modality to names; unnamed modalities are left out.
    """
    family = fusion_family(fitted.config.fusion)
    if family.tokenizer is not None:
        to_pieces = family.tokenizer(fitted.config.build_fusion_config()).convert_ids_to_tokens
        return lambda rows: _pieces(fitted.fold.view[rows], to_pieces)
    if dataset.transcript is None:
        return lambda rows: [{} for _ in rows]
    named = _word_by_word(fitted.fold.view.spec)
    said = dataset.transcript
    return lambda rows: [dict.fromkeys(named, tuple(str(said[row] or "").split())) for row in rows.tolist()]


def _word_by_word(spec: DatasetSpec) -> tuple[str, ...]:
    sequences = [name for name, longest in spec.max_lengths.items() if longest > 1]
    return tuple(name for name in sequences if name == "text" or spec.aligned)


def _pieces(batch: MultimodalBatch, to_pieces: Callable[[list[int]], list[str]]) -> list[Names]:
    text = batch.modalities["text"]
    pieces = [to_pieces(ids[mask].tolist()) for ids, mask in zip(text.values[..., 0], text.mask, strict=True)]
    return [dict.fromkeys(batch.modalities, names) for names in pieces]
