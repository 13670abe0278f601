"""What the instruments of a recording are: as the built-in listing knows them, else by their names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import msgspec

from mdactors.market.instrument import InstrumentRow
from mdactors.simulator.derivatives import Contract, contract_symbol, month_end, parse
from mdactors.simulator.universe import Universe

_UNKNOWN_TOKEN = 800_001


def identify(names: Mapping[str, str]) -> Iterator[tuple[str, InstrumentRow]]:
    """Each recorded name's instrument; ``names`` holds the token or key that the recording has for it."""
    known = Universe.built_in(dt.date(2026, 1, 1)).listed
    cash = [item.instrument for item in known if item.instrument.segment != "NSE_FO"]
    by_hint = {hint: item for item in reversed(cash) for hint in (item.symbol, item.key, str(item.token))}
    for place, (name, hint) in enumerate(names.items()):
        contract = parse(name)
        if contract is not None:
            yield name, _contract(name, hint, contract, place)
        else:
            yield name, by_hint.get(hint) or by_hint.get(name) or _share(name, hint, place)


def completed(instrument: InstrumentRow) -> InstrumentRow:
    """The same with its expiry and strike, as far as its symbol says what is not said."""
    contract = parse(instrument.symbol) if instrument.is_derivative and not instrument.expiry else None
    if contract is None:
        return instrument
    return msgspec.structs.replace(
        instrument,
        expiry=contract.expiry.isoformat(),
        strike=contract.strike,
        option_type=contract.side,
        underlying=contract.underlying,
        name=contract.underlying,
    )


def moved(instrument: InstrumentRow, days: int) -> InstrumentRow:
    """The same of so many days later: a contract lives as long as it did."""
    if not days or not instrument.expiry:
        return instrument
    expiry = dt.date.fromisoformat(instrument.expiry) + dt.timedelta(days)
    return msgspec.structs.replace(instrument, expiry=expiry.isoformat())


def _share(name: str, hint: str, place: int) -> InstrumentRow:
    token = int(hint) if hint.isdigit() else (_UNKNOWN_TOKEN + place) << 8 | 1
    key = hint if "|" in hint else f"NSE_EQ|{name}"
    return InstrumentRow(token, name, "NSE", "NSE_EQ", "STOCK", key, name=name, series="EQ")


def _contract(name: str, hint: str, contract: Contract, place: int) -> InstrumentRow:
    number = hint.partition("|")[2]
    token = int(hint) if hint.isdigit() else int(number or _UNKNOWN_TOKEN + place) << 8 | 2
    monthly = contract.expiry == month_end(contract.expiry.year, contract.expiry.month)
    return InstrumentRow(
        token=token,
        symbol=contract_symbol(contract) if monthly else name,
        exchange="NSE",
        segment="NSE_FO",
        type="OPTION" if contract.side else "FUTURE",
        key=f"NSE_FO|{token >> 8}",
        name=contract.underlying,
        expiry=contract.expiry.isoformat(),
        strike=contract.strike,
        option_type=contract.side,
        underlying=contract.underlying,
    )
