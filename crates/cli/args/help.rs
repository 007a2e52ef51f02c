//! The longer words of `--help`: what each command is for, its exit statuses, and examples that work as they stand.

/// One line about the program.
pub const ABOUT: &str = "Make an unattended trading bot fail-stop";

/// A paragraph about it.
pub const LONG_ABOUT: &str = "Make an unattended trading bot fail-stop: it halts on failure, its failure is visible, and \
what it recorded survives.\n\nPut `failstop run` in front of the bot. It supervises the bot's processes, gives out the \
permit by which they may trade, halts them for named and recorded reasons, and keeps a journal that shows afterwards \
what happened.";

/// Below the list of commands.
pub const ROOT_HELP: &str = "\
Finding the system:
  Commands find it by --config, else $FAILSTOP_CONFIG, else ./failstop.toml.

Examples:
  failstop init -- python3 bot.py          write a commented failstop.toml
  failstop check --offline                 test the configuration, without a network
  failstop run                             run the bot under failstop
  failstop status                          what it does, and what to do next
  failstop kill-switch engage --reason \"venue misprices\"";

/// Below the list of `config`.
pub const CONFIG_HELP: &str = "\
A change of the file is taken by itself within a second (config.hot_reload), whole or not at all:
one key that needs a restart, or one mistake, and nothing of it is taken. What is refused raises
an alert and stands in `failstop status` until the file is mended.

Exit status:
  0  done
  1  refused
  2  usage, or the file is not a valid configuration
  3  no engine answers, or a file cannot be read

Examples:
  failstop config diff
  failstop config set health.errors_per_minute 20
  failstop config get component.bot
  failstop config rollback";

/// Below the options of `config diff`.
pub const CONFIG_DIFF_HELP: &str = "\
The engine compares, with the variables and flags that it was started with.

Exit status:
  0  what the file says is in force, or a reload would take it
  1  a reload would refuse it: a key needs a restart, or the file is not valid
  2  usage
  3  no engine answers

Examples:
  failstop config diff
  failstop config diff --format json | jq -r '.changes[] | select(.class != \"live\") | .key'";

/// Below the options of `config reload`.
pub const CONFIG_RELOAD_HELP: &str = "\
The same as SIGHUP, but for the components: `failstop reload COMPONENT` is about those. The secrets
of alert channels are read again, too.

Exit status:
  0  in force
  1  refused: nothing of it is taken
  2  usage
  3  no engine answers

Examples:
  failstop config reload";

/// Below the options of `config rollback`.
pub const CONFIG_ROLLBACK_HELP: &str = "\
The file keeps its owner and its mode, and a link stays a link. Refused where the file is not this
user's to write, and where it is mounted from a ConfigMap.

Exit status:
  0  taken; where no engine runs: written
  1  refused: no other version is kept, or the engine does not take it
  2  usage, or the version is no valid configuration now

Examples:
  failstop config history
  failstop config rollback        back to the version before, or out of a file that is not valid
  failstop config rollback 12";

/// Below the options of `config set`.
pub const CONFIG_SET_HELP: &str = "\
Comments, order and spaces stay. The whole file is validated before it is written, and what it said
is kept as a version. A key that needs a restart is set with --at-restart, or while no engine runs.

Exit status:
  0  taken; where no engine runs, or with --at-restart: written
  1  refused: the key needs a restart, or the engine does not take it
  2  usage, or the file would not be a valid configuration

Examples:
  failstop config set limits.memory_max 2GiB
  failstop config set thresholds.daily_pnl.critical -49
  failstop config set permit.lease 3s --at-restart
  failstop config set log.level debug --no-persist";

/// Below the options of `run`.
pub const RUN_HELP: &str = "\
Exit status:
  0  stopped on request
  2  the configuration cannot be used
  4  another instance runs on the same state directory, or on a copy of it
  5  stopped on request (or by --exit-on-failsafe) while in fail-safe shutdown
  6  the journal cannot be written
  7  the engine died under its guard
  8  asked to restart (by a watchdog): start it again

Settings, each overriding the ones before it: built in, profile, file, environment
(FAILSTOP__SECTION__KEY, FAILSTOP__COMPONENT__NAME__KEY), flags.

Examples:
  failstop run --config /etc/failstop/demo.toml
  failstop run --profile development --log-level debug
  failstop run --set health.market_data_max_age=30s --set component.bot.stop_grace=20s";

/// Below the options of `check`.
pub const CHECK_HELP: &str = "\
Exit status:
  0  all checks passed (warnings do not count, unless --strict)
  1  some failed
  2  usage, or the configuration cannot be read
  3  a check could not be carried out

