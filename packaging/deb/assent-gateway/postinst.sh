#!/bin/sh
# After unpacking: the gateway's user and directories, the service. It starts once there is a registrar's key.
set -e

case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove) ;;
*) exit 0 ;;
esac

systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} assent-gateway.conf
systemd-tmpfiles ${DPKG_ROOT:+--root="$DPKG_ROOT"} --create assent-gateway.conf || [ ! -d /run/systemd/system ]

# A unit that an admin has disabled stays disabled.
deb-systemd-helper unmask assent-gateway.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled assent-gateway.service; then
    deb-systemd-helper enable assent-gateway.service >/dev/null || true
else
    deb-systemd-helper update-state assent-gateway.service >/dev/null || true
fi

if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "${2:-}" ]; then action=restart; else action=start; fi
    # With the roles apart it is one of the others that run.
    if ! systemctl --quiet is-active assent-relay.service assent-app.service assent-panel.service assent-registrar.service assent-codes.service; then
        deb-systemd-invoke "$action" assent-gateway.service >/dev/null || true
    fi
    # Those that are enabled or run; on most machines none.
    deb-systemd-invoke restart assent-relay.service assent-app.service assent-panel.service assent-registrar.service assent-codes.service \
        >/dev/null 2>&1 || true
fi
