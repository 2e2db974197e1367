"""Small fast tokenizers of the kinds that language models have."""

from __future__ import annotations

from typing import Any


def bert_like() -> Any:
    """Word pieces, lower case, ``[CLS] .. [SEP]``; control characters vanish and unknown words are one piece."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "so", "good", "un", "##good", "##ly", "a", "film", "'", "s", "ete"]
    backend = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # A file may ask for padding and truncation of its own, as that of MiniLM does.
    backend.enable_padding(length=128)
    backend.enable_truncation(max_length=3)
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", model_max_length=3)


def xlnet_like() -> Any:
    """Unigram pieces, ``.. <sep> <cls>`` with type 2 for the last, padded on the left with type 3."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(set("sogodunlyafilm'zebrt\u2581"))
    pieces = [
        "<unk>",
        "<pad>",
        "<sep>",
        "<cls>",
        "\u2581so",
        "\u2581good",
        "\u2581un",
        "good",
        "ly",
        "\u2581a",
        *letters,
    ]
    backend = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A:0 <sep>:0 <cls>:2", special_tokens=[("<sep>", 2), ("<cls>", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", padding_side="left")
    tokenizer._pad_token_type_id = 3  # as the class for XLNet does
    return tokenizer


def byte_level(*, prefix: bool) -> Any:
    """Bytes, of which the space before a word is one, as RoBERTa and ModernBERT have them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<s>", "</s>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "\u0120g", "oo"]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, [("\u0120", "g"), ("o", "o")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")


def llama_like() -> Any:
    """A mark is put before every text, so that a word with a space of its own would begin with two."""
    from tokenizers import Tokenizer, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<pad>", "<s>", "</s>", *sorted(set("sogodunlyafilm'zebrth\u2581\u200b\u00e9t[SEP]"))]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")
