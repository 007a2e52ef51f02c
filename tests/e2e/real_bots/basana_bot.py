"""A bot as the documentation of basana describes one: a dispatcher, an exchange, a handler of trades. The venue's address is the
library's own."""

import asyncio
import logging

import basana as bs
from basana.external.bitstamp import exchange as bitstamp_exchange


async def on_trade(event):
    logging.info("figure %d: %s", event.trade.price, event.trade.pair)


async def main():
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s")
    dispatcher = bs.realtime_dispatcher()
    exchange = bitstamp_exchange.Exchange(dispatcher)
    exchange.subscribe_to_public_trade_events(bs.Pair("BTC", "USD"), on_trade)
    await dispatcher.run()


asyncio.run(main())
