"""Zerodha's Kite Connect v3 as a source of quotes for mdactors."""
