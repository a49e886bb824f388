"""Memory goes back to the system when it is asked for."""

import os

import psutil

from shared.runtime.memory import give_back_freed

MIB = 1024 * 1024


def test_what_was_freed_below_a_block_in_use_goes_back() -> None:
    own = psutil.Process(os.getpid())
    blocks = [os.urandom(4096) for _ in range(64 * 256)]
    last = blocks[-1]
    filled = own.memory_info().rss
    blocks.clear()
    give_back_freed()
    assert filled - own.memory_info().rss > 40 * MIB
    assert len(last) == 4096
