from __future__ import annotations

import dataclasses

import pytest

from comodal.contracts import InputError, InputSpec
from comodal.fusion import FUSIONS, fusion_family


@pytest.mark.parametrize("name", FUSIONS)
def test_every_family_is_a_model_and_a_config_with_defaults(name: str) -> None:
    family = fusion_family(name)
    assert isinstance(family.model.input_spec, InputSpec)
    assert dataclasses.is_dataclass(family.config)
    assert family.config() == family.config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.config().hidden = 3


@pytest.mark.parametrize(("wrong", "near"), [("erly", "early"), ("lnf", "lfn")])
def test_an_unknown_name_offers_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InputError, match=f"^unknown fusion '{wrong}': did you mean '{near}'\\?.*known: early, lfn"):
        fusion_family(wrong)
