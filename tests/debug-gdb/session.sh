# session.sh -- what the scripts in this folder share: a machine that waits for gdb, gdb with a script, and what it said.
set -eu
run=${BACKPLANE_RUN:?run this through make check}
src=${BACKPLANE_SRCDIR:?}
name=$(basename "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/backplane-$name.XXXXXX")
machine=
finish() {
  if [ -n "$machine" ]; then kill "$machine" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM
failures=0

if ! command -v gdb >/dev/null 2>&1; then
  echo "$name: gdb is not installed"
  exit 77
fi

# serve MACHINE OPTION...: the machine stands until gdb comes.
serve() {
  ini=$1
  shift
  printf '[machine]\nformat = 1\ninclude = %s\n[monitor gdb]\nmodule = debug-gdb\ntype = gdb-server\nlisten = unix:%s\n' "$ini" "$work/gdb" >"$work/machine.ini"
  rm -f "$work/gdb"
  timeout -k 5 "${BACKPLANE_GDB_TIMEOUT:-200}" "$run" run "$work/machine.ini" --stop "$@" </dev/null >"$work/machine" 2>&1 &
  machine=$!
  n=0
  while [ ! -S "$work/gdb" ]; do
    n=$((n + 1))
    if [ $n -gt 300 ] || ! kill -0 $machine 2>/dev/null; then
      echo "$name: the machine does not listen"
      cat "$work/machine"
      exit 1
    fi
    sleep 0.1
  done
}

# debug [FILE]: gdb with commands from standard input.
debug() {
  { printf 'set pagination off\nset confirm off\nset width 0\nset debuginfod enabled off\ntarget remote %s\n' "$work/gdb"; cat; } >"$work/commands"
  timeout -k 5 "${BACKPLANE_GDB_TIMEOUT:-200}" gdb -nx -q -batch -x "$work/commands" "$@" >"$work/gdb.out" 2>&1 || echo "gdb ended with $?" >>"$work/gdb.out"
}

# says PATTERN: gdb has said so.
says() {
  if ! grep -qE -- "$1" "$work/gdb.out"; then
    failures=$((failures + 1))
    echo "$name: gdb does not say \"$1\""
  fi
}

# ends STATUS: so the machine ends.
ends() {
  status=0
  wait "$machine" || status=$?
  machine=
  if [ $status -ne "$1" ]; then
    failures=$((failures + 1))
    echo "$name: the machine's exit status is $status, not $1"
  fi
}

conclude() {
  if [ $failures -ne 0 ]; then
    echo "--- gdb"
    cat "$work/gdb.out"
    echo "--- the machine"
    tail -20 "$work/machine"
    exit 1
  fi
  echo "$name: all well"
}
