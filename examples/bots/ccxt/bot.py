#!/usr/bin/env python3
"""A bot on ccxt that asks failstop before each order.

    pip install ccxt ./clients/python

It buys above the mean of the last twenty prices and sells below it; that is no strategy. What can be taken from it is the rest: signs
of life, prices, the gate before each order, what became of orders, and the end when it is asked to end.
"""

import os
import signal
import sys
import time
from collections import deque
from decimal import Decimal

import ccxt
from failstop import Permit, RefusedNotice, SessionError, Session, Stop

SYMBOL, INSTRUMENT, ACCOUNT, SOURCE = "BTC/USD", "BTC-USD", "kraken", "kraken"
QUANTITY = "0.001"


class Bot:
    def __init__(self):
        self.permit, self.session = Permit.from_env(), Session.from_env()
        self.me = self.session.hello("ccxt-bot", ccxt.__version__)
        self.exchange = ccxt.kraken({
            "apiKey": os.environ.get("KRAKEN_KEY", ""),
            "secret": os.environ.get("KRAKEN_SECRET", ""),
            "rateLimit": 1_000,
        })
        if len(sys.argv) > 1:  # another address of the same interface
            self.exchange.urls["api"] = dict.fromkeys(self.exchange.urls["api"], sys.argv[1])
            self.exchange.rateLimit = 50
        self.exchange.load_markets()
        self.prices = deque(maxlen=20)
        self.steps = self.orders = self.next_report = 0
        self.holds, self.ending = Decimal(0), False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ending", True))
        self.sent, self.told = {}, set()  # the venue's ids of orders with ours, and of trades

    def run(self):
        while not self.told_to_stop():
            try:
                self.step()
            except ccxt.OperationFailed as error:
                # The exchange's trouble, not the bot's: it beats on, without progress.
                self.session.error("venue", f"{type(error).__name__}: {error}", severity=2)
            self.session.heartbeat(self.steps)
            self.exchange.sleep(self.exchange.rateLimit)
        print("stopped in good order", flush=True)

    def step(self):
        ticker = self.exchange.fetch_ticker(SYMBOL)
        # Texts at the market's own precision: an amount never goes through a binary float to failstop.
        bid, ask = (self.exchange.price_to_precision(SYMBOL, ticker[side]) for side in ("bid", "ask"))
        self.session.tick(SOURCE, INSTRUMENT)
        self.session.price(SOURCE, INSTRUMENT, bid=bid, ask=ask)
        self.steps += 1
        self.prices.append(Decimal(bid))
        mean = sum(self.prices) / len(self.prices)
        if len(self.prices) == self.prices.maxlen:
            if not self.holds and Decimal(bid) > mean:
                self.place("buy", ask)
            elif self.holds and Decimal(bid) < mean:
                self.place("sell", bid)
        if self.me.mode == "live" and time.monotonic() >= self.next_report:
            self.report_account()
        if self.sent:
            self.report_trades()

    def place(self, side, price):
        """The one way to an order."""
        self.orders += 1
        client_id = f"e{self.me.epoch}-{self.orders}"
        decision = self.session.order(
            client_id, INSTRUMENT, side, QUANTITY, ACCOUNT, price=price, reduce_only=side == "sell"
        )
        if decision.paper_fill:
            self.trade(side, decision.paper_fill.quantity)
            print("on paper:", side, QUANTITY, INSTRUMENT, "at", decision.paper_fill.price, flush=True)
        elif decision.allow and (self.permit.may_open() if side == "buy" else self.permit.may_reduce()):
            self.send(client_id, side, price)
        else:
            print("held back:", side, *(reason.code for reason in decision.reasons), flush=True)
            if decision.allow or decision.may_be_recorded:
                # Allowed and not in time (or on paper, where it would rest), or recorded for all one knows.
                self.book(self.session.order_result, client_id, "not-sent")

    def send(self, client_id, side, price):
        begin = time.monotonic_ns()
        outcome, venue_id, reason = "accepted", None, None
        try:
            order = self.exchange.create_order(SYMBOL, "limit", side, float(QUANTITY), float(price))
            venue_id = order["id"]
            self.sent[venue_id] = client_id
        except ccxt.OperationFailed as error:
            # It may stand at the exchange: it is presumed alive, and never sent again.
            outcome, reason = "unknown", str(error)[:500]
        except ccxt.BaseError as error:
            outcome, reason = "rejected", str(error)[:500]
        latency = (time.monotonic_ns() - begin) // 1_000
        self.book(self.session.order_result, client_id, outcome, venue_id, latency, reason)
        print("live:", side, QUANTITY, INSTRUMENT, "at", price, outcome, venue_id or reason, flush=True)

    def report_account(self):
        """What is there, every minute: the gate believes neither for longer than five."""
        balance = self.exchange.fetch_balance()
        if self.report_trades():
            return  # it may be from before that trade: asked again in the next step
        self.next_report = time.monotonic() + 60
        self.holds, money = (Decimal(str(balance["total"].get(asset, 0))) for asset in SYMBOL.split("/"))
        self.book(self.session.capital, ACCOUNT, "USD", money, money, 0)
        self.book(self.session.position, ACCOUNT, INSTRUMENT, self.holds, opening=True)

    def report_trades(self):
        """Whether there was one that was not told."""
        trades = [trade for trade in self.exchange.fetch_my_trades(SYMBOL) if trade["order"] in self.sent]
        new = [trade for trade in trades if trade["id"] not in self.told]
        for trade in new:
            self.told.add(trade["id"])
            quantity = self.exchange.amount_to_precision(SYMBOL, trade["amount"])
            price = self.exchange.price_to_precision(SYMBOL, trade["price"])
            self.trade(trade["side"], quantity)
            words = trade["id"], ACCOUNT, INSTRUMENT, trade["side"], quantity, price
            self.book(self.session.fill, *words, client_id=self.sent[trade["order"]])
        return bool(new)

    def trade(self, side, quantity):
        self.holds += Decimal(quantity) if side == "buy" else -Decimal(quantity)

    def book(self, tell, *what, **more):
        """What cannot be booked is no reason to end: failstop judges what it does not hear of as well."""
        try:
            tell(*what, **more)
        except SessionError as error:
            print("not booked:", error, flush=True)

    def told_to_stop(self):
        while (notice := self.session.notice()) is not None:
            self.ending |= isinstance(notice, Stop)
            if isinstance(notice, RefusedNotice):
                print("failstop did not take it:", notice.code, notice.error, flush=True)
        return self.ending


if __name__ == "__main__":
    Bot().run()
