complete -c failstop-watchdog -l config -d 'The configuration' -r -F
complete -c failstop-watchdog -s h -l help -d 'Print help'
complete -c failstop-watchdog -s V -l version -d 'Print version'
