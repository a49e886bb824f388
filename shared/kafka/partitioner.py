"""Which partition a key belongs to: the murmur2 hash of Java's clients, so that any producer agrees with us."""

from functools import lru_cache
from typing import Final

_MASK: Final = 0xFFFFFFFF
_M: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C


def murmur2(data: bytes) -> int:
    """Return the 32-bit murmur2 hash (unsigned), as `org.apache.kafka.common.utils.Utils.murmur2`."""
    length = len(data)
    whole = length & ~3
    h = _SEED ^ length
    for start in range(0, whole, 4):
        k = (int.from_bytes(data[start : start + 4], "little") * _M) & _MASK
        k ^= k >> 24
        h = ((h * _M) & _MASK) ^ ((k * _M) & _MASK)
    if length > whole:
        h = ((h ^ int.from_bytes(data[whole:], "little")) * _M) & _MASK
    h ^= h >> 13
    h = (h * _M) & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=16_384)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of `key` in a topic of `partitions` partitions, as Java's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
