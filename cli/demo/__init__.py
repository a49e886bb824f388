"""`tickerstream demo`: the whole way, once, with a proof; then live."""
