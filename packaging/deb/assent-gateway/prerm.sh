#!/bin/sh
# Before removal: stops the gateway.
set -e

if [ "$1" = remove ] && [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop assent-gateway.service assent-relay.service assent-app.service assent-panel.service \
        assent-registrar.service assent-codes.service >/dev/null || true
fi
