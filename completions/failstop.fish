# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_failstop_global_optspecs
    string join \n h/help V/version
end

function __fish_failstop_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_failstop_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_failstop_using_subcommand
    set -l cmd (__fish_failstop_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c failstop -n "__fish_failstop_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_needs_command" -s V -l version -d 'Print version'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "init" -d 'Write a commented configuration for a bot'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "run" -d 'Run the bot under failstop'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "check" -d 'Test the configuration and the host, as `run` does at its start'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "verify-data" -d 'Verify the journal, from its first record to its last'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "journal" -d 'Put a journal that does not verify aside'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "status" -d 'Show what the system may do, why, and what it does'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "kill-switch" -d 'Stop all trading at once, in whatever state the engine is'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "resume" -d 'Release latched halts, with a reason'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "config" -d 'Show the configuration, compare, change and take it while the engine runs'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "mode" -d 'Choose between paper and real orders'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "maintenance" -d 'Begin or end a time in which failstop leaves the system alone'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "token" -d 'Make tokens for people and programs on other hosts, show which there are, revoke one'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "alerts" -d 'Show what people were told, take an incident on, or try the channels'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "ps" -d 'Show every process under its component, with what it uses'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "stop" -d 'Stop components, and keep them stopped'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "start" -d 'Start components that an operator stopped'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "restart" -d 'Stop and start components'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "reload" -d 'Ask components to read their configuration again'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "events" -d 'Print the journal\'s records'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "export" -d 'Write a slice of the journal as CSV or Parquet'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "report" -d 'Sum up a time: what was allowed, what failed, what people were told'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "logs" -d 'Print what components wrote to standard output and standard error'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "snapshot" -d 'Take a snapshot of capital, positions and halts, or look at those there are'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "orders" -d 'Show open orders, and say what became of one that is in doubt'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "import" -d 'Compare a venue\'s statement with the book, or take over what became of orders'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "send" -d 'Say something to the engine from a bot that is a shell script'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "gate" -d 'Ask whether an order may be sent, from a bot that is a shell script'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "limits" -d 'Show what is used of each limit, or give one another value for a while'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "breaker" -d 'Show whether the dashboard gives way to a busy host, or have everything shown again'
complete -c failstop -n "__fish_failstop_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c failstop -n "__fish_failstop_using_subcommand init" -l output -d 'Where to write it; `-` is standard output' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand init" -l name -d 'The system\'s name: letters, digits, `-` and `_` [default: the folder\'s name]' -r
complete -c failstop -n "__fish_failstop_using_subcommand init" -l orders -d 'How the bot places its orders' -r -f -a "asks\t'After asking the permit before each'
direct\t'By itself, asking nobody: it runs only while the permission is active and the mode live'
none\t'Never'"
complete -c failstop -n "__fish_failstop_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand run" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand run" -l profile -d 'The profile whose defaults come before the file: production or development' -r
complete -c failstop -n "__fish_failstop_using_subcommand run" -l listen -d 'Where the observe address listens, instead of the configuration\'s [observe] listen' -r
complete -c failstop -n "__fish_failstop_using_subcommand run" -l log-level -d 'The least severe log lines to print' -r -f -a "error\t'Failures only'
warn\t'And what needs attention'
info\t'And what happens'
debug\t'And how'
trace\t'And everything'"
complete -c failstop -n "__fish_failstop_using_subcommand run" -l log-format -d 'How log lines are printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand run" -l set -d 'Override one setting, as in `--set health.errors_per_minute=20`; may be repeated' -r
complete -c failstop -n "__fish_failstop_using_subcommand run" -l no-dashboard -d 'Serve no page at `/` of the observe address'
complete -c failstop -n "__fish_failstop_using_subcommand run" -l exit-on-failsafe -d 'End with status 5 on a fail-safe shutdown, instead of staying up and answering'
complete -c failstop -n "__fish_failstop_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand check" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand check" -l only -d 'Run only these checks: names with commas between them; may be repeated' -r
complete -c failstop -n "__fish_failstop_using_subcommand check" -l skip -d 'Leave out these checks: names with commas between them; may be repeated' -r
complete -c failstop -n "__fish_failstop_using_subcommand check" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'
junit\t'A JUnit report for CI'
github\t'Annotations for GitHub\'s CI'"
complete -c failstop -n "__fish_failstop_using_subcommand check" -l offline -d 'Skip the checks that need a network'
complete -c failstop -n "__fish_failstop_using_subcommand check" -l strict -d 'Let a warning count as a failure'
complete -c failstop -n "__fish_failstop_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l threads -d 'Threads that read and hash [default: as many as there are processors, 1 with --nice]' -r
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l since-checkpoint -d 'Read only what came since this checkpoint, and some old segments each time; all of it where there is none yet' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l checkpoint -d 'Write a checkpoint there when intact: the next run may go on from it' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l witness -d 'Compare with what a witness remembers: its address, as in https://HOST:8081/witness/NAME, or a file that it exported' -r
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l check-in -d 'Tell this check-in when it begins and how it ended, as in https://HOST:8081/ping/nightly-verify' -r
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l ca-file -d 'Authorities that are trusted beside the usual ones by --witness and --check-in, in PEM form' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l deep -d 'Replay too: every payload, the ledger\'s rules, each snapshot byte for byte, ids that were used twice'
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l strict -d 'Let a warning count as a violation'
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l nice -d 'Give way to other processes: lowest processor and disk priority'
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -l quiet -d 'Print nothing when intact'
complete -c failstop -n "__fish_failstop_using_subcommand verify-data" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand journal; and not __fish_seen_subcommand_from retire" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand journal; and not __fish_seen_subcommand_from retire" -f -a "retire" -d 'Put a journal that does not verify aside, and begin a new one with its latches'
complete -c failstop -n "__fish_failstop_using_subcommand journal; and __fish_seen_subcommand_from retire" -l reason -d 'Why; it goes into the new journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand journal; and __fish_seen_subcommand_from retire" -l confirm -d 'The system\'s name, typed out' -r
complete -c failstop -n "__fish_failstop_using_subcommand journal; and __fish_seen_subcommand_from retire" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand journal; and __fish_seen_subcommand_from retire" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand journal; and __fish_seen_subcommand_from retire" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand status" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand status" -l socket -d 'The engine\'s control socket, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand status" -l url -d 'The engine\'s observe address, as in http://127.0.0.1:8080, or its control listener, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand status" -l token-file -d 'The file with the token to show there, over TLS' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand status" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand status" -l section -d 'Print one part alone' -r -f -a "risk\t'Limits and what is used of them, results, overrides, orders that wait to be confirmed'
rates\t'What is used of each rate, and of the venue\'s request budgets'
feeds\t'Prices, source by source'"
complete -c failstop -n "__fish_failstop_using_subcommand status" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand status" -l watch -d 'Print it again every two seconds until interrupted'
complete -c failstop -n "__fish_failstop_using_subcommand status" -l nagios -d 'Print one line with performance data, as Nagios and its kin read it'
complete -c failstop -n "__fish_failstop_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and not __fish_seen_subcommand_from engage release drill status" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and not __fish_seen_subcommand_from engage release drill status" -f -a "engage" -d 'Deny all orders and kill every process of every component, now'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and not __fish_seen_subcommand_from engage release drill status" -f -a "release" -d 'Let the system run again, as far as its other halts allow'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and not __fish_seen_subcommand_from engage release drill status" -f -a "drill" -d 'Rehearse the emergency actions: nothing is revoked, stopped or latched'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and not __fish_seen_subcommand_from engage release drill status" -f -a "status" -d 'Say whether it is engaged, by whom, when and why'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l reason -d 'Why; it goes into the latch and the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from engage" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l confirm -d 'The system\'s name, typed out' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from drill" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand kill-switch; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l halt -d 'Which halt, as `failstop status` names it; may be repeated [default: all but the kill switch]' -r
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l confirm -d 'The system\'s name, typed out' -r
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand resume" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand resume" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "show" -d 'Show every value that is in force'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "get" -d 'Print the value of one key'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "check" -d 'Say whether the file is a configuration'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "diff" -d 'Show what of the file is not in force, and whether a reload would take it'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "reload" -d 'Have the file read now, and taken: whole or not at all'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "history" -d 'List the versions that were in force'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "rollback" -d 'Put an earlier version in the place of the file, and have it taken'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "schema" -d 'Print the JSON Schema of a configuration, for editors'
complete -c failstop -n "__fish_failstop_using_subcommand config; and not __fish_seen_subcommand_from show get check diff reload history rollback schema set" -f -a "set" -d 'Set one key in the file, leave the rest as it is, and have it taken'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -l file -d 'What the file comes to, without asking an engine'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -l file -d 'What the file comes to, without asking an engine'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from history" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from rollback" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l at-restart -d 'Write it although a key needs a restart: until then no other change of the file is taken'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -l no-persist -d 'Leave the file alone: it holds until this engine ends'
complete -c failstop -n "__fish_failstop_using_subcommand config; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand mode; and not __fish_seen_subcommand_from dry live" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand mode; and not __fish_seen_subcommand_from dry live" -f -a "dry" -d 'Paper only: no order reaches the exchange'
complete -c failstop -n "__fish_failstop_using_subcommand mode; and not __fish_seen_subcommand_from dry live" -f -a "live" -d 'Real orders, whenever the permission allows'
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from dry" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l confirm -d 'The system\'s name, typed out' -r
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand mode; and __fish_seen_subcommand_from live" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and not __fish_seen_subcommand_from on off" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and not __fish_seen_subcommand_from on off" -f -a "on" -d 'Suppress restarts and alerts for a while; nothing is opened meanwhile'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and not __fish_seen_subcommand_from on off" -f -a "off" -d 'End it before its time'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l for -d 'For how long: `30m`, `4h`, `2d`; at most 7d' -r
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l reason -d 'Why; it goes into the journal and to the bots' -r
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -l keep-trading -d 'Let trading go on meanwhile'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from on" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand maintenance; and __fish_seen_subcommand_from off" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "new" -d 'Make one, print it once, and write its hash to the token file'
complete -c failstop -n "__fish_failstop_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "list" -d 'Show which there are'
complete -c failstop -n "__fish_failstop_using_subcommand token; and not __fish_seen_subcommand_from new list revoke" -f -a "revoke" -d 'Take one out: with its next request it is nobody\'s'
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from new" -l role -d 'What it may do' -r -f -a "viewer\t'May look'
admin\t'May stop, and whatever does not loosen for the whole system'
super-admin\t'May release, resume, go live, suspend the watch'"
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from new" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from new" -l file -d 'The token file, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from list" -l file -d 'The token file, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from list" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from revoke" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from revoke" -l file -d 'The token file, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand token; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and not __fish_seen_subcommand_from list ack test" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and not __fish_seen_subcommand_from list ack test" -f -a "list" -d 'Show open incidents and the last that are over'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and not __fish_seen_subcommand_from list ack test" -f -a "ack" -d 'Take an incident on: its reminders and its escalation end'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and not __fish_seen_subcommand_from list ack test" -f -a "test" -d 'Send a message marked as a drill, and say what became of it'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from ack" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l channel -d 'Only to this channel [default: all]' -r
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand alerts; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand ps" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand ps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l reason -d 'Why; it goes into the journal. `start` needs one where an operator stopped the component' -r
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand stop" -l no-wait -d 'Return when the order is recorded, not when it is carried out'
complete -c failstop -n "__fish_failstop_using_subcommand stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand start" -l reason -d 'Why; it goes into the journal. `start` needs one where an operator stopped the component' -r
complete -c failstop -n "__fish_failstop_using_subcommand start" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand start" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand start" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand start" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand start" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand start" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand start" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand start" -l no-wait -d 'Return when the order is recorded, not when it is carried out'
complete -c failstop -n "__fish_failstop_using_subcommand start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l reason -d 'Why; it goes into the journal. `start` needs one where an operator stopped the component' -r
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand restart" -l no-wait -d 'Return when the order is recorded, not when it is carried out'
complete -c failstop -n "__fish_failstop_using_subcommand restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l reason -d 'Why; it goes into the journal. `start` needs one where an operator stopped the component' -r
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand reload" -l no-wait -d 'Return when the order is recorded, not when it is carried out'
complete -c failstop -n "__fish_failstop_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand events" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand events" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand events" -l type -d 'Only records of this type, or of all types below it, as in `halt` or `halt.raised`; may be repeated' -r
complete -c failstop -n "__fish_failstop_using_subcommand events" -l since -d 'Only records since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)' -r
complete -c failstop -n "__fish_failstop_using_subcommand events" -l trace -d 'Only records that follow from this request or incident, by 8 digits or more of the name that an alert, a log line or the header `failstop-trace` gives it' -r
complete -c failstop -n "__fish_failstop_using_subcommand events" -l format -d 'How they are printed; json is the journal\'s own lines' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand events" -l follow -d 'Go on printing what is recorded from now on'
complete -c failstop -n "__fish_failstop_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand export" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand export" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand export" -l output -d 'The file; `-` is standard output, for CSV' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand export" -l format -d 'Its format [default: what the file\'s name ends with]' -r -f -a "csv\t'For spreadsheets'
parquet\t'For pandas, DuckDB and their kin'"
complete -c failstop -n "__fish_failstop_using_subcommand export" -l since -d 'Only records since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)' -r
complete -c failstop -n "__fish_failstop_using_subcommand export" -l until -d 'Only records before then' -r
complete -c failstop -n "__fish_failstop_using_subcommand export" -l type -d 'Only records of this type, or of all types below it, as in `halt` or `halt.raised`; may be repeated' -r
complete -c failstop -n "__fish_failstop_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand report" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand report" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand report" -l since -d 'From when on: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)' -r
complete -c failstop -n "__fish_failstop_using_subcommand report" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand report" -l offline -d 'Read the journal alone and ask no engine, as one does with a copy of it'
complete -c failstop -n "__fish_failstop_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand logs" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand logs" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand logs" -s n -l lines -d 'At most so many lines of each component from before now [default: 100, or all with --since or --trace]' -r
complete -c failstop -n "__fish_failstop_using_subcommand logs" -l since -d 'Only what was written since then: a time (2026-11-07T09:00:00Z), a day (2026-11-07), or how long ago (90s, 15m, 2h, 7d)' -r
complete -c failstop -n "__fish_failstop_using_subcommand logs" -l trace -d 'Only lines that have this name of a request or an incident in them: 8 digits of it or more' -r
complete -c failstop -n "__fish_failstop_using_subcommand logs" -s f -l follow -d 'Go on printing what is written from now on, over rotations'
complete -c failstop -n "__fish_failstop_using_subcommand logs" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and not __fish_seen_subcommand_from take list show" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and not __fish_seen_subcommand_from take list show" -f -a "take" -d 'Take one now, beside the daily one'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and not __fish_seen_subcommand_from take list show" -f -a "list" -d 'Show those there are, and what is wrong with any of them'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and not __fish_seen_subcommand_from take list show" -f -a "show" -d 'Print one'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from take" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from list" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l state -d 'The state directory, without any configuration' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from show" -l format -d 'How it is printed; json is the file as it is' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand snapshot; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and not __fish_seen_subcommand_from list confirm resolve" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and not __fish_seen_subcommand_from list confirm resolve" -f -a "list" -d 'Show those whose end is not recorded, those in doubt first'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and not __fish_seen_subcommand_from list confirm resolve" -f -a "confirm" -d 'Confirm one that was refused since it is worth more than `confirm_above`; the bot then sends it again'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and not __fish_seen_subcommand_from list confirm resolve" -f -a "resolve" -d 'Say what became of one, as found out at the venue'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from confirm" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l outcome -d 'What became of it' -r -f -a "accepted\t'The venue has it, and it may still be filled'
filled\t'Filled whole'
cancelled\t'Cancelled, perhaps after fills'
rejected\t'The venue refused it'
expired\t'Its time at the venue was up'
not-sent\t'It never reached the venue'"
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l reason -d 'Why that is believed; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand orders; and __fish_seen_subcommand_from resolve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand import" -l account -d 'The account that it is of, where the file names none' -r
complete -c failstop -n "__fish_failstop_using_subcommand import" -l as-of -d 'The time that it is of, as the venue writes it' -r
complete -c failstop -n "__fish_failstop_using_subcommand import" -l reason -d 'Why the book is wrong; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand import" -l pool -d 'The pool whose part changes, where that is not plain' -r
complete -c failstop -n "__fish_failstop_using_subcommand import" -l format -d 'How the outcome is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand import" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand import" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand import" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand import" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand import" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand import" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand import" -l complete -d 'It names everything: what it does not name is nothing'
complete -c failstop -n "__fish_failstop_using_subcommand import" -l correct -d 'It is true and the book is not: what differs is booked against suspense, so that both agree'
complete -c failstop -n "__fish_failstop_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand send" -l socket -d 'The bot socket [default: $FAILSTOP_SOCKET]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand gate" -l json -d 'The order as one JSON object with the keys of the bot socket\'s `order`; `-` reads it from standard input' -r
complete -c failstop -n "__fish_failstop_using_subcommand gate" -l format -d 'How the answer is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand gate" -l socket -d 'The bot socket [default: $FAILSTOP_SOCKET]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand gate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and not __fish_seen_subcommand_from list override end" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and not __fish_seen_subcommand_from list override end" -f -a "list" -d 'Show every limit that is set, what is used of it, and the overrides that stand'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and not __fish_seen_subcommand_from list override end" -f -a "override" -d 'Give a limit another value for a while'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and not __fish_seen_subcommand_from list override end" -f -a "end" -d 'End an override before its time'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l for -d 'For how long: `30m`, `4h`, `2d`; at most 7d' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l reason -d 'Why; it goes into the journal' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l component -d 'The limit of this component, not of the system' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l instrument -d 'The limit of this instrument, not of the system' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l user -d 'The limit of this user, not of the system' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from override" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand limits; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and not __fish_seen_subcommand_from status reset" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and not __fish_seen_subcommand_from status reset" -f -a "status" -d 'Say whether it has tripped, why, and when it tries to come back'
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and not __fish_seen_subcommand_from status reset" -f -a "reset" -d 'Have everything shown again'
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs'"
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l config -d 'The configuration [default: $FAILSTOP_CONFIG, else ./failstop.toml]' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l state -d 'The state directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l runtime -d 'The runtime directory, instead of the configuration\'s' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l url -d 'The control listener of a system on another host, as in https://bot-host:8443' -r
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l token-file -d 'The file with the token to show there' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -l ca -d 'The authority that signed its certificate, PEM, beside those of the web' -r -F
complete -c failstop -n "__fish_failstop_using_subcommand breaker; and __fish_seen_subcommand_from reset" -s h -l help -d 'Print help'
complete -c failstop -n "__fish_failstop_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
