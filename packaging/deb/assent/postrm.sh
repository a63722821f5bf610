#!/bin/sh
# After removal. `purge` takes away what may not linger (this host's key and certificates) and keeps what nobody could
# make again: the audit of who was let in.
set -e

units='assent-agentd.service assent-agentd.socket assent-admin.socket'
state="${DPKG_ROOT:-}/var/lib/assent"

case "$1" in
remove)
    rm -rf "${DPKG_ROOT:-}/run/assent"
    ;;
purge)
    for unit in $units; do
        ! command -v deb-systemd-helper >/dev/null || deb-systemd-helper purge "$unit" >/dev/null || true
    done
    rm -f "$state/host.key" "$state/host.jws" "$state/issuer.jws" "$state/revocations.json" "$state/freezes.json" \
        "${DPKG_ROOT:-}/etc/assent/trust.d/registrar.pub"
    if [ "${ASSENT_PURGE_STATE:-}" = yes ]; then
        rm -rf "$state"
    elif [ -d "$state" ] && ! rmdir "$state" 2>/dev/null; then
        echo "assent: kept $state, which holds the record of decisions; delete it yourself when nobody needs it." >&2
    fi
    for directory in trust.d revoked.d agentd.toml.d ''; do
        rmdir "${DPKG_ROOT:-}/etc/assent/$directory" 2>/dev/null || true
    done
    ;;
esac

if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
