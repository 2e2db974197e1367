"""CSV and Parquet tables: text stays text, and what is no table is refused."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import refused

from comodal.data.formats.table_file import guessed, header, numbers, read_table


def written(folder, content):
    path = folder / "samples.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_keeps_text_as_it_is(tmp_path):
    path = written(
        tmp_path,
        '\ufeffID , label,words\r\n0012,1,"two\nlines, a ""quote"" and <script>"\r\n\r\n1e5,2,Grüße 😀\r\n',
    )
    table = read_table(path)
    assert header(path) == ["id", "label", "words"]
    assert table.columns["id"].tolist() == ["0012", "1e5"]
    assert table.columns["words"].tolist() == ['two\nlines, a "quote" and <script>', "Grüße 😀"]
    assert list(table.lines) == ["line 2", "line 5"]


def test_an_index_column_without_a_name_is_left_out(tmp_path):
    table = read_table(written(tmp_path, ",id,label\n0,a,1\n1,b,2\n"))
    assert list(table.columns) == ["id", "label"]
    assert table.left_out == ("a column without a name",)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("id,label\n", "empty"),
        ("id;label\na;1\n", "wrong_type"),
        ("id\tlabel\na\t1\n", "wrong_type"),
        ("id,label\na,1\nb,2,3\n", "wrong_shape"),
        ("id,label\na\n", "wrong_shape"),
        ('id,label\na,"1\n', "damaged"),
        ('id,label\na,"1"2\n', "damaged"),
        ("id,label\na,1\0\n", "damaged"),
        ("id,label\na,Ä\n".encode("latin-1"), "wrong_type"),
        ("id,label\na,1\n".encode("utf-16"), "wrong_type"),
        (b"id,label\n" + b"a" * 200_000 + b",1\n", "damaged"),
        ("id,label\n" + "a,1\n" * 9000 + "b" * 100_000 + ",1\n", "too_large"),
        ("id,Id\na,1\n", "duplicate"),
    ],
)
def test_no_tables(tmp_path, content, code):
    with refused(code, tmp_path):
        read_table(written(tmp_path, content))


def test_missing_and_unreadable_files(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        assert header(path) == []
        with refused("cannot_read"):
            read_table(path)


def test_parquet_keeps_kinds(tmp_path):
    path = tmp_path / "t"
    columns = {
        "id": pa.array(["0012", None]),
        "code": pa.array([7, 8], pa.int16()),
        "age": pa.array([31, None]),
        "score": pa.array([0.5, None]),
        "known": pa.array([True, False]),
        "kind": pa.array(["x", "y"]).dictionary_encode(),
        "large": pa.array(["p", "q"], pa.large_string()),
        "nothing": pa.array([None, None]),
        "when": pa.array([datetime.date(2020, 1, 1)] * 2),
        "list": pa.array([[1.0], [2.0]]),
        "__index_level_0__": pa.array([0, 1]),
    }
    pq.write_table(pa.table(columns), path)
    table = read_table(path)
    assert table.columns["id"].tolist() == ["0012", ""]
    assert table.columns["code"].dtype.kind == "i"
    np.testing.assert_array_equal(table.columns["age"], [31, np.nan])
    np.testing.assert_array_equal(table.columns["score"], [0.5, np.nan])
    assert table.columns["known"].tolist() == [True, False]
    assert table.columns["kind"].tolist() == ["x", "y"]
    assert table.columns["large"].tolist() == ["p", "q"]
    assert np.isnan(table.columns["nothing"]).all()
    assert len(table.left_out) == 3
    assert {each.split()[0] for each in table.left_out} == {"when", "list", "__index_level_0__"}


def test_a_small_parquet_file_cannot_fill_the_memory(tmp_path):
    """A long text stored once and repeated by every row; a table of more rows than anybody has samples."""
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"id": long}), tmp_path / "long")
    assert (tmp_path / "long").stat().st_size < 1_000_000
    with refused("too_large", "20000"):
        read_table(tmp_path / "long")
    pq.write_table(pa.table({"a": pa.array(np.zeros(21_000_000, np.int8))}), tmp_path / "many")
    with refused("too_large", "21000000"):
        read_table(tmp_path / "many")


def test_numbers():
    values, stranger = numbers([" 1.5 ", "-.5", "1e-2", "+3", "NaN", "n/a", "", "inf", "-INF"])
    assert stranger is None
    np.testing.assert_array_equal(values, [1.5, -0.5, 0.01, 3, np.nan, np.nan, np.nan, np.inf, -np.inf])
    for text in ("1,5", "1_0", "٣", "0x1", "good", "1 2", "--1"):
        assert numbers(["0", text])[1] == 1


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-2"], [1, -2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1", "x"], ["1", "x"]),
        (["01", "2"], ["01", "2"]),
        (["", ""], ["", ""]),
        (["9" * 30, "1"], [1e30, 1.0]),
    ],
)
def test_guessed(texts, expected):
    assert guessed(np.array(texts)).tolist() == expected


def test_what_arrow_says_of_a_damaged_file_can_be_printed(tmp_path, monkeypatch):
    """It quotes the byte that it stumbled over."""
    pq.write_table(pa.table({"id": ["a", "b"], "label": [0.5, 1.0]}), tmp_path / "x.parquet")

    def stumble(*_, **__):
        raise OSError("don't know what type: \x0f\nDeserializing page header failed.")

    monkeypatch.setattr(pq, "read_table", stumble)
    with refused("damaged", "x.parquet", "x0f", "failed.)"):
        read_table(tmp_path / "x.parquet")
