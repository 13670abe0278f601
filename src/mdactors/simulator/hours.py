"""Which of the trading day's kinds each instrument of the made-up market is."""

from __future__ import annotations

from collections.abc import Iterable

from mdactors.market.instrument import InstrumentRow
from mdactors.simulator.session import Kind

_FARM_GOODS = frozenset({"CARDAMOM", "COTTON", "KAPAS", "MENTHAOIL"})
_OTHERS: dict[str, Kind] = {
    "NCD_FO": "currencies", "BCD_FO": "currencies",
    "NSE_COM": "commodities", "MCX_FO": "commodities", "MCX_INDEX": "commodities",
}  # fmt: skip


def kinds(rows: Iterable[InstrumentRow]) -> dict[int, Kind]:
    """Token -> the hours that it keeps."""
    rows = list(rows)
    nearest: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.type == "FUTURE":
            asset = row.segment, row.underlying
            nearest[asset] = min(row.expiry, nearest.get(asset, row.expiry))
    return {row.token: _kind(row, nearest) for row in rows}


def _kind(row: InstrumentRow, nearest: dict[tuple[str, str], str]) -> Kind:
    if row.segment in _OTHERS:
        return "farm_goods" if row.underlying in _FARM_GOODS else _OTHERS[row.segment]
    if row.type == "INDEX":
        return "indices"
    if row.type == "STOCK":
        return "auction_shares" if row.cas_eligible else "shares"
    is_near = row.type == "FUTURE" and row.expiry == nearest[row.segment, row.underlying]
    return "near_futures" if is_near else "contracts"
