"""Upstox's market data feed V3 as a source of quotes for mdactors."""
