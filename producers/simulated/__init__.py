"""The simulated exchange: a deterministic world of bars, actions, macro releases and filings, with a recorded truth."""
