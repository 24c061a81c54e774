#!/bin/sh
# @NAME@.sh: runs the program @NAME@, found beside this file or on PATH (absolute entries only, never the
# working directory by accident). Written by `cargo xtask install --shims`; made so that old callers go on working.
name=@NAME@

find_on_path() {
    found=
    old_ifs=$IFS
    IFS=:
    for folder in $PATH; do
        case $folder in /*) ;; *) continue ;; esac
        if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then
            found=$folder/$1
            break
        fi
    done
    IFS=$old_ifs
}

set -f
case $0 in
*/*) here=${0%/*}/ ;;
*) if [ -f "./$0" ]; then here=./; else here=; fi ;;
esac
if [ -n "$here" ] && [ -f "$here$name" ] && [ -x "$here$name" ]; then
    program=$here$name
else
    find_on_path "$name"
    program=$found
fi
if [ -z "$program" ]; then
    echo "$name.sh: the program $name is neither beside this file nor on PATH; install it with: cargo xtask install" >&2
    exit 127
fi

# The process keeps the name of the script, so that `pgrep -f $name.sh` finds it. Only bash can do that.
if [ -z "${BASH_VERSION-}" ]; then
    find_on_path bash
    [ -n "$found" ] || exec "$program" "$@"
    exec "$found" -c 'program=$1 name=$2; shift 2; exec -a "$name.sh" "$program" "$@"' "$name.sh" "$program" "$name" "$@"
fi
exec -a "$name.sh" "$program" "$@"
