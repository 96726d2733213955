# shellcheck shell=bash
# The servers of one cluster: a folder has a script, a log and a process id for each. To be sourced.

# In the order in which they start.
# shellcheck disable=SC2034 # read by those who source this
servers=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok)

# Writes down how to start a server: define DIR NAME COMMAND…
define() {
  local dir=$1 name=$2
  shift 2
  { echo '#!/bin/sh'; printf 'exec'; printf ' %q' "$@"; echo; } >"$dir/run/$name"
  chmod +x "$dir/run/$name"
}

# Starts a server in a session of its own, so that what ends the caller's terminal does not end it:
# start DIR NAME [PREFIX…]
start() {
  local dir=$1 name=$2 pid
  shift 2
  setsid "$@" "$dir/run/$name" >>"$dir/log/$name.log" 2>&1 </dev/null &
  pid=$!
  # Otherwise this shell would tell when the server is killed.
  disown "$pid"
  echo "$pid" >"$dir/pid/$name"
  until running "$dir" "$name" || gone "$pid"; do sleep 0.01; done
}

# Succeeds while a server runs. A process id may belong to somebody else by now: the folder's name tells.
running() {
  local dir=$1 name=$2 pid
  pid=$(cat "$dir/pid/$name" 2>/dev/null) && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$dir/"
}

# Succeeds when the last thread of a process has closed its files, whether or not somebody has asked how it ended.
gone() {
  local pid=$1 threads
  threads=("/proc/$pid/task"/*)
  [[ ! -e /proc/$pid ]] || { [[ ${#threads[@]} -eq 1 ]] && grep -qs '^State:[[:space:]]*[ZX]' "/proc/$pid/status"; }
}

# Ends a server at once and returns when it is gone: stop DIR NAME
stop() {
  local dir=$1 name=$2 pid
  running "$dir" "$name" || return 0
  pid=$(cat "$dir/pid/$name")
  kill -KILL "$pid" 2>/dev/null || true
  until gone "$pid"; do sleep 0.01; done
}
