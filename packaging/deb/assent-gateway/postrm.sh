#!/bin/sh
# After removal. `purge` keeps the registrar's key and databases: without them every host would have to join anew and
# everybody to enrol anew.
set -e

if [ "$1" = purge ]; then
    ! command -v deb-systemd-helper >/dev/null || deb-systemd-helper purge assent-gateway.service >/dev/null || true
    # The last two where the roles are apart.
    for place in gateway relay registrar; do
        state="${DPKG_ROOT:-}/var/lib/assent-$place"
        if [ "${ASSENT_PURGE_STATE:-}" = yes ]; then
            rm -rf "$state"
        elif [ -d "$state" ] && ! rmdir "$state" 2>/dev/null; then
            echo "assent-gateway: kept $state (the registrar's key, hosts and devices); delete it yourself if no host needs it." >&2
        fi
    done
    for directory in gateway ''; do
        rmdir "${DPKG_ROOT:-}/etc/assent/$directory" 2>/dev/null || true
    done
fi

if [ -z "${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
