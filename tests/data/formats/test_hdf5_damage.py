"""Bit flips, overwritten pointers and cuts in every HDF5 family: read, or refused in one line.

The C library has no checks of its own for most of the structure, so that a reader that trusts it crashes or never ends
on files like these.
"""

from __future__ import annotations

import random

import format_samples
import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.assemble import concatenate
from comodal.data.formats import csd, mfn_h5, modality_h5

pytestmark = pytest.mark.slow

MUTATIONS = 60
STRUCTURE = 3000


FAMILIES = [
    (mfn_h5, format_samples.mfn_h5, "X_train.h5"),
    (modality_h5, format_samples.modality_h5, "audio_train.h5"),
    (csd, format_samples.csd, "words.csd"),
]


def read(reader, folder):
    source = reader.open(folder)
    return concatenate(list(source.blocks(list(source.dims))), where=str(folder))


def mutated(whole, seed):
    dice = random.Random(seed)
    damaged = bytearray(whole)
    for _ in range(dice.choice([1, 1, 2, 5])):
        reach = len(damaged) if dice.random() < 0.3 else min(STRUCTURE, len(damaged))
        at = dice.choice([k for k in (dice.randrange(reach) for _ in range(9)) if damaged[k]] or [0])
        kind = dice.randrange(3)
        if kind == 0:
            damaged[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            damaged[at] = dice.choice([0, 1, 127, 128, 255])
        else:
            value = dice.choice(
                [b"\xff" * 8, bytes(8), dice.randbytes(8), dice.randrange(len(whole)).to_bytes(8, "little")]
            )
            damaged[at : at + 8] = value
    return bytes(damaged[: dice.randrange(len(whole))] if dice.random() < 0.1 else damaged[: len(whole)])


@pytest.mark.parametrize(("family", "write", "name"), FAMILIES)
def test_damage_is_read_or_refused_in_one_line(tmp_path, family, write, name):
    reader = family.FORMAT
    write(tmp_path)
    file = tmp_path / name
    whole, count = file.read_bytes(), len(read(reader, tmp_path))
    refused: list[str] = []
    for seed in range(MUTATIONS):
        file.write_bytes(mutated(whole, seed))
        assert reader.recognises(tmp_path) in (True, False)
        try:
            assert len(read(reader, tmp_path)) == count
        except InputError as error:
            refused.append(str(error))
    assert all(str(tmp_path) in message and len(message.encode().splitlines()) == 1 for message in refused)
    assert MUTATIONS // 5 < len(refused) < MUTATIONS
    file.write_bytes(whole)
    assert len(read(reader, tmp_path)) == count


@pytest.mark.parametrize(("family", "write", "name"), FAMILIES)
def test_swapped_files_are_refused(tmp_path, family, write, name):
    reader = family.FORMAT
    write(tmp_path)
    labels = next(file for file in sorted(tmp_path.iterdir()) if "train" in file.name or "Labels" in file.name)
    other = next(file for file in sorted(tmp_path.iterdir()) if file.name.startswith("y_") or "COVAREP" in file.name)
    (tmp_path / name).write_bytes(other.read_bytes() if family is not csd else labels.read_bytes())
    with pytest.raises(InputError, match=str(tmp_path)):
        read(reader, tmp_path)


def test_a_signalling_nan_does_not_warn(tmp_path):
    format_samples.modality_h5(tmp_path)
    signalling = np.array([0x7FF0000000000001], dtype=np.uint64).view(np.float64)
    values = np.tile(signalling, (4, 5, 3))
    for name, array in (("audio_train.h5", values), ("y_train.h5", values[:, 0, :1])):
        (tmp_path / name).unlink()
        format_samples.put(tmp_path / name, "d1", array)
    block = read(modality_h5.FORMAT, tmp_path)
    assert np.isnan(block.modalities["audio"].values[:20]).all()
    assert np.isnan(block.target[:4]).all()
