"""A bot as the documentation of python-kraken-sdk describes one: a client of the stream that is handed its messages, and a loop
that lasts until the client gives up. The venue's address is the library's own."""

import asyncio
import sys

from kraken.spot import SpotWSClient


class Bot(SpotWSClient):
    async def on_message(self, message):
        if message.get("channel") == "ticker":
            print("figure", int(message["data"][0]["last"]))
        elif message.get("channel") != "heartbeat":
            print("heard", message)


async def main():
    bot = Bot()
    await bot.start()
    await bot.subscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]})
    while not bot.exception_occur:
        await asyncio.sleep(0.2)
    await bot.close()
    sys.exit("the client gave up")


asyncio.run(main())
