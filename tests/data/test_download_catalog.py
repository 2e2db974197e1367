"""The catalogue of downloads: the packaged one is sound, and a user's own cannot lead out of the folder."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import yaml

from comodal.contracts import InputError
from comodal.data.download_catalog import read_catalog

BASE = "http://127.0.0.1/x"


def read(folder, files, **entry):
    path = folder / "c.yaml"
    path.write_text(yaml.safe_dump({"toy": {"locations": [BASE], "files": files, **entry}}))
    return read_catalog(path)["toy"]


def test_the_packaged_catalogue():
    catalog = read_catalog()
    assert {name: len(each.files) for name, each in catalog.items()} == {"mosi": 12, "mosei": 8}
    for each in catalog.values():
        assert each.title
        assert each.licence
        assert each.citation
        for file in each.files:
            assert "/" not in file.path
            assert file.kind == ("hdf5" if file.path.endswith(".csd") else "text")
            assert all(urlsplit(url).path.endswith(f"/{file.path}") for url in file.urls)
    (words,) = (file for file in catalog["mosi"].files if file.path == "CMU_MOSI_TimestampedWords.csd")
    folder = "http://immortal.multicomp.cs.cmu.edu/CMU-MOSI/language"
    assert words.urls == (f"{folder}/CMU_MOSI_TimestampedWords.csd",)


def test_locations_of_files_and_of_the_set(tmp_path):
    own = {"locations": ["https://h/own"]}
    files = read(tmp_path, [{"path": "a"}, {"path": "b", "at": "s/b", **own}, {"path": "c", **own}]).files
    assert [file.urls for file in files] == [(f"{BASE}/a",), (f"{BASE}/s/b", "https://h/own"), ("https://h/own",)]


@pytest.mark.parametrize(
    "path", ["../a", "/a", "s/../../a", "a/", "", ".", "..", "s//a", "s\\a", "C:a", "a\nb", 3, None]
)
@pytest.mark.parametrize("key", ["path", "at"])
def test_paths_stay_inside(tmp_path, key, path):
    if (key, path) == ("at", None):
        path = "..\\a"
    with pytest.raises(InputError, match="does not stay inside") as error:
        read(tmp_path, [{"path": "a", key: path}])
    assert "toy, file 1" in str(error.value)


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
    with pytest.raises(InputError, match="no address to fetch from"):
        read(tmp_path, [{"path": "a", "locations": [url]}])


@pytest.mark.parametrize(
    ("files", "entry", "message"),
    [
        ([{"path": "a", "sha265": None}], {}, r"unknown key 'sha265': did you mean 'sha256'"),
        ([{"path": "a", "sha256": "12"}], {}, "not 64 hexadecimal digits"),
        ([{"path": "a", "sha256": 12}], {}, "not 64 hexadecimal digits"),
        ([{"path": "a", "kind": "hdf"}], {}, r"unknown kind 'hdf': did you mean 'hdf5'"),
        ([{"path": "a", "kind": ["hdf5"]}], {}, "unknown kind"),
        ([{"path": "a"}, {"path": "A"}], {}, "two files go to 'a'"),
        ([{"path": "a"}], {"locations": []}, "no location"),
        ([{"path": "a"}], {"locations": "http://h"}, "'locations' is not a list"),
        ([], {}, "'files' is not a list"),
        (["a"], {}, "is no mapping"),
        ([{"path": "a"}], {"file": 1}, "unknown key 'file'"),
    ],
)
def test_mistakes_are_named(tmp_path, files, entry, message):
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, files, **entry)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"3", b"[", b"a: 1", b"\xff", b"!!python/object/apply:os.getcwd []"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"c\.yaml"):
        read_catalog(tmp_path / "c.yaml")
    with pytest.raises(InputError, match="not a readable catalogue"):
        read_catalog(tmp_path / "nowhere.yaml")