Examples:
  failstop check
  failstop check --offline --strict --format junit > failstop.xml
  failstop check --only secrets,command";

/// Below the options of `verify-data`.
pub const VERIFY_HELP: &str = "\
It needs no running engine, writes nothing (but --checkpoint), and may run while the engine
does. It reads as the engine's user or as root.

Exit status:
  0  intact (a torn end that the next start repairs is reported, and is intact)
  1  violated: the file, line, sequence number and byte of each violation are printed
  2  usage, or the configuration cannot be read
  3  could not verify

--deep reads the journal a second time and replays it: what each record does to the ledger, and
that each snapshot is what the records before it give.

A checkpoint that cannot be used is refused in words, and everything is verified. A run from
a checkpoint also reads some old segments again, in turn: an incremental run alone would not
see damage to what was verified once.

Examples:
  failstop verify-data --config failstop.toml
  failstop verify-data --state /var/lib/failstop/demo --format json
  failstop verify-data --state /var/lib/failstop/demo --deep
  failstop verify-data --state /var/lib/failstop/demo --quiet --nice    from cron: silent when intact
  failstop verify-data --since-checkpoint v.ckpt --checkpoint v.ckpt --quiet --nice
  failstop verify-data --witness https://watch.example.com:8081/witness/demo --ca-file ca.pem";

/// Below the options of `export`.
pub const EXPORT_HELP: &str = "\
Columns: seq, d, epoch, ts, type, payload (JSON), h. The file is written whole or not at all; only
records for which their hashes vouch are in it.

Exit status:
  0  written
  1  written, but records are left out: the journal is damaged there
  2  usage
  3  the journal cannot be read, or the file cannot be written

Examples:
  failstop export --output october.parquet --since 2026-10-01 --until 2026-11-01
  failstop export --output halts.csv --type halt --type operator
  duckdb -c \"select type, count(*) from 'october.parquet' group by type\"";

/// Below the options of `status`.
pub const STATUS_HELP: &str = "\
Exit status:
  0  ok
  1  warning: degraded, or the permission is not `active`
  2  critical: unhealthy, shut down, or the kill switch is engaged
  3  unknown: no engine answers

Examples:
  failstop status
  failstop status --watch
  failstop status --format json | jq .halts
  failstop status --nagios --config /etc/failstop/demo.toml
  failstop status --url http://127.0.0.1:8080";

/// Below the options of `kill-switch`.
pub const KILL_HELP: &str = "\
Exit status:
  0  done (also when it was engaged already); `status`: not engaged
  1  engaged on disk, but something did not stop or an emergency action failed; `status`: engaged;
     `release`: refused; `drill`: an action failed, there are none, or it is engaged
  2  usage
  3  nothing could be done; `status`: not known; `release`: no engine answers

Examples:
  failstop kill-switch engage --reason \"venue misprices\"
  failstop kill-switch engage --reason \"config is broken\" --state /var/lib/failstop/demo
  failstop kill-switch status
  failstop kill-switch drill
  failstop kill-switch release --reason \"venue is back\" --confirm demo";

/// Below the options of `kill-switch engage`.
pub const ENGAGE_HELP: &str = "\
It needs neither a running engine nor a sound configuration: it revokes the permit, makes the
latch durable and kills every process of every component itself. At the same time it gives the
engine the order over its control socket, which is how an admin of [control] stops a system whose
files he may not write. Then the emergency actions of the
configuration are run, by the engine or by this command: once for an engagement, however often and
by however many it is engaged. Where there are none, orders that are open at the venue stay open.

Exit status:
  0  engaged (also when it was already), and everything is stopped
  1  engaged on disk, but something did not stop or an emergency action failed
  2  usage
  3  nothing could be done

Examples:
  failstop kill-switch engage --reason \"venue misprices\"
  failstop kill-switch engage --reason drill --state state --runtime run";

/// Below the options of `kill-switch drill`.
pub const DRILL_HELP: &str = "\
Each emergency action is run as it would be, with FAILSTOP_DRILL=1 in its environment: a program that
does not look at that does the real thing. The outcomes are journaled as a drill. A kill switch that
is engaged meanwhile ends it.

Exit status:
  0  every action was done
  1  some were not, there are none, or the kill switch is engaged
  2  usage or unreadable configuration
  3  nothing could be run

Examples:
  failstop kill-switch drill
  failstop kill-switch drill --state /var/lib/failstop/demo";

