#!/bin/sh
# A job for lockctl run: it and a grandchild that ignores TERM write the time to FILE until they are killed; FILE.pid has its pid.
beat() {
    while :; do
        printf '%s\n' "$(cut -d ' ' -f 1 /proc/uptime)" >>"$1"
        sleep 0.05
    done
}
echo $$ >"$1.pid"
(trap '' TERM && beat "$1") &
beat "$1"
