"""Programs that performance claims rest on: ratios measured side by side in one run, never times on their own."""
