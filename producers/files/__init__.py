"""Your own files as a source: CSV, CSV.gz, Parquet and Lean's trade zips of 1-minute bars; macro series; filings."""
