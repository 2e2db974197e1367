"""Torch files: plain tensors come back; others are refused, by name, and claim nothing."""

from __future__ import annotations

import os
import pickle
import random
import zipfile
from collections import OrderedDict

import pytest
import torch

from comodal.contracts import InputError
from comodal.data.formats.torch_files import load_torch


class Touch:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def entries(path):
    with zipfile.ZipFile(path) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def packed(path, records, *, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return path


def with_description(path, change):
    """The file again, with what it says of its tensors changed."""
    records = entries(path)
    name = next(each for each in records if each.endswith("data.pkl"))
    changed = change(records[name])
    assert changed != records[name]
    return packed(path, records | {name: changed})


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "x.pt"
    torch.save({"embedding": torch.arange(6.0).reshape(2, 3)}, found)
    return found


def test_plain_tensors_come_back(tmp_path):
    path = tmp_path / "x.pt"
    layer = torch.nn.Linear(2, 3)
    shared = torch.arange(6)
    value = {
        "state": layer.state_dict(),
        "parameter": layer.weight,
        "turned": torch.arange(6.0).reshape(2, 3).t(),
        "kinds": [torch.ones(2, dtype=kind) for kind in (torch.bool, torch.int8, torch.float16, torch.bfloat16)],
        "none": torch.zeros(0, 3),
        "number": torch.tensor(1.5),
        "views": (shared[2:], shared[::2]),
        "words": OrderedDict(a=1, b="two"),
    }
    torch.save(value, path)
    found = load_torch(path)
    assert list(found) == list(value)
    torch.testing.assert_close(found["state"], layer.state_dict())
    assert torch.equal(found["parameter"], layer.weight)
    assert torch.equal(found["turned"], value["turned"])
    assert [each.dtype for each in found["kinds"]] == [each.dtype for each in value["kinds"]]
    assert found["none"].shape == (0, 3)
    assert found["number"] == 1.5
    assert [view.tolist() for view in found["views"]] == [[2, 3, 4, 5], [0, 2, 4]]
    assert found["words"] == value["words"]


def test_names_are_refused_without_effect(tmp_path):
    target, path = tmp_path / "touched", tmp_path / "x.pt"
    torch.save({"a": torch.zeros(1), "b": Touch(target)}, path)
    with pytest.raises(InputError, match=r"x\.pt: refused before running anything of it: it refers to 'posix\.system'"):
        load_torch(path)
    assert not target.exists()
    torch.load(path, weights_only=False)
    assert target.exists()


def test_function_of_the_main_module_is_named(path):
    with_description(path, lambda data: data.replace(b"ccollections\nOrderedDict\n", b"c__main__\nreturn_unk\n"))
    with pytest.raises(InputError, match=r"__main__\.return_unk"):
        load_torch(path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.replace(b"K\2K\3\x86", b"J\0\0\0\x7fK\3\x86"), "numbers on 6"),
        (lambda data: data.replace(b"K\2K\3\x86", b"K\7K\7\x86").replace(b"K\3K\1\x86", b"K\0K\0\x86"), "49 numbers"),
        (lambda data: data.replace(b"K\3K\1\x86", b"K\x09K\1\x86"), "on 6"),
        (lambda data: data.replace(b"K\3K\1\x86", b"J\xff\xff\xff\xffK\1\x86"), "impossible shape"),
        (lambda data: data.replace(b"K\6t", b"J\0\0\0\x7ft"), "that are not in the file"),
        (lambda data: data.replace(b"FloatStorage", b"DoubleStorage"), "that are not in the file"),
        (lambda data: data.replace(b"FloatStorage", b"QInt8Storage"), "torch.QInt8Storage"),
        (lambda data: data.replace(b"_rebuild_tensor_v2", b"_rebuild_wrapper_subclass"), "_rebuild_wrapper_subclass"),
        (lambda data: data[:-1], "ends too early"),
        (lambda _: b"\x80\2cbuiltins\nbytearray\nJ\0\0\0\x7f\x85R.", "bytearray of type int"),
    ],
)  # fmt: skip
def test_tensor_that_claims_more_than_there_is_is_refused(change, why, path):
    with_description(path, change)
    with pytest.raises(InputError, match=why):
        load_torch(path)


def test_archive_that_torch_did_not_write_is_refused(path):
    records = entries(path)
    packed(path, records, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="claims more than it holds"):
        load_torch(path)
    packed(path, {name: data for name, data in records.items() if not name.endswith("data.pkl")})
    with pytest.raises(InputError, match="not one that torch wrote"):
        load_torch(path)
    packed(path, records | {"elsewhere/data.pkl": b""})
    with pytest.raises(InputError, match="not one that torch wrote"):
        load_torch(path)
    packed(path, records | {f"{next(iter(records)).partition('/')[0]}/DATA.PKL": b""})
    with pytest.raises(InputError, match="not one that torch wrote"):
        load_torch(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="save it again"):
        load_torch(path)
    for data in (b"", b"PK\3\4", pickle.dumps([1]), b"text"):
        path.write_bytes(data)
        with pytest.raises(InputError):
            load_torch(path)
    for missing in (tmp_path, tmp_path / "nowhere.pt"):
        with pytest.raises(InputError, match="give a torch file"):
            load_torch(missing)


def test_damage_is_refused_or_harmless(path):
    """A fixed seed; anything but a value or an `InputError` ends the test."""
    rng = random.Random(0)
    torch.save({"a": torch.arange(6.0).reshape(2, 3), "b": [torch.ones(4, dtype=torch.int64), "x"]}, path)
    data = path.read_bytes()
    described = data.index(b"\x80\2")
    refused = []
    for _ in range(200):
        changed = bytearray(data)
        changed[rng.choice([rng.randrange(len(data)), described + rng.randrange(300)])] ^= 1 << rng.randrange(8)
        path.write_bytes(changed if rng.random() < 0.8 else changed[: rng.randrange(len(data))])
        try:
            load_torch(path)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 60
    assert not any("\n" in message for message in refused)
