#!/bin/sh
# After unpacking: the agent's user and directories, its sockets, the service. Changes no PAM stack.
set -e

units='assent-agentd.socket assent-admin.socket assent-agentd.service'

case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove) ;;
*) exit 0 ;;
esac

systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} assent.conf
systemd-tmpfiles ${DPKG_ROOT:+--root="$DPKG_ROOT"} --create assent.conf || [ ! -d /run/systemd/system ]

# A unit that an admin has disabled stays disabled.
for unit in $units; do
    deb-systemd-helper unmask "$unit" >/dev/null || true
    if deb-systemd-helper --quiet was-enabled "$unit"; then
        deb-systemd-helper enable "$unit" >/dev/null || true
    else
        deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
done

if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    # The bus read our policy when it was unpacked, before the user that it names was there.
    busctl --quiet call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig >/dev/null 2>&1 || true
    # `start` leaves sockets that listen alone: logins that come while the service restarts wait there.
    deb-systemd-invoke start assent-agentd.socket assent-admin.socket >/dev/null || true
    if [ -n "${2:-}" ]; then action=restart; else action=start; fi
    deb-systemd-invoke "$action" assent-agentd.service >/dev/null || true
fi
