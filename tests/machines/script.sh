# script.sh -- what the scripts in this folder share: steps that are counted, a place for scratch files, time limits.
set -eu
run=${BACKPLANE_RUN:?run this through make check}
here=${BACKPLANE_SRCDIR:?}/tests/machines
name=$(basename "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/backplane-$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
steps=0
failures=0

# backplane ARGUMENT...: standard output, error and the exit status go to $work/out, $work/err and $status; nothing may hang.
backplane() {
  status=0
  timeout -k 5 "${BACKPLANE_STEP_TIMEOUT:-60}" "$run" "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
  # Valgrind is a kernel without seccomp and openat2, and says so.
  [ -z "${BACKPLANE_UNDER-}" ] || sed -i -E '/^--[0-9]+-- |seccomp = on: the kernel takes no filter/d' "$work/err"
}

wrong() {
  failures=$((failures + 1))
  echo "$name: $*"
  if [ -s "$work/err" ]; then
    sed 's/^/  stderr: /' "$work/err" | head -30
  fi
}

# refuses TEXT ARGUMENT...: exit status 1, one message that holds TEXT, no crash.
refuses() {
  text=$1
  shift
  backplane "$@"
  steps=$((steps + 1))
  if [ "$status" -ne 1 ]; then
    wrong "\`$*\`: exit status $status instead of 1"
  elif ! grep -qF -- "$text" "$work/err"; then
    wrong "\`$*\`: does not say \"$text\""
  elif grep -vE '^(backplane: |    )' "$work/err" | grep -q .; then
    wrong "\`$*\`: says more than messages of backplane"
  fi
}

# accepts ARGUMENT...: exit status 0, and nothing on standard error.
accepts() {
  backplane "$@"
  steps=$((steps + 1))
  if [ "$status" -ne 0 ] || [ -s "$work/err" ]; then
    wrong "\`$*\`: exit status $status"
  fi
}

# says PATTERN: the last output has a line like this.
says() {
  steps=$((steps + 1))
  grep -qE -- "$1" "$work/out" || { wrong "the output has no line like \"$1\""; head -40 "$work/out"; }
}

conclude() {
  echo "$name: $steps steps, $failures failed"
  [ "$failures" -eq 0 ]
}
