#!/usr/bin/env python3
"""NautilusTrader's RiskEngine on the stream of orders that the gate's bench writes: what a decision costs there and here.

    risk_engine.py ORDERS

ORDERS is what `cargo bench -p failstop-core --bench gate -- --stream ORDERS` wrote, with our figures beside it. The engine gets
instruments, an account in cash and quotes; whoever would carry orders out takes them and does nothing. Each order is a command made
before; what is measured is `RiskEngine.execute`, one command by itself, less what measuring nothing takes.
"""

import gc
import json
import pathlib
import statistics
import sys
import time
from decimal import Decimal

import nautilus_trader
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.config import RiskEngineConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import SubmitOrder
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, CurrencyType, OrderSide
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, InstrumentId, StrategyId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import AccountBalance, Currency, Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.risk.engine import RiskEngine

ROUNDS = 9
COINS = 20
#: As in the gate's bench.
MOST_QUANTITY, MOST_NOTIONAL = "10.000000", 5_000
TRADER, STRATEGY, VENUE = TraderId("TRADER-001"), StrategyId("S-001"), Venue("SIM")

OURS = """ours judges, beside these:
  permission and mode; a client id that was used; the same order again; running in circles; whether it reduces; fresh prices of three
  sources and their agreement; the price collar; notional, position, share of equity, leverage of the system, the instrument, the
  component and the user; everything in the account together; the day's loss; confirmation; six rates for each of the three.
  It remembers each allowed order. The journal, which brings that back after a crash, is in neither figure."""
THEIRS = """both: that the instrument is known, that price and quantity have no more decimals than it has, the largest quantity, the
  largest notional of one order.
theirs judges, beside these:
  the free balance of the account in cash; how many orders a second are submitted; its trading state."""


def instrument_id(name):
    return InstrumentId(Symbol(name), VENUE)


def coin(number):
    base = Currency(f"COIN{number}", 6, 0, f"COIN{number}", CurrencyType.CRYPTO)
    return CurrencyPair(
        instrument_id=instrument_id(f"COIN{number}-PERP"),
        raw_symbol=Symbol(f"COIN{number}-PERP"),
        base_currency=base,
        quote_currency=USD,
        price_precision=2,
        size_precision=6,
        price_increment=Price.from_str("0.01"),
        size_increment=Quantity.from_str("0.000001"),
        lot_size=None,
        max_quantity=Quantity.from_str(MOST_QUANTITY),
        min_quantity=Quantity.from_str("0.000001"),
        max_notional=None,
        min_notional=None,
        max_price=None,
        min_price=None,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
        ts_event=0,
        ts_init=0,
    )


class Peer:
    """A RiskEngine with all that it asks."""

    def __init__(self):
        self.allowed, self.denied = 0, 0
        clock = TestClock()
        bus = MessageBus(trader_id=TRADER, clock=clock)
        cache = Cache()
        portfolio = Portfolio(msgbus=bus, cache=cache, clock=clock)
        coins = [coin(number) for number in range(COINS)]
        config = RiskEngineConfig(
            max_order_submit_rate="10000000/00:00:01",
            max_notional_per_order={str(coin.id): MOST_NOTIONAL for coin in coins},
        )
        self.engine = RiskEngine(portfolio=portfolio, msgbus=bus, cache=cache, clock=clock, config=config)
        bus.register("ExecEngine.execute", self.allow)
        bus.register("ExecEngine.process", self.deny)
        holdings = [Money(1_000_000, coin.base_currency) for coin in coins] + [Money(100_000_000, USD)]
        portfolio.update_account(AccountState(
            account_id=AccountId("SIM-001"),
            account_type=AccountType.CASH,
            base_currency=None,
            reported=True,
            balances=[AccountBalance(money, Money(0, money.currency), money) for money in holdings],
            margins=[],
            info={},
            event_id=UUID4(),
            ts_event=0,
            ts_init=0,
        ))
        for coin_ in coins:
            cache.add_instrument(coin_)
            size = Quantity.from_str("100.000000")
            bid, ask = Price.from_str("999.99"), Price.from_str("1000.01")
            cache.add_quote_tick(QuoteTick(coin_.id, bid, ask, size, size, 0, 0))
        self.engine.start()

    def allow(self, command):
        self.allowed += 1

    def deny(self, event):
        self.denied += 1


def command(order):
    side = OrderSide.BUY if order["side"] == "Buy" else OrderSide.SELL
    limit = LimitOrder(
        trader_id=TRADER,
        strategy_id=STRATEGY,
        instrument_id=instrument_id(order["instrument"]),
        client_order_id=ClientOrderId(order["id"]),
        order_side=side,
        quantity=Quantity.from_str(order["quantity"]),
        price=Price.from_str(order["price"]),
        init_id=UUID4(),
        ts_init=0,
    )
    return SubmitOrder(trader_id=TRADER, strategy_id=STRATEGY, order=limit, command_id=UUID4(), ts_init=0)


def measure(orders):
    """Nanoseconds for each order, and how many were allowed."""
    peer = Peer()
    commands = [command(order) for order in orders]
    execute, clock = peer.engine.execute, time.perf_counter_ns
    took = []
    # The interpreter's own cleaning is not the engine's.
    gc.collect()
    gc.disable()
    for submit in commands:
        start = clock()
        begin = clock()
        execute(submit)
        end = clock()
        took.append(max(0, (end - begin) - (begin - start)))
    gc.enable()
    if peer.allowed + peer.denied != len(orders):
        sys.exit(f"error: {len(orders)} orders, but {peer.allowed} allowed and {peer.denied} denied")
    return took, peer.allowed


def main():
    path = pathlib.Path(sys.argv[1])
    orders = [json.loads(line) for line in path.read_text().splitlines()]
    ours = json.loads(path.with_suffix(".ours").read_text())
    runs = [measure(orders) for _ in range(ROUNDS)]
    mean = statistics.median(statistics.fmean(took) for took, _ in runs)
    every = sorted(took for run, _ in runs for took in run)
    p50, p99 = every[len(every) // 2], every[len(every) * 99 // 100]
    allowed = runs[0][1]
    print(f"{len(orders)} orders, {allowed} of them allowed there and {ours['allowed']} here")
    rows = [
        ("failstop, the gate", ours["p50_ns"], ours["p99_ns"], ours["mean_ns"]),
        (f"NautilusTrader {nautilus_trader.__version__}, RiskEngine", p50, p99, mean),
    ]
    for name, *figures in rows:
        print(f"  {name:<40}" + "".join(f"{figure:>9.0f}" for figure in figures) + "   ns: p50, p99, mean")
    print(f"  {'ratio of the medians':<40}{ours['p50_ns'] / p50:>9.2f}")
    print(THEIRS)
    print(OURS)
    if allowed != ours["allowed"]:
        sys.exit("error: what both judge was judged differently")


main()
