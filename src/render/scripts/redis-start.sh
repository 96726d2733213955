#!/bin/sh
# Starts Redis as the main process of its container.
#
#   redis-start.sh CONFIG RUNTIME_DIR
#
# CONFIG is redis.conf, whose `dir` line names the data volume; RUNTIME_DIR is a writable folder in memory.
# REDIS_PASSWORD, if set, becomes `requirepass`.
set -eu
umask 077
# One character is one byte, so that the checks below see what Redis sees.
LC_ALL=C
export LC_ALL

manifest=appendonlydir/appendonly.aof.manifest
partial=appendonlydir.partial
server=

say() {
    echo "redis-start: $*" >&2
}

fail() {
    say "$*"
    exit 1
}

# Leaves nothing behind but what was there before. The temporary server has nothing worth saving.
abandon() {
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || :
        wait "$server" || :
    fi
    rm -rf "$partial" "$socket"
}

ask() {
    redis-cli -s "$socket" "$@"
}

# Waits until a command succeeds, as long as the temporary server lives.
wait_until() {
    until "$@"; do
        kill -0 "$server" 2>/dev/null || fail "the temporary server has ended, see above; dump.rdb is untouched"
        # Not every sleep knows fractions.
        sleep 0.2 2>/dev/null || sleep 1
    done
}

loaded() {
    [ "$(ask ping 2>/dev/null)" = PONG ]
}

rewritten() {
    persistence=$(ask info persistence | tr -d '\r')
    case $persistence in
    *aof_last_bgrewrite_status:err*) fail "the append-only file could not be written, see above; dump.rdb is untouched" ;;
    esac
    [ "$(echo "$persistence" | grep -c -x -e aof_enabled:1 -e aof_last_bgrewrite_status:ok \
        -e aof_rewrite_in_progress:0 -e aof_rewrite_scheduled:0)" = 4 ]
}

# Makes the append-only file from dump.rdb. A server with `appendonly yes` would ignore the dump, start empty and
# overwrite the dump at its next save. The new folder gets its final name only when it is complete.
migrate() {
    say "making the append-only file from dump.rdb"
    rm -rf "$partial"
    rmdir appendonlydir 2>/dev/null || [ ! -e appendonlydir ] ||
        fail "appendonlydir has files but no manifest: move it away to start from dump.rdb, or restore the manifest"
    trap abandon EXIT
    redis-server "$config" --port 0 --unixsocket "$socket" --unixsocketperm 700 \
        --appendonly no --appenddirname "$partial" --save '' </dev/null &
    server=$!
    wait_until loaded
    [ "$(ask config set appendonly yes)" = OK ] || fail "the append-only file was refused, see above; dump.rdb is untouched"
    wait_until rewritten
    ask shutdown nosave || :
    wait "$server" || fail "the temporary server did not end cleanly, see above; dump.rdb is untouched"
    server=
    for part in appendonly.aof.manifest appendonly.aof.1.base.rdb; do
        [ -s "$partial/$part" ] || fail "the append-only file has no $part; dump.rdb is untouched"
    done
    mv "$partial" appendonlydir
    trap - EXIT
    sync .
    say "the append-only file is complete"
}

[ $# -eq 2 ] || fail "usage: redis-start.sh CONFIG RUNTIME_DIR"
config=$1
socket=$2/migrate.sock
# The first process of a container ignores signals that it does not trap.
trap 'exit 143' TERM INT

requirepass=
if [ -n "${REDIS_PASSWORD+set}" ]; then
    case $REDIS_PASSWORD in
    '') fail "REDIS_PASSWORD is empty: Redis would run without a password" ;;
    *[[:cntrl:]]*) fail "REDIS_PASSWORD contains a control character, often a line break at its end" ;;
    esac
    requirepass="requirepass \"$(printf '%s' "$REDIS_PASSWORD" | sed 's/[\\"]/\\&/g')\""
    unset REDIS_PASSWORD
fi

data=$(sed -n 's/^dir //p' "$config")
[ -n "$data" ] || fail "$config has no dir line"
cd "$data"
# What a killed server was writing is never read again, and could fill the volume.
rm -f temp-[0-9]*.rdb temp-rewriteaof-[0-9]*.aof temp-rewriteaof-bg-[0-9]*.aof
if [ -e dump.rdb ] && [ ! -s "$manifest" ] && [ ! -e appendonly.aof ]; then
    migrate
fi

trap - TERM INT
# Standard input, because arguments and ConfigMaps can be read by others.
exec redis-server "$config" - <<EOF
$requirepass
EOF
