"""A bot as the documentation of ccxt describes one: markets, a ticker in a loop, now and then an order that it takes back.

It tells a service manager that it lives through the package sdnotify. `urls` leads it to the venue of the tests; the library is as
it was published.
"""

import ccxt
import sdnotify

VENUE = "http://api.kraken.com"

notifier = sdnotify.SystemdNotifier()
exchange = ccxt.kraken({
    "apiKey": "key",
    "secret": "c2VjcmV0",
    "timeout": 10000,
    "rateLimit": 50,
    "urls": {"api": {"public": VENUE, "private": VENUE, "zendesk": VENUE}},
})
exchange.load_markets()
print("markets", len(exchange.markets))
notifier.notify("READY=1\nSTATUS=trading")
while True:
    try:
        ticker = exchange.fetch_ticker("BTC/USD")
        print("figure", int(ticker["last"]))
        if int(ticker["last"]) % 10 == 0:
            order = exchange.create_order("BTC/USD", "limit", "buy", 0.001, 1.0)
            exchange.cancel_order(order["id"])
            print("order", order["id"], "taken back")
    except ccxt.NetworkError as error:
        print("waits:", type(error).__name__)
    notifier.notify("WATCHDOG=1")
    exchange.sleep(exchange.rateLimit)
