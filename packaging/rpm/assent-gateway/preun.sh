#!/bin/sh
# Before removal: stops the gateway.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now assent-gateway.service assent-relay.service assent-app.service \
        assent-panel.service assent-registrar.service assent-codes.service || :
fi
