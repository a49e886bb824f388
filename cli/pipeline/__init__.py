"""A backfill as a whole: one declared run, several producers, and the lake that it lands in."""
