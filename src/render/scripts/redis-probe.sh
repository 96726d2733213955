#!/bin/sh
# Asks the Redis of this container how it is.
#
#   redis-probe.sh ready PORT    succeeds when Redis serves commands
#   redis-probe.sh alive PORT    succeeds when Redis answers at all, be it that it loads its data or runs a script
#
# `redis-cli ping` alone succeeds on every answer, also on an error.
set -u
if [ -n "${REDIS_PASSWORD:-}" ]; then
    REDISCLI_AUTH=$REDIS_PASSWORD
    export REDISCLI_AUTH
fi

# redis-cli would wait for ever. Less than the probe's own limit, so that the message below is seen.
answer=$(timeout 4 redis-cli -h 127.0.0.1 -p "$2" ping 2>&1)
status=$?

case $1:$status:$answer in
ready:0:PONG | alive:0:?*) exit 0 ;;
*:0:*) echo "redis answered: $answer" ;;
*) echo "redis did not answer (status $status): $answer" ;;
esac
exit 1
