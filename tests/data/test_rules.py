"""Every finding, with an input that has it and one that has not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from comodal.data.assemble import assemble
from comodal.data.checks import check, refuse, validate
from comodal.data.dataset import Partition
from comodal.data.formats.interface import Division
from comodal.data.inspection import examine
from comodal.data.ragged import RaggedArray
from comodal.data.rules import ERROR, RULES, WARNING

LONG = "this was the best film I have ever seen"


def found_in(source, **options):
    return {finding.check: finding for finding in validate(source, **options)[1]}


@pytest.fixture
def changed(make_block, make_source):
    """A source that is sound but for the train block's changes."""

    def change(**changes):
        modalities = changes.pop("modalities", {})
        block = make_block("train", [2, 1, 3, 1], **changes)
        block = replace(block, modalities={**block.modalities, **modalities})
        return make_source(block, make_block("valid", [1, 4]), make_block("test", [5, 1, 2]))

    return change


def test_nothing_is_wrong(changed):
    inspection, findings = validate(changed())
    assert findings == []
    assert inspection.samples == 9


def audio(values):
    return {"audio": RaggedArray(np.asarray(values, dtype=np.float32), np.array([0, 2, 3, 6, 7]))}


NORMAL = np.random.default_rng(0).normal(size=(7, 2))


def with_nan():
    values = NORMAL.copy()
    values[[2, 3, 5], 1] = [np.nan, np.inf, -np.inf]
    return values


CASES = {
    "duplicate ids": ({"id": np.array(["a_0", "a_0", "b_0", "b_0"])}, ERROR, 2, ("a_0", "b_0")),
    "unlabelled": ({"target": np.array([1, np.nan, np.nan, 0], np.float32)}, WARNING, 2, ("train1_0", "train2_0")),
    "labels out of range": ({"target": np.array([1, 4, -np.inf, 0], np.float32)}, ERROR, 2, ("train1_0 (4)",)),
    "non-finite features": ({"modalities": audio(with_nan())}, ERROR, 3, ("feature 1: 3",)),
    "video in two splits": (
        {"group": np.array(["a", "valid0", "test1", "b"])},
        ERROR,
        2,
        ("valid0", "test1"),
    ),
    "empty transcripts": ({"transcript": np.array(["yes", "", " ", "no"])}, WARNING, 2, ()),
    "absent modality": (
        {"modalities": {"audio": RaggedArray.from_rows([NORMAL, NORMAL[:0], NORMAL[:0], NORMAL])}},
        WARNING,
        2,
        (),
    ),
    "in no split": ({"columns": {"split": np.array(["train", "none", "train", "dev"])}}, WARNING, 2, ()),
}


@pytest.mark.parametrize("check", CASES)
def test_what_is_found(changed, check):
    changes, severity, count, examples = CASES[check]
    columns = changes.get("columns", {"split": np.full(4, "train")})
    source = changed(**{**changes, "columns": columns})
    others = [replace(b, columns={"split": b.columns["split"]}) for b in source.blocks(list(source.dims))]
    source = replace(source, blocks=lambda _: iter(others))
    finding = found_in(source)[check]
    assert (finding.severity, finding.count) == (severity, count)
    assert finding.examples[: len(examples)] == examples
    assert "\n" not in finding.message
    assert list(found_in(source)) == [check]


def test_missing_labels_outside_training(make_block, make_source):
    blocks = [make_block(split, [2, 1, 3, 1]) for split in ("train", "valid", "test")]
    blocks[1].target[[0, 2]] = np.nan
    finding = found_in(make_source(*blocks))
    assert list(finding) == ["missing labels"]
    finding = finding["missing labels"]
    assert (finding.severity, finding.count, finding.examples) == (ERROR, 2, ("valid0_0", "valid2_0"))
    assert "valid" in finding.message


def test_folds_leave_samples_without_a_label_out_of_their_tests(make_block, make_source):
    target = np.array([1, 2, 0, np.nan, np.nan], np.float32)
    block = make_block("x", [1, 2, 1, 3, 1], columns={"fold": np.array([0, 1, 2, 1, -1])}, target=target)
    source = make_source(block, divisions={"nested": Division("fold", 3)})
    finding = found_in(source)
    assert list(finding) == ["unlabelled", "in no split"]
    assert finding["unlabelled"].examples == ("x3_0",)
    dataset = assemble(source)
    refuse(dataset, examine(source)[0], where="toy.npz", rules=[rule for rule in RULES if rule.check == "tested once"])
    assert [part.test.tolist() for part in dataset.partitions] == [[0], [1], [2]]
    assert [part.unlabelled.tolist() for part in dataset.partitions] == [[], [], [3]]


def test_a_training_row_without_a_label_belongs_to_the_unlabelled_ones(toy):
    target = toy.target.copy()
    target[0] = np.nan
    with refused("missing", "toy.npz", "train", "a_1"):
        check(replace(toy, target=target), source="toy.npz")
    parts = Partition("split", rows(1), rows(2, 3), rows(4, 5), rows(0))
    check(replace(toy, target=target, partitions=(parts,)), source="toy.npz")


