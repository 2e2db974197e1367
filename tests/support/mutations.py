"""Damage to files, drawn from a seed: what broken disks, cut downloads, wrong files and attackers do to them."""

from __future__ import annotations

import io
import pickletools
import random
import re
import zipfile
from typing import NamedTuple

HUGE = (2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
TOKENS = (
    *(b"nan", b"inf", b"1e999", b"-", b"\0", b"\n", b"\r", b'"', b",", b"\xff\xfe", b"\x1b[2J", b"{}", b"[" * 300),
    *(b"9" * 30, b"\x00\x00\xa0\x7f", b"\x01\x00\xf0\x7f", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"<html>\n<body>\n"),
)
PLACES = ("folder", "link", "pipe", "absent")
"""What can lie in the place of a file that is none."""


class Mutation(NamedTuple):
    """What was done; ``files`` are all files of the sample, by name: bytes, or one of :data:`PLACES`."""

    kind: str
    file: str
    files: dict[str, bytes | str]


def mutated(files, foreign, name, case):
    """One mutation: its kind by the number of the case in turn, everything else drawn with it as the seed."""
    draw = random.Random(f"{name}:{case}")
    kind = list(KINDS)[case % len(KINDS)]
    file = draw.choice(sorted(files))
    return Mutation(kind, file, {**files, **KINDS[kind](draw, file, files, foreign)})


def spot(draw, data):
    """A place in a file, more often where its structure is: near an end, and not zero."""
    if not data:
        return 0
    reach = len(data) if draw.random() < 0.5 else min(3000, len(data))
    first = len(data) - reach if draw.random() < 0.3 else 0
    places = [first + draw.randrange(reach) for _ in range(6)]
    return next((place for place in places if data[place]), places[0])


def stretch(draw, data):
    """Start and end of a short stretch."""
    start = spot(draw, data)
    return start, min(len(data), start + draw.choice((1, 2, 4, 8, 16, 64, 400)))


def of_bytes(change):
    """A kind that changes the bytes of the file and looks at nothing else."""
    return lambda draw, file, files, foreign: {file: change(draw, files[file], foreign)}


def cut(draw, data, _):
    return data[: draw.randrange(len(data))] if data else data


def emptied(draw, data, _):
    return data[: draw.choice((0, 0, 0, 1, 4, 8, 16))]


def flipped(draw, data, _):
    return flips(draw, data, 1)


def flipped_often(draw, data, _):
    return flips(draw, data, draw.choice((2, 3, 8, 40)))


def flips(draw, data, count):
    damaged = bytearray(data)
    for _ in range(count if data else 0):
        damaged[spot(draw, data)] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def overwritten(draw, data, _):
    start, end = stretch(draw, data)
    return data[:start] + draw.choice((b"\0", b"\xff")) * (end - start) + data[end:]


def doubled(draw, data, _):
    start, end = stretch(draw, data)
    return data[:end] + data[start:end] * draw.choice((1, 1, 3)) + data[end:]


def deleted(draw, data, _):
    start, end = stretch(draw, data)
    return data[:start] + data[end:]


def grafted(draw, data, foreign):
    other = draw.choice((*foreign, *TOKENS))
    start, end = stretch(draw, other)
    piece, at = (other[start:end] if other in foreign else other), spot(draw, data)
    return data[:at] + piece + data[at + draw.choice((0, len(piece))) :]


def inflated(draw, data, _):
    """A number that may be a count or a size becomes a great one."""
    digits = list(re.finditer(rb"\d+", data))
    if digits and draw.random() < 0.4:
        found = draw.choice(digits)
        new = b"9" * len(found[0]) if draw.random() < 0.5 else str(draw.choice(HUGE)).encode()
        return data[: found.start()] + new + data[found.end() :]
    width = draw.choice((4, 8))
    places = [spot(draw, data) for _ in range(30)]
    at = next((k for k in places if 0 < int.from_bytes(data[k : k + width], "little") < 2**20), places[0])
    return data[:at] + (draw.choice(HUGE) % 256**width).to_bytes(width, "little") + data[at + width :]


def rebuilt(draw, data, foreign):
    """Damage below the checksums of an archive, or to one instruction of a pickle; else several of the others."""
    simple = (flipped, overwritten, doubled, deleted, grafted, inflated, cut)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
        chosen, out = draw.randrange(len(held)), io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for k, (name, content, packed) in enumerate(held):
                new = draw.choice(simple)(draw, content, foreign) if k == chosen else content
                archive.writestr(zipfile.ZipInfo(name), new, packed)
        return out.getvalue()
    if data[:1] == b"\x80" and data[-1:] == b".":
        return other_instruction(draw, data)
    for _ in range(draw.choice((2, 4, 8))):
        data = draw.choice(simple[:6])(draw, data, foreign)
    return data


def other_instruction(draw, data):
    """One instruction of a pickle left out, given twice, moved, or made another."""
    starts = [place for _, _, place in pickletools.genops(data)]
    spans = list(zip(starts, [*starts[1:], len(data)], strict=True))
    start, end = draw.choice(spans)
    what = draw.randrange(4)
    if what == 0:
        return data[:start] + data[end:]
    if what == 1:
        return data[:end] + data[start:end] + data[end:]
    if what == 2:
        other, other_end = draw.choice(spans)
        return data[:start] + data[other:other_end] + data[end:]
    alike = [op.code for op in pickletools.opcodes if op.arg is pickletools.code2op[chr(data[start])].arg]
    return data[:start] + draw.choice(alike).encode("latin-1") + data[start + 1 :]


def wrong_file(draw, file, files, foreign):
    """A file of another family, another file of the same sample, a page of a server, or no file at all."""
    others = [data for name, data in files.items() if name != file]
    page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>\n"
    return {file: draw.choice((draw.choice(foreign), draw.choice([*others, page]), page, draw.choice(PLACES)))}


def swapped(draw, file, files, _):
    """Two files of a sample under each other's names; parts of the one file where there is but one."""
    other = draw.choice([name for name in sorted(files) if name != file] or [file])
    if other != file:
        return {file: files[other], other: files[file]}
    data = files[file]
    a, b, c, d = sorted(draw.randrange(len(data) + 1) for _ in range(4))
    return {file: data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]}


KINDS = {
    "cut": of_bytes(cut),
    "emptied": of_bytes(emptied),
    "flipped": of_bytes(flipped),
    "flipped often": of_bytes(flipped_often),
    "overwritten": of_bytes(overwritten),
    "doubled": of_bytes(doubled),
    "deleted": of_bytes(deleted),
    "grafted": of_bytes(grafted),
    "inflated": of_bytes(inflated),
    "rebuilt": of_bytes(rebuilt),
    "wrong file": wrong_file,
    "swapped": swapped,
}
"""Kind of damage to what makes it, from the draw, the name of the file, all files of the sample, and foreign files."""
