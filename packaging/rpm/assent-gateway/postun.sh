#!/bin/sh
# After removal or, with 1, when an upgrade has put the new files in place. What is in /var/lib/assent-gateway stays.
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    if [ "$1" -ge 1 ]; then
        systemctl try-restart assent-gateway.service assent-relay.service assent-app.service assent-panel.service \
            assent-registrar.service assent-codes.service || :
    fi
fi
