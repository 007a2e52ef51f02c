# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_failstop_watchdog_global_optspecs
    string join \n config= h/help V/version
end

function __fish_failstop_watchdog_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_failstop_watchdog_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_failstop_watchdog_using_subcommand
    set -l cmd (__fish_failstop_watchdog_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -s V -l version -d 'Print version'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "check" -d 'Check the configuration, its keys and its secrets, and say what is and is not covered'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "status" -d 'Show how everything stands'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "test-alert" -d 'Send a marked test message through the running watchdog, and say what each service answered'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "release" -d 'Release a held target: its restarts are counted anew, and the journal that it has now is accepted'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "ack" -d 'Acknowledge an incident: reminders and escalation end'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "silence" -d 'Silence a target for a while: nobody is told of it, and it is not restarted'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "resume" -d 'End a silence'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "witness" -d 'What is remembered of a system\'s journal'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "actuate" -d 'Be the responder on a bot\'s host: signed stop, kill and start of the units in the configuration'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "drill" -d 'Rehearse: an incident goes all the way to people and ends; every key and way of restarting is tried, and nothing is touched'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_needs_command" -f -a "reference" -d 'Print the reference of the configuration'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand check" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand check" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand status" -l format -d 'text or json' -r -f -a "text\t'For people'
json\t'For scripts'"
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand status" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand test-alert" -l channel -d 'Only this channel' -r
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand test-alert" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand test-alert" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand release" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand release" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand ack" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand ack" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand silence" -l for -d 'For how long: 30m, 4h' -r
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand silence" -l reason -d 'Why' -r
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand silence" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand silence" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand resume" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand resume" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and not __fish_seen_subcommand_from export" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and not __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and not __fish_seen_subcommand_from export" -f -a "export" -d 'Write it as a file for `failstop verify-data --witness FILE`'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and __fish_seen_subcommand_from export" -l output -d 'Where to; standard output without it' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and __fish_seen_subcommand_from export" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand witness; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand actuate" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand actuate" -l ssh -d 'Carry out the one command in $SSH_ORIGINAL_COMMAND, print its receipt, and end'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand actuate" -s h -l help -d 'Print help'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand drill" -l severity -d 'As bad as a real one that is this' -r -f -a "critical\t'Act now'
warning\t'Something will be at risk if nobody acts'
info\t'Good to know'"
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand drill" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand drill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand reference" -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -n "__fish_failstop_watchdog_using_subcommand reference" -s h -l help -d 'Print help'
