"""Bars and corporate actions from Alpaca's market data API, history and live."""
