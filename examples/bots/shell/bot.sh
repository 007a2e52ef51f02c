#!/bin/sh
# A bot in plain shell for `failstop run`: it watches a price file and says what it sees through `failstop send`.
# It places no orders. One that does asks `failstop send 'permission?'` before each (a round trip, and the answer ages:
# bots that trade fast read the permit page instead, see ../python/bot.py).
set -u

say=${SAY:-failstop}
prices=$1
step=0

"$say" send hello client=bot.sh version=1 || exit 1
# Each failure is reported, then tried again with the next step: a bot that failstop does not hear is restarted.
while :; do
    step=$((step + 1))
    "$say" send heartbeat progress="$step" || echo "heartbeat $step did not arrive" >&2
    if price=$(sed -n "$((step % 3000 + 2))p" "$prices") && [ -n "$price" ]; then
        "$say" send tick feed=binance || echo "tick $step did not arrive" >&2
        echo "step $step: $price"
    else
        "$say" send error kind=prices message="no price in $prices" severity=2
    fi
    sleep 1
done
