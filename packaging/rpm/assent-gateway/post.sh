#!/bin/sh
# After installing or upgrading: the gateway's user and directories. Whether it starts is the system's preset to say.
systemd-sysusers assent-gateway.conf || :
if [ -d /run/systemd/system ]; then
    systemd-tmpfiles --create assent-gateway.conf || :
    systemctl daemon-reload || :
fi
if [ "$1" -eq 1 ]; then
    systemctl --no-reload preset assent-gateway.service || :
fi
