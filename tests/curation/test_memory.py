from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import os
from curation.memory import give_back

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

parts = [bytearray(64 * 1024) for _ in range(1000)]
last = parts[-1]  # What is above holes keeps glibc from giving them back by itself.
del parts
before = resident_mb()
give_back()
print(before - resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what is freed")
def test_holes_below_what_is_still_used_are_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) > 40
