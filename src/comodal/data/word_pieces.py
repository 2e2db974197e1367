"""A data set whose text is the word pieces of a language model, and whose other frames are aligned to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from comodal.contracts import InputError, TokenSpec
from comodal.data.casing import all_capitals, lowered
from comodal.data.dataset import Dataset, describe
from comodal.data.ragged import RaggedArray
from comodal.data.tokenize import FastTokenizer, tokenize_words
from comodal.data.tokenized_text import TokenizedText, align_to_pieces

__all__ = ["with_tokens"]

TEXT = "text"


def with_tokens(dataset: Dataset, tokenizer: FastTokenizer, *, max_length: int = 50) -> Dataset:
    """Take the text of a data set from its transcripts, as the word pieces of a language model.

    The text modality comes first and becomes ``(P_i, 2)`` integers an utterance, the id and the type id of each piece;
    every other modality gets a frame a piece (:func:`~comodal.data.tokenized_text.align_to_pieces`). Transcripts that
    are all in capitals say nothing by them and are lower-cased, since a tokenizer that tells case would cut them into
    letters.

    Args:
        dataset: utterances with transcripts; text features, where there are any, are left out.
        tokenizer: a fast tokenizer of Hugging Face.
        max_length: most pieces of an utterance, special tokens included; how many utterances were cut stands in the
            note of the spec.

    Raises:
        InputError: no transcripts, or frames that are neither one a word nor one an utterance.
    """
    if dataset.transcript is None:
        raise InputError(
            f"{dataset.spec.name}: has no transcripts, which a language model reads; "
            "give a source with transcripts, or a fusion that takes text features"
        )
    transcripts = dataset.transcript.tolist()
    read = lowered(transcripts) if all_capitals(transcripts) else transcripts
    tokens = tokenize_words(read, tokenizer, ids=dataset.id, max_length=max_length)
    pieces = np.stack([tokens.input_ids, tokens.type_ids], axis=1).astype(np.int32)
    modalities = {TEXT: RaggedArray(pieces, tokens.offsets)}
    for name, array in dataset.modalities.items():
        if name != TEXT:
            modalities[name] = align_to_pieces(array, tokens)
    spec = describe(
        dataset.spec.name,
        modalities,
        label_range=dataset.spec.label_range,
        note="; ".join(part for part in (dataset.spec.note, tokens.truncation) if part),
        tokens=_token_spec(tokenizer, tokens),
    )
    return replace(dataset, spec=spec, modalities=modalities)


def _token_spec(tokenizer: FastTokenizer, tokens: TokenizedText) -> TokenSpec:
    pad = tokenizer.pad_token_id or 0
    unknown = next((each for each in (tokenizer.mask_token_id, tokenizer.unk_token_id) if each is not None), pad)
    return TokenSpec(
        tokenizer=str(tokenizer.name_or_path) or type(tokenizer).__name__,
        vocabulary=len(tokenizer),
        pad_id=int(pad),
        unknown_id=int(unknown),
        max_length=tokens.max_length,
        special_ids=tuple(np.unique(tokens.input_ids[tokens.special]).tolist()),
    )
