"""The catalogue of downloads: the packaged one is sound, and a user's own cannot lead out of the folder."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import yaml
from refusals import refused

from comodal.data.download_catalog import read_catalog

BASE = "http://127.0.0.1/x"


def read(folder, files, **entry):
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump({"toy": {"locations": [BASE], "files": files, **entry}}))
    return read_catalog(path)["toy"]


def test_the_packaged_catalogue():
    catalog = read_catalog()
    assert {name: len(each) for name, each in catalog.items()} == {"mosi": 12, "mosei": 8}
    for each in catalog.values():
        for file in each:
            assert "/" not in file.path
            assert file.kind == ("hdf5" if file.path.endswith(".csd") else "text")
            assert all(urlsplit(url).path.endswith(f"/{file.path}") for url in file.urls)
    (words,) = (file for file in catalog["mosi"] if file.path == "CMU_MOSI_TimestampedWords.csd")
    folder = "http://immortal.multicomp.cs.cmu.edu/CMU-MOSI/language"
    assert words.urls == (f"{folder}/CMU_MOSI_TimestampedWords.csd",)


def test_locations_of_files_and_of_the_set(tmp_path):
    own = {"locations": ["https://h/own"]}
    files = read(tmp_path, [{"path": "a"}, {"path": "b", "at": "s/b", **own}, {"path": "c", **own}])
    assert [file.urls for file in files] == [(f"{BASE}/a",), (f"{BASE}/s/b", "https://h/own"), ("https://h/own",)]


@pytest.mark.parametrize("path", ["../a", "/a", "s/../../a", "a/", "", ".", "..", "s//a", "s\\a", "C:a", "a\nb", None])
@pytest.mark.parametrize("key", ["path", "at"])
def test_paths_stay_inside(tmp_path, key, path):
    if (key, path) == ("at", None):
        path = "..\\a"
    with refused("unsafe", "toy, file 1", key):
        read(tmp_path, [{"path": "a", key: path}])


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://h/a",
        "http:///a",
        "h/a",
        "http://h/../a",
        "http://h/s/%2e%2e/a",
        "http://user:word@h/a",
        "http://h:99999/a",
        "http://[h/a",
        "http://h/a b",
        "http://h/a\r\nX: y",
    ],
)
def test_addresses_are_of_the_web(tmp_path, url):
    with refused("unsafe", repr(url)):
        read(tmp_path, [{"path": "a", "locations": [url]}])


@pytest.mark.parametrize(
    ("files", "entry", "code", "named"),
    [
        ([{"path": "a", "sha265": None}], {}, "unknown_name", "sha256"),
        ([{"path": "a", "sha256": "12"}], {}, "invalid", "'12'"),
        ([{"path": "a", "sha256": 12}], {}, "wrong_type", "12"),
        ([{"path": "a", "kind": "hdf"}], {}, "unknown_name", "hdf5"),
        ([{"path": "a", "kind": ["hdf5"]}], {}, "wrong_type", "kind"),
        ([{"path": "a"}, {"path": "A"}], {}, "duplicate", "'a'"),
        ([{"path": "a"}], {"locations": []}, "missing", "locations"),
        ([{"path": "a"}], {"locations": "http://h"}, "wrong_type", "locations"),
        ([], {}, "missing", "files"),
        ([{"path": 3}], {}, "wrong_type", "path 3"),
        (["a"], {}, "wrong_type", "'a'"),
        ([{"path": "a"}], {"file": 1}, "unknown_name", "file"),
    ],
)
def test_mistakes_are_named(tmp_path, files, entry, code, named):
    with refused(code, "toy", named):
        read(tmp_path, files, **entry)


@pytest.mark.parametrize("content", [b"", b"3", b"[", b"a: 1", b"\xff", b"!!python/object/apply:os.getcwd []"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with refused(("damaged", "empty", "wrong_type"), path):
        read_catalog(path)
    path.unlink()
    with refused("damaged", path):
        read_catalog(path)
