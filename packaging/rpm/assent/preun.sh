#!/bin/sh
# Before removal: never leaves a PAM line without its module.
#INCLUDE packaging/pam/still-named.sh
if [ "$1" -eq 0 ]; then
    may_be_removed || exit 1
    if [ -d /run/systemd/system ]; then
        systemctl --no-reload disable --now assent-agentd.service assent-agentd.socket assent-admin.socket || :
    fi
fi
