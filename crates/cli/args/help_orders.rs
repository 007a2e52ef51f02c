//! What `--help` says beyond the options, of the commands about orders, limits and books.

/// Below the options of `gate`.
pub const GATE_HELP: &str = "\
Keys of an order (a key with ? may be left out):
  client_id, instrument, account, side (buy, sell), quantity, price?, leverage?, kind? (entry, exit, copy),
  reduce_only? (true, false), user?, live? (true: refused in `dry` instead of filled on paper)

Run it from a component, directly before the order is sent; then say what became of it with
`failstop send order_result`. Amounts are decimals, and travel as they are written.

Exit status:
  0  allowed: send it now, to the exchange where it says `live`
  1  refused, with every reason
  2  usage
  3  no engine answers: send nothing

0 also on paper; with `live=true` an order in `dry` is refused, so that 0 means the exchange.

Examples:
  failstop gate client_id=e7-1 instrument=BTC/USDT account=main side=buy quantity=0.01
  failstop gate client_id=e7-2 instrument=BTC/USDT account=main side=buy quantity=0.01 live=true && ./place-order
  jq '.live=true' order.json | failstop gate --format json --json - && ./place-order";

/// Below the options of `limits`.
pub const LIMITS_HELP: &str = "\
Tightening is in force at once, loosening once it is recorded. An override ends by itself; a second
one for the same limit takes the place of the first.

Exit status:
  0  done, and recorded
  1  refused, or no [gate] is configured
  2  usage
  3  no engine answers

Examples:
  failstop limits list
  failstop limits override trades_per_day 80 --for 4h --reason \"rebalancing, agreed with Ann\"
  failstop limits override position 5000 --component scanner --for 30m --reason \"new strategy\"
  failstop limits end trades_per_day";

/// Below the options of `breaker`.
pub const BREAKER_HELP: &str = "\
While the host's processors or memory are nearly all in use, the dashboard, the figures over time
and the verification beside give way ([breaker]); what keeps trading safe never does. It tries to
come back by itself; after the last failed try it waits for `reset`.

Exit status:
  0  `status`: everything is shown; `reset`: done
  1  `status`: it has tripped; `reset`: it has not
  2  usage
  3  no engine answers

Examples:
  failstop breaker status
  failstop breaker reset";

/// Below the options of `snapshot`.
pub const SNAPSHOT_HELP: &str = "\
`list` and `show` read the files of the state directory, so they need no running engine.

Exit status:
  0  done; `list`: all are sound
  1  refused; `list`, `show`: one that the journal names is missing or damaged
  2  usage, or there is no such snapshot
  3  `take`: no engine answers; otherwise they cannot be read

Examples:
  failstop snapshot take --reason \"before the upgrade\"
  failstop snapshot list
  failstop snapshot show 2026-11-06
  failstop snapshot show --format json | jq -c 'select(.k == \"account.balance\")'";

/// Below the options of `orders`.
pub const ORDERS_HELP: &str = "\
An order is in doubt when its intent is recorded and nobody knows what became of it. `resume` is
refused until each is resolved: ask the venue, never guess.

Exit status:
  0  done, and recorded
  1  refused
  2  usage
  3  no engine answers; `list` then shows what the journal has, where there is one

Examples:
  failstop orders list
  failstop orders list --format json | jq -r '.orders[] | select(.doubt != null) | .id'
  failstop orders confirm e7-3
  failstop orders resolve o-17 --outcome not-sent --reason \"the venue's history has no such order\"";

/// Below the options of `import`.
pub const IMPORT_HELP: &str = "\
CSV names its columns in the first line; further ones are passed over:
  account, asset, total            a balance (`account` may be left to --account)
  account, instrument, quantity    a position
  order, outcome, reason           what became of an order in doubt
JSON, amounts as texts:
  {\"account\": \"kraken\", \"balances\": [{\"asset\": \"USDT\", \"total\": \"1000.50\"}],
   \"positions\": [{\"instrument\": \"BTC/USDT\", \"quantity\": \"0.5\"}], \"complete\": true}
  a list of such objects, or {\"statements\": [...], \"orders\": [{\"id\", \"outcome\", \"reason\"}]}

Each statement is compared with the book within the asset's tolerance, and recorded. A difference
is refused, recorded, and ends in fail-safe shutdown: capital does not reconcile.
Where the venue is right and the book is not, --correct books the difference against suspense
(a super-admin's), so that both agree; then `failstop resume`.

Exit status:
  0  everything agrees, and is recorded (also when it was imported before)
  1  something does not agree, or was refused
  2  usage, or the file cannot be understood: nothing of it was imported
  3  no engine answers

Examples:
  failstop import kraken-2026-11-06.csv --account kraken
  failstop import statement.json --complete
  failstop import venue.csv --correct --reason \"the fill T-4711 was missed\"
  fetch-balances | failstop import - --account kraken --as-of \"$(date -u +%FT%TZ)\"";
