"""Macro series with their vintages from FRED (ALFRED)."""
