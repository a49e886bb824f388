"""Failpoints, by the name that services know them by; they live below, so that stores have them too."""

from shared.failpoints import configure, failpoint

__all__ = ["configure", "failpoint"]
