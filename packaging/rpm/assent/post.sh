#!/bin/sh
# After installing or upgrading: the agent's user and directories. Which units start is the system's preset to say.
systemd-sysusers assent.conf || :
if [ -d /run/systemd/system ]; then
    systemd-tmpfiles --create assent.conf || :
    systemctl daemon-reload || :
    # The bus read our policy when it was unpacked, before the user that it names was there.
    busctl --quiet call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig >/dev/null 2>&1 || :
fi
if [ "$1" -eq 1 ]; then
    systemctl --no-reload preset assent-agentd.socket assent-admin.socket assent-agentd.service || :
fi