/// Below the options of `kill-switch release`.
pub const RELEASE_HELP: &str = "\
It needs a running engine, which journals the release before it takes effect. While emergency actions
run it is refused.

Exit status:
  0  released, and recorded
  1  refused
  2  usage
  3  no engine answers

Examples:
  failstop kill-switch release --reason \"venue is back\" --confirm demo";

/// Below the options of `resume`.
pub const RESUME_HELP: &str = "\
All or nothing: refused with every reason while the cause of one of them still holds. The kill
switch is not released by this command.

Exit status:
  0  resumed, and recorded
  1  refused; each reason says what to do next
  2  usage
  3  no engine answers

Examples:
  failstop resume --reason \"feed is back, positions checked\" --confirm demo
  failstop resume --halt h-31 --reason \"bot patched\" --confirm demo";

/// Below the options of `stop`.
pub const STOP_HELP: &str = "\
A component that is stopped stays so, over crashes and restarts of failstop, until `failstop start`.
What depends on it goes on, unless its `on_dependency_exit` says otherwise. To end failstop itself,
send SIGTERM to `failstop run`.

Exit status:
  0  stopped
  1  refused, or it did not stop
  2  usage, or there is no such component
  3  no engine answers

Examples:
  failstop stop scanner --reason \"rate limits\"
  failstop stop scanner executor --reason upgrade --no-wait";

/// Below the options of `start`.
pub const START_HELP: &str = "\
It returns when the components are ready. One that waits for its next start is started at once.

Exit status:
  0  ready (also when it was already)
  1  refused, or it is not ready; each reason says what to do next
  2  usage, or there is no such component
  3  no engine answers

Examples:
  failstop start scanner --reason \"rate limits raised\"";

/// Below the options of `restart`.
pub const RESTART_HELP: &str = "\
It returns when the new processes are ready. A restart that was asked for does not count towards the
start limit.

Exit status:
  0  ready again
  1  refused, or it is not ready; each reason says what to do next
  2  usage, or there is no such component
  3  no engine answers

Examples:
  failstop restart bot --reason \"new parameters\"
  failstop restart bot --reason upgrade --format json";

/// Below the options of `reload`.
pub const RELOAD_HELP: &str = "\
It sends a component's `reload_signal` to its main process. With `reload_notify` it returns when the
component is ready again (RELOADING=1, then READY=1 over sd_notify), otherwise at once.

Exit status:
  0  asked to reload; with `reload_notify`: reloaded
  1  refused, or it did not come back
  2  usage, or there is no such component
  3  no engine answers

Examples:
  failstop reload bot --reason \"new pairs\"";

/// Below the options of `mode`.
pub const MODE_HELP: &str = "\
The configuration is the ceiling: `live` also needs mode = \"live\" under [system].

Exit status:
  0  done, and recorded
  1  refused
  2  usage
  3  no engine answers

Examples:
  failstop mode dry
  failstop mode live --confirm demo";

/// Below the options of `alerts`.
pub const ALERTS_HELP: &str = "\
Exit status:
  0  done; `test`: every destination took the message
  1  refused; `test`: one did not take it
  2  usage
  3  no engine answers; `list` then shows what its outbox has, where there is one

Examples:
  failstop alerts list
  failstop alerts list --format json | jq '.alerts[] | select(.resolved_at == null)'
  failstop alerts ack h-31
  failstop alerts test --channel telegram";

/// Below the options of `maintenance`.
pub const MAINTENANCE_HELP: &str = "\
Meanwhile a component that ends is not restarted and alerts wait, except critical halts, integrity and
the kill switch. It ends by itself. Both need the role super-admin.

Exit status:
  0  done
  1  refused
  2  usage
  3  no engine answers

Examples:
  failstop maintenance on --for 30m --reason \"a new disk\"
  failstop maintenance off";

/// Below the options of `token`.
pub const TOKEN_HELP: &str = "\
A token is shown to the control listener by whoever controls a system from another host: by a
browser at its /login, and by commands with --url and --token-file. It is printed once; only its
hash is kept, in the file that [control] token_file names. Roles: a viewer looks; an admin stops,
and gives every control that does not loosen for the whole system; a super-admin may everything.

Exit status:
  0  done
  1  refused: the name is taken, or nobody has it
  2  usage, or an unreadable configuration
  3  the token file cannot be read or written

Examples:
  failstop token new ana --role super-admin
  (umask 077; failstop token new anas-phone --role admin > phone.token)
  failstop token list
  failstop token revoke anas-phone";