@pytest.mark.parametrize(("kept", "empty"), [((), ("train", "valid", "test")), (("train", "test"), ("valid",))])
def test_empty_splits(make_block, make_source, kept, empty):
    blocks = [make_block(split, [1, 2, 1]) for split in kept] or [make_block("none", [1, 2])]
    finding = found_in(make_source(*blocks))["empty split"]
    assert (finding.severity, finding.examples, finding.count) == (ERROR, empty, len(empty))


def test_no_sample(source):
    found = found_in(replace(source, blocks=lambda _: iter(())))
    assert found["empty"].severity == ERROR
    assert found["empty split"].count == 3


def test_no_partition(changed):
    found = found_in(replace(changed(), divisions={}))
    assert list(found) == ["no partition"]
    assert found["no partition"].severity == ERROR


def test_constant_columns_and_modalities(make_block, make_source):
    blocks = [make_block(split, [2, 1]) for split in ("train", "valid", "test")]
    for block in blocks:
        block.modalities["audio"].values[:, 1] = 5
    finding = found_in(make_source(*blocks))
    assert list(finding) == ["constant columns"]
    assert (finding["constant columns"].severity, finding["constant columns"].examples) == (WARNING, ("1",))
    for block in blocks:
        block.modalities["audio"].values[:] = 5
    finding = found_in(make_source(*blocks))
    assert list(finding) == ["constant modality"]
    assert finding["constant modality"].severity == ERROR


def test_the_same_id_in_two_splits(make_block, make_source):
    blocks = [make_block(split, [1, 2]) for split in ("train", "valid", "test")]
    blocks[2] = replace(blocks[2], id=np.array(["train0_0", "test1_0"]))
    found = found_in(make_source(*blocks))
    assert list(found) == ["duplicate ids", "id in two splits"]
    assert found["id in two splits"].examples == ("train0_0",)
    assert found["id in two splits"].severity == ERROR


@pytest.mark.parametrize(("words", "others", "expected"), [(LONG, f" {LONG.upper()} ", 1), ("yes I do", "yes I do", 0)])
def test_the_same_words_in_two_splits(make_block, make_source, words, others, expected):
    """Short ones may well be said twice."""
    blocks = [
        make_block("train", [1, 2], transcript=np.array([words, "a"])),
        make_block("valid", [1, 2], transcript=np.array(["b", others])),
        make_block("test", [1, 2], transcript=np.array(["c", "d"])),
    ]
    found = found_in(make_source(*blocks))
    assert [finding.count for finding in found.values()] == [1] * expected
    if expected:
        assert found["transcript in two splits"].severity == WARNING
        assert found["transcript in two splits"].examples == (LONG.lower(),)


def test_the_same_words_twice_in_one_split_are_nothing(make_block, make_source):
    blocks = [make_block(split, [1, 2], transcript=np.array([f"{split} {LONG}"] * 2)) for split in ("train", "valid")]
    assert found_in(make_source(*blocks, make_block("test", [1, 2]))) == {}


def test_cross_validation(make_block, make_source):
    def source(fold, group):
        block = make_block("x", [1, 2, 1, 3, 1], group=np.array(group), columns={"fold": np.array(fold)})
        return make_source(block, divisions={"nested": Division("fold", 3)})

    assert found_in(source([0, 1, 2, 1, 0], list("abcbd"))) == {}
    found = found_in(source([0, 1, 2, 1, -1], list("abcca")))
    assert {check: finding.count for check, finding in found.items()} == {"video in two splits": 1, "in no split": 1}
    found = found_in(source([0, 0, 2, 2, 7], list("abcde")))
    assert found["empty split"].examples == ("1",)
    assert found["in no split"].count == 1


def test_every_protocol_is_checked(make_block, make_source):
    columns = {"split": np.array(["train", "valid", "test"]), "mine": np.array(["train", "train", "test"])}
    block = make_block("x", [1, 2, 1], columns=columns)
    source = make_source(block, divisions={"file": Division(), "own": Division("mine")})
    found = found_in(source)
    assert found["empty split"].message.startswith("own: ")


FOLDS = {
    "train": [f"train{i}" for i in range(4)],
    "valid": ["valid0", "valid1"],
    "test": ["test0", "test1", "test2"],
}


def test_against_the_lists_of_the_field(changed):
    assert validate(changed(), folds=FOLDS)[1] == []
    found = found_in(changed(), folds={**FOLDS, "train": FOLDS["train"][1:], "valid": [*FOLDS["valid"], "train0"]})
    assert list(found) == ["other folds"]
    assert (found["other folds"].severity, found["other folds"].examples) == (ERROR, ("train0",))
    found = found_in(changed(), folds={**FOLDS, "train": [*FOLDS["train"], "gone"], "test": ["test0", "test1"]})
    assert {check: (f.severity, f.examples) for check, f in found.items()} == {
        "video in no fold": (WARNING, ("test2",)),
        "missing videos": (WARNING, ("gone",)),
    }


