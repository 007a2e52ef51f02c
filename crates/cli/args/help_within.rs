//! The words of `--help` below the options of commands within a command: examples, and exit statuses where they are not those that
//! stand with the command itself.

/// Below the options of `kill-switch status`.
pub const KILL_STATUS: &str = "\
Exit status:
  0  not engaged
  1  engaged, or whether it is cannot be read
  2  usage, or the state directory is not known
  3  with --url: no engine answers

Examples:
  failstop kill-switch status
  failstop kill-switch status --state /var/lib/failstop/demo --format json | jq .engaged";

/// Below the options of `mode dry`.
pub const MODE_DRY: &str = "\
Examples:
  failstop mode dry --reason \"odd fills\"";

/// Below the options of `mode live`.
pub const MODE_LIVE: &str = "\
It needs mode = \"live\" under [system], and the system's name.

Examples:
  failstop mode live --reason \"paper went well\" --confirm demo";

/// Below the options of `maintenance on`.
pub const MAINTENANCE_ON: &str = "\
Examples:
  failstop maintenance on --for 30m --reason \"a new disk\"
  failstop maintenance on --for 4h --reason \"a new router\" --keep-trading";

/// Below the options of `maintenance off`.
pub const MAINTENANCE_OFF: &str = "\
Examples:
  failstop maintenance off";

/// Below the options of `token new`.
pub const TOKEN_NEW: &str = "\
Examples:
  (umask 077; failstop token new anas-phone --role admin > phone.token)";

/// Below the options of `token list`.
pub const TOKEN_LIST: &str = "\
Examples:
  failstop token list
  failstop token list --file /etc/failstop/control-tokens --format json";

/// Below the options of `token revoke`.
pub const TOKEN_REVOKE: &str = "\
Examples:
  failstop token revoke anas-phone";

/// Below the options of `alerts list`.
pub const ALERTS_LIST: &str = "\
Examples:
  failstop alerts list
  failstop alerts list --format json | jq '.alerts[] | select(.resolved_at == null)'";

/// Below the options of `alerts ack`.
pub const ALERTS_ACK: &str = "\
Examples:
  failstop alerts ack h-31";

/// Below the options of `alerts test`.
pub const ALERTS_TEST: &str = "\
Exit status:
  0  every destination took the message
  1  refused, or one did not take it
  2  usage
  3  no engine answers

Examples:
  failstop alerts test
  failstop alerts test --channel telegram";

/// Below the options of `snapshot take`.
pub const SNAPSHOT_TAKE: &str = "\
Examples:
  failstop snapshot take --reason \"before the upgrade\"";

/// Below the options of `snapshot list`.
pub const SNAPSHOT_LIST: &str = "\
Exit status:
  0  all are sound
  1  one that the journal names is missing or damaged
  2  usage
  3  they cannot be read

Examples:
  failstop snapshot list
  failstop snapshot list --state /backup/demo/state";

/// Below the options of `snapshot show`.
pub const SNAPSHOT_SHOW: &str = "\
Exit status:
  0  shown
  1  it is missing or damaged
  2  usage, or there is no such snapshot
  3  it cannot be read

Examples:
  failstop snapshot show
  failstop snapshot show 2026-11-06 --format json | jq -c 'select(.k == \"account.balance\")'";

/// Below the options of `orders list`.
pub const ORDERS_LIST: &str = "\
Examples:
  failstop orders list
  failstop orders list --format json | jq -r '.orders[] | select(.doubt != null) | .id'";

/// Below the options of `orders confirm`.
pub const ORDERS_CONFIRM: &str = "\
Examples:
  failstop orders confirm e7-3";

/// Below the options of `orders resolve`.
pub const ORDERS_RESOLVE: &str = "\
Examples:
  failstop orders resolve o-17 --outcome filled --reason \"the venue's history has it\"
  failstop orders resolve o-18 --outcome not-sent --reason \"the venue has never heard of it\"";

/// Below the options of `limits list`.
pub const LIMITS_LIST: &str = "\
Examples:
  failstop limits list
  failstop limits list --format json | jq '.limits[] | select(.score > 0.8)'";

/// Below the options of `limits override`.
pub const LIMITS_OVERRIDE: &str = "\
Examples:
  failstop limits override trades_per_day 80 --for 4h --reason \"rebalancing, agreed with Ann\"
  failstop limits override position 5000 --component scanner --for 2d --reason \"new strategy\"";

/// Below the options of `limits end`.
pub const LIMITS_END: &str = "\
Examples:
  failstop limits end trades_per_day";

/// Below the options of `breaker status`.
pub const BREAKER_STATUS: &str = "\
Exit status:
  0  everything is shown
  1  it has tripped
  2  usage
  3  no engine answers

Examples:
  failstop breaker status
  failstop breaker status --format json | jq .why";

/// Below the options of `breaker reset`.
pub const BREAKER_RESET: &str = "\
Exit status:
  0  done
  1  it has not tripped
  2  usage
  3  no engine answers

Examples:
  failstop breaker reset";

/// Below the options of `config show`.
pub const CONFIG_SHOW: &str = "\
Examples:
  failstop config show
  failstop config show --file | grep backoff";

/// Below the options of `config get`.
pub const CONFIG_GET: &str = "\
Exit status:
  0  printed
  2  usage, no such key has a value, or (--file) the file cannot be used
  3  no engine answers

Examples:
  failstop config get health.errors_per_minute
  failstop config get component.bot";

/// Below the options of `config check`.
pub const CONFIG_CHECK: &str = "\
`failstop check` tests the host and the network, too.

Exit status:
  0  it is
  2  it is not: every mistake is shown with its place

Examples:
  failstop config check --config /etc/failstop/demo.toml";

/// Below the options of `config history`.
pub const CONFIG_HISTORY: &str = "\
Examples:
  failstop config history
  failstop config history --format json | jq '.[0].sha256'";

/// Below the options of `config schema`.
pub const CONFIG_SCHEMA: &str = "\
Examples:
  failstop config schema > failstop.schema.json";
