#!/bin/sh
# Before removal: never leaves a PAM line without its module. An upgrade passes by: the sockets stay, the new version's
# postinst restarts the service.
set -e

#INCLUDE packaging/pam/still-named.sh

if [ "$1" = remove ]; then
    may_be_removed || exit 1
    if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
        deb-systemd-invoke stop assent-agentd.service assent-agentd.socket assent-admin.socket >/dev/null || true
    fi
fi