def test_folds_of_a_cross_validation_are_not_compared_with_splits(make_block, make_source):
    block = make_block("x", [1, 2, 1], columns={"fold": np.arange(3)})
    assert found_in(make_source(block, divisions={"nested": Division("fold", 3)}), folds=FOLDS) == {}


def test_errors_come_first_and_examples_are_few(changed):
    source = changed(
        transcript=np.array([""] * 4),
        group=np.array(["test0", "test1", "test2", "valid0"]),
        target=np.full(4, np.nan, np.float32),
    )
    _, findings = validate(source)
    assert [finding.severity for finding in findings] == sorted(
        (f.severity for f in findings), key=[ERROR, WARNING].index
    )
    assert {len(f.examples) for f in findings if f.count == 4} == {0, 3}


def rows(*numbers):
    return np.array(numbers, dtype=np.int64)


def folds(*test):
    """Leave the videos (rows 0-1, 2-3, 4-5) out in turn."""
    videos = [rows(0, 1), rows(2, 3), rows(4, 5)]
    return tuple(Partition(f"fold {k}", videos[(k + 2) % 3], videos[(k + 1) % 3], videos[k]) for k in test)


def test_a_good_dataset_passes(toy):
    assert check(toy, source="toy.npz") is toy
    assert check(replace(toy, partitions=folds(0, 1, 2)), source="toy.npz")


def test_every_error_of_the_table_has_a_code_and_a_remedy():
    assert len({rule.check for rule in RULES}) == len(RULES)
    assert all(rule.code and rule.remedy for rule in RULES if rule.severity == ERROR)


def with_vision(toy, values, offsets=None):
    vision = RaggedArray(np.asarray(values, dtype=np.float32), np.arange(7) if offsets is None else np.array(offsets))
    return toy.with_features({**toy.modalities, "vision": vision})


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (lambda toy: replace(toy, id=np.array(["x"] * 6)), "duplicate", [1, "x"]),
        (lambda toy: replace(toy, target=np.append(toy.target[:5], np.float32(np.nan))), "missing", ["c_2", "test"]),
        (lambda toy: replace(toy, target=np.append(toy.target[:5], np.float32(np.inf))), "out_of_range", ["c_2 (inf)"]),
        (lambda toy: replace(toy, target=toy.target - 1), "out_of_range", [1, "a_1 (-4)", "--task"]),
        (lambda toy: with_vision(toy, np.full((6, 2), 4.0)), "invalid", ["vision"]),
        (lambda toy: with_vision(toy, np.zeros((0, 2)), [0] * 7), "invalid", ["vision"]),
        (lambda toy: replace(toy, partitions=()), "missing", []),
        (lambda toy: toy.subset([]), "empty", []),
        (lambda toy: replace(toy, partitions=folds(0, 1)), "conflict", ["c_1", 0, 2]),
    ],
)
def test_what_is_refused_in_memory(toy, change, code, named):
    with refused(code, "toy.npz", *named):
        check(change(toy), source="toy.npz")


def test_a_constant_column_is_no_constant_modality(toy):
    check(with_vision(toy, [[5.0, 4.0], *[[4.0, 4.0]] * 5]), source="toy.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_features_name_count_and_first_id(toy, make, value):
    values = toy.modalities["audio"].values.copy()
    values[3, 0] = values[4] = value  # frames of b_2: a_1 has 2, a_2 has 1, b_1 none
    dataset = make(modalities={**toy.modalities, "audio": toy.modalities["audio"].with_values(values)})
    with refused("not_finite", "toy.npz", "audio", 3, "b_2", "--clean"):
        check(dataset, source="toy.npz")


def test_labels_at_the_edge_of_a_range_that_float32_rounds(make):
    """0.1 in float32 is above 0.1 in float64: the edge itself is legal."""
    check(make(label_range=(-0.1, 0.1), target=np.array([0.1, -0.1] * 3, dtype=np.float32)), source="toy.npz")


def test_a_modality_that_varies_only_outside_the_rows_in_use(make_block, make_source):
    values = np.full((6, 2), 4.0)
    values[5] = 5.0
    block = make_block("train", [1] * 6)
    source = make_source(replace(block, modalities={"vision": RaggedArray.from_vectors(values)}))
    whole, (found, _) = assemble(source), examine(source)
    refuse(whole, found, where="toy.npz", rules=())
    with refused("invalid", "toy.npz", "vision"):
        refuse(whole.subset(np.arange(5)), found, where="toy.npz", rules=())


@pytest.mark.parametrize(
    ("partition", "code", "named"),
    [
        (Partition("p", rows(0, 1), rows(), rows(2, 3)), "empty", ["valid"]),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 6)), "out_of_range", [6]),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 4)), "duplicate", ["c_1"]),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 5, 1)), "conflict", ["a_2", "train", "test"]),
        (Partition("p", rows(0, 1), rows(2), rows(3, 4, 5)), "conflict", ["b", "valid", "test"]),
    ],
)
def test_bad_partitions(toy, partition, code, named):
    with refused(code, "toy.npz", "p: ", *named):
        check(replace(toy, partitions=(partition,)), source="toy.npz")