/// Below the options of `ps`.
pub const PS_HELP: &str = "\
Memory is the proportional set size: what is shared is split among those who share it, so that the
figures of a tree add up. Processor time is the process's own, since its start.

Exit status:
  0  shown
  2  usage
  3  no engine answers

Examples:
  failstop ps
  failstop ps --format json | jq '.components[].processes | max_by(.memory_bytes)'";

/// Below the options of `events`.
pub const EVENTS_HELP: &str = "\
It reads the journal's files, so it needs no running engine.

Exit status:
  0  done
  2  usage
  3  the journal cannot be read

Examples:
  failstop events --since 1h
  failstop events --follow --type halt --type component
  failstop events --trace 4bf92f35
  failstop events --since 2026-11-07 --format json | jq -r .t | sort | uniq -c";

/// Below the options of `report`.
pub const REPORT_HELP: &str = "\
It reads the journal's files, so it needs no running engine; one that runs adds the hour that is
under way. Times in which no engine ran count as down. Memory and what bots report of their API
are noted once an hour.

Exit status:
  0  the whole time is accounted for
  1  summed up, but lines of the journal cannot be read: see `failstop verify-data`
  2  usage
  3  the journal cannot be read

Examples:
  failstop report
  failstop report --since 2026-11-01
  failstop report --since 24h --format json | jq .permission
  failstop report --state /backup/demo/state --offline";

/// Below the options of `logs`.
pub const LOGS_HELP: &str = "\
It reads the log files of the state directory, so it needs no running engine. Of one component
its lines are printed as they are, of several each with its component's name before it. Lines
that begin with `-- failstop` are failstop's own: starts, ends, and what could not be kept.

Exit status:
  0  done
  2  usage
  3  there is nothing to read, or it cannot be read

Examples:
  failstop logs
  failstop logs bot --follow
  failstop logs bot --since 15m
  failstop logs --trace 4bf92f35
  failstop logs --lines 1000 --state /var/lib/failstop/demo";

/// Below the options of `init`.
pub const INIT_HELP: &str = "\
Asks for what it was not told, but only on a terminal. Never overwrites a file. A bot whose orders it was told nothing about
is taken to place them by itself (`direct`): the strictest, under which it runs only live.

Examples:
  failstop init
  failstop init --orders asks --output demo/failstop.toml -- python3 bot.py
  failstop init --output - -- node bot.js";

/// Below the options of `completions`.
pub const COMPLETIONS_HELP: &str = "\
Examples:
  failstop completions bash > ~/.local/share/bash-completion/completions/failstop
  failstop completions zsh > ~/.zfunc/_failstop
  failstop completions fish > ~/.config/fish/completions/failstop.fish";

/// Below the options of `send`.
pub const SEND_HELP: &str = "\
Types and their keys (a key with ? may be left out):
  hello        client?, version?
  heartbeat    progress?
  tick         feed, instrument?, time?
  metric       name, value, labels?
  part         name, status (healthy, degraded, critical), health?, detail?
  queue        state (idle, processing, stalled), depth?, oldest_ms?
  error        kind, message, part?, severity? (1 to 5), fatal?
  halt         cap (reduce-only, observe-only, shutdown), reason
  event        name (starts with `x.`), and further KEY=VALUE or one data={JSON} to record
  posting      ref, legs=[{\"asset\",\"account\",\"pool\",\"amount\"},...], reason?
  fill         ref, account, instrument, side (buy, sell), quantity, price, client_id?, legs?
  capital      account, asset, total, free, locked
  position     account, instrument, quantity, opening? (true: from before the journal), entry?, leverage?
  strategy_state    strategy, to, from?, instance?, reason?
  snapshot_request  reason?
  price        source, instrument, bid and ask or last, time?
  api_usage    endpoint, used, limit, resets_at?
  order_result client_id, outcome (accepted, filled, cancelled, rejected, expired, not-sent, unknown),
               venue_id?, latency_us?, reason?
  rate         bucket (messages, copies, openings, trades), user?, cost?; fails unless it is allowed
  permission   none; prints the permission, and fails unless it is `active`

The answer is awaited: what is recorded is answered once it is durable, with its sequence number.
Amounts are decimals, and travel as they are written.

Exit status:
  0  accepted; `permission`: active
  1  refused; `permission`: anything but active
  2  usage
  3  no engine answers

Examples:
  failstop send heartbeat progress=42
  failstop send tick feed=binance instrument=BTCUSDT
  failstop send event name=x.rebalance side=buy size=0.5
  failstop send capital account=kraken asset=USDT total=1000 free=900 locked=100
  failstop send permission && ./place-order";
