from __future__ import annotations

import pytest
from plain_networks import ragged_batch

from comodal.contracts import InputError
from comodal.encoders import require_modalities


def test_a_modality_that_is_absent_from_every_utterance_is_no_obstacle() -> None:
    require_modalities(ragged_batch({"text": 2, "audio": 1}, {"text": [3, 1], "audio": [0, 0]}), ["audio", "text"])


def test_the_first_that_is_missing_is_named_with_the_remedy() -> None:
    batch = ragged_batch({"text": 2}, {"text": [3]})
    message = "^batch has no modality 'audio': give it with a mask that is all false to leave it out$"
    with pytest.raises(InputError, match=message):
        require_modalities(batch, ["text", "audio", "vision"])
