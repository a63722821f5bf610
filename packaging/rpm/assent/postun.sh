#!/bin/sh
# After removal or, with 1, when an upgrade has put the new files in place: the service alone restarts, never the
# sockets. What is in /var/lib/assent stays.
if [ "$1" -eq 0 ]; then
    rm -rf /run/assent
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    if [ "$1" -ge 1 ]; then
        systemctl try-restart assent-agentd.service || :
    fi
fi
