"""The slow facts as known at each row: macro vintages, filings and corporate actions joined as of its instant."""

from shared.features.arrays import Ints
from shared.features.context import Context


class Known:
    """What of `context` was known at each row.

    Args:
        context: Every version.
        minutes: Start of each row's bar, minutes since 1970.
        as_of: Microseconds since 1970 of each row: only versions with known_at <= as_of count.
    """

    def __init__(self, context: Context, minutes: Ints, as_of: Ints) -> None:
        raise NotImplementedError
