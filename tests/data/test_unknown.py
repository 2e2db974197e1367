from __future__ import annotations

from comodal.data.unknown import unknown


def test_lists_all_names_when_none_is_near():
    assert str(unknown("fusion", "zzz", ["early", "lfn"])) == "unknown fusion 'zzz': give one of: early, lfn"
