"""A venue for the end-to-end tests: as much of Kraken's and Bitstamp's interfaces as bots that others wrote ask for.

    venue.py FOLDER CERTIFICATE KEY

It listens on the loopback addresses of the host that it is started on, with TLS on port 443 and without on port 80, and writes
FOLDER/venue-answers once it does. Figures that it gives out count up, and FOLDER/venue-given has the last one, over its own
restarts: a log of what a bot got shows what is missing in it or stands there twice. It ends with whoever started it, or after
five minutes.

GET /control/MODE sets what it does: `well`; `hold` gives out no further figure and lets whoever asks for one wait; `errors`
answers everything with 503 and ends what streams; `hangs` answers nothing at all.
"""

import asyncio
import ctypes
import json
import os
import ssl
import sys
import time

from aiohttp import WSMsgType, web

FOLDER = sys.argv[1]
EVERY_S = 0.05
LIVES_S = 300
STAMPS = {"BTC": "XXBT", "XBT": "XXBT", "USD": "ZUSD", "DOT": "DOT"}


class Venue:
    def __init__(self):
        self.mode = "well"
        self.changed = asyncio.Condition()
        self.streams = set()
        self.orders = {}
        try:
            with open(f"{FOLDER}/venue-given") as given:
                self.given = int(given.read())
        except FileNotFoundError:
            self.given = 0

    async def set(self, mode):
        async with self.changed:
            self.mode = mode
            self.changed.notify_all()
        if mode == "errors":
            for stream in list(self.streams):
                await stream.close()

    async def figure(self):
        """The next figure, as soon as there may be one."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.mode == "well")
        self.given += 1
        with open(f"{FOLDER}/venue-given.new", "w") as given:
            given.write(str(self.given))
        os.replace(f"{FOLDER}/venue-given.new", f"{FOLDER}/venue-given")
        return self.given


VENUE = web.AppKey("venue", Venue)


@web.middleware
async def behave(request, handler):
    venue = request.app[VENUE]
    if request.path.startswith("/control/"):
        await venue.set(request.path.rsplit("/", 1)[1])
        return web.Response(text=f"{venue.given}\n")
    async with venue.changed:
        await venue.changed.wait_for(lambda: venue.mode != "hangs")
    if venue.mode == "errors":
        return web.json_response({"error": ["EService:Unavailable"]}, status=503)
    return await handler(request)


def result(value):
    return web.json_response({"error": [], "result": value})


async def public(request):
    venue = request.app[VENUE]
    match request.match_info["what"]:
        case "Time":
            return result({"unixtime": int(time.time()), "rfc1123": ""})
        case "SystemStatus":
            return result({"status": "online", "timestamp": ""})
        case "Assets":
            return result({
                stamp: {"aclass": "currency", "altname": name, "decimals": 8, "display_decimals": 5, "status": "enabled"}
                for name, stamp in STAMPS.items()
                if name != "BTC"
            })
        case "AssetPairs":
            return result({"XXBTZUSD": {
                "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT",
                "aclass_quote": "currency", "quote": "ZUSD", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1,
                "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.26]],
                "fees_maker": [[0, 0.16]], "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40,
                "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1", "status": "online",
            }})
        case "Ticker":
            price = f"{await venue.figure()}.0"
            day = ["1.0", "2.0"]
            return result({"XXBTZUSD": {
                "a": [price, "1", "1.0"], "b": [price, "1", "1.0"], "c": [price, "0.1"], "v": day, "p": [price, price],
                "t": [1, 2], "l": [price, price], "h": [price, price], "o": price,
            }})
        case "OHLC":
            pair = (await request.post()).get("pair") or request.query.get("pair")
            now = int(time.time())
            bars = [[now, "1.0", "1.0", "1.0", f"{await venue.figure()}.0", "1.0", "1.0", 1] for _ in range(10)]
            return result({pair: bars, "last": now})
        case other:
            return web.json_response({"error": [f"EGeneral:Unknown method {other}"]})


async def private(request):
    venue = request.app[VENUE]
    if not request.headers.get("API-Sign"):
        return web.json_response({"error": ["EAPI:Invalid key"]})
    body = await request.text()
    fields = json.loads(body) if body.startswith("{") else dict(await request.post())
    match request.match_info["what"]:
        case "Balance":
            return result({"ZUSD": "10000.0000", "XXBT": "1.0000000000"})
        case "BalanceEx":
            return result({"ZUSD": {"balance": "10000.0000", "hold_trade": "0.0000"}})
        case "GetWebSocketsToken":
            return result({"token": "a-token", "expires": 900})
        case "AddOrder":
            number = f"O{len(venue.orders) + 1:05}-AAAAA-AAAAAA"
            venue.orders[number] = fields
            return result({"descr": {"order": "buy 0.00100000 XBTUSD @ limit 1.0"}, "txid": [number]})
        case "CancelOrder":
            count = 1 if venue.orders.pop(fields.get("txid"), None) else 0
            return result({"count": count})
        case other:
            return web.json_response({"error": [f"EGeneral:Unknown method {other}"]})


async def stream(request):
    """Kraken's streams (version 2) or Bitstamp's, by the host that was asked for."""
    venue = request.app[VENUE]
    talk = kraken_says if "kraken" in request.host else bitstamp_says
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    venue.streams.add(socket)
    feeds = []
    try:
        if talk is kraken_says:
            online = {"api_version": "v2", "connection_id": 1, "system": "online", "version": "2.0.10"}
            await socket.send_json({"channel": "status", "type": "update", "data": [online]})
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                feeds += await talk(venue, socket, json.loads(message.data))
    finally:
        venue.streams.discard(socket)
        for feed in feeds:
            feed.cancel()
    return socket


async def kraken_says(venue, socket, asked):
    if asked.get("method") == "ping":
        await socket.send_json({"method": "pong", "req_id": asked.get("req_id")})
    if asked.get("method") != "subscribe":
        return []
    params = asked["params"]
    for symbol in params.get("symbol", [None]):
        taken = {"channel": params["channel"], "snapshot": True} | ({"symbol": symbol} if symbol else {})
        await socket.send_json({"method": "subscribe", "result": taken, "success": True, "req_id": asked.get("req_id")})
    if params["channel"] != "ticker":
        return []

    async def feed():
        while True:
            figure = await venue.figure()
            ticker = {"symbol": "BTC/USD", "bid": figure, "ask": figure, "last": figure, "volume": 1.0}
            await socket.send_json({"channel": "ticker", "type": "update", "data": [ticker]})
            await asyncio.sleep(EVERY_S)

    return [asyncio.create_task(feed())]


async def bitstamp_says(venue, socket, asked):
    if asked.get("event") != "bts:subscribe":
        return []
    channel = asked["data"]["channel"]
    await socket.send_json({"event": "bts:subscription_succeeded", "channel": channel, "data": {}})
    if channel != "live_trades_btcusd":
        return []

    async def feed():
        while True:
            figure = await venue.figure()
            trade = {
                "id": figure, "timestamp": str(int(time.time())), "microtimestamp": str(int(time.time() * 1e6)),
                "amount": 0.1, "amount_str": "0.10000000", "price": figure, "price_str": str(figure), "type": 0,
                "buy_order_id": 1, "sell_order_id": 2,
            }
            await socket.send_json({"event": "trade", "channel": channel, "data": trade})
            await asyncio.sleep(EVERY_S)

    return [asyncio.create_task(feed())]


async def main():
    # Nothing outlives the test: whoever started this takes it along (PR_SET_PDEATHSIG, SIGKILL).
    ctypes.CDLL(None).prctl(1, 9)
    app = web.Application(middlewares=[behave])
    app[VENUE] = Venue()
    app.router.add_route("*", "/0/public/{what}", public)
    app.router.add_route("*", "/0/private/{what}", private)
    app.router.add_get("/control/{mode}", lambda request: web.Response())
    app.router.add_get("/{path:.*}", stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[2], sys.argv[3])
    await web.TCPSite(runner, "127.0.0.1", 443, ssl_context=tls, reuse_address=True).start()
    await web.TCPSite(runner, "127.0.0.1", 80, reuse_address=True).start()
    with open(f"{FOLDER}/venue-answers", "w"):
        pass
    await asyncio.sleep(LIVES_S)


asyncio.run(main())
