# shellcheck shell=sh
# Part of the scripts that run before the package is removed; `cargo xtask dist` puts it into each of them.
# A PAM line whose module is gone refuses everybody (sudo too), or, behind `-` or `optional`, admits without asking.
still_named() {
    found=
    for file in "${DPKG_ROOT:-}"/etc/pam.conf "${DPKG_ROOT:-}"/etc/pam.d/* "${DPKG_ROOT:-}"/usr/lib/pam.d/*; do
        case "$file" in
        *~ | *.dpkg-* | *.ucf-* | *.rpmsave | *.rpmnew | *.rpmorig) continue ;; # kept copies, which PAM does not read
        esac
        [ -f "$file" ] || continue
        # What stands behind a # is a comment, wherever it begins.
        lines=$(grep -n '^[^#]*pam_assent\.so' "$file" | sed "s|^\([0-9]*\):|  $file:\1: |") || true
        [ -z "$lines" ] || found="$found$lines
"
    done
    [ -n "$found" ] || return 1
    cat >&2 <<END
assent: these PAM lines still name pam_assent.so:

$found
With the module gone they would refuse everybody, also who becomes root by sudo; a line that begins with "-" or says
"optional" would admit people unasked. To mend it:
  1. open a root shell and keep it open;
  2. take the lines out of the files above, and see that a first factor is left (pam_unix.so, for instance);
  3. in another terminal, try ssh and sudo;
  4. remove the package again.
END
}

may_be_removed() {
    still_named || return 0
    if [ "${ASSENT_FORCE_REMOVE:-}" = yes ]; then
        echo "assent: removed all the same, as ASSENT_FORCE_REMOVE=yes says. Mend the lines above at once." >&2
        return 0
    fi
    echo "Nothing was removed, and the agent runs on. (ASSENT_FORCE_REMOVE=yes in root's environment removes it all the same.)" >&2
    return 1
}
