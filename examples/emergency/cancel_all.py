#!/usr/bin/env python3
"""Cancels every open order of one account, through ccxt: an emergency action of failstop (docs/guide/emergency-actions.md).

    pip install ccxt

It may be run again at any time: what is cancelled already is no longer open. Exit status 0 means that the venue says that nothing is
open any more; everything else is a failure, and failstop tells people. In a drill it asks and cancels nothing.

VENUE_KEY and VENUE_SECRET come from an `env_file` of mode 0600. The key is this action's own, never the bot's: with one key the
nonces of the two may lock both out, on the day when it matters.
"""

import os
import sys

import ccxt

VENUE = os.environ.get("VENUE", "kraken")


def main():
    drill = os.environ.get("FAILSTOP_DRILL") == "1"
    exchange = getattr(ccxt, VENUE)({
        "apiKey": os.environ["VENUE_KEY"],
        "secret": os.environ["VENUE_SECRET"],
        "timeout": 5_000,
    })
    if len(sys.argv) > 1:  # another address of the same interface
        exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], sys.argv[1])
    orders = exchange.fetch_open_orders()
    print(f"{len(orders)} open orders")
    if drill:
        print("a drill: nothing is cancelled")
        return 0
    failed = 0
    for order in orders:
        try:
            exchange.cancel_order(order["id"], order["symbol"])
        except ccxt.OrderNotFound:
            pass  # filled or cancelled in between
        except ccxt.BaseError as error:
            failed += 1
            print(f"order {order['id']}: {type(error).__name__}: {error}")
    left = exchange.fetch_open_orders() if orders else []
    print(f"{len(left)} open orders left, {failed} could not be cancelled")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
