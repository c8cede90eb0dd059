# within.sh -- for benches that start machines.
# within COMMAND...: its output, without an input; one that does not end in 300 s is named and leaves its round without numbers.
within() {
  within_status=0
  timeout 300 "$@" </dev/null 2>/dev/null || within_status=$?
  [ $within_status -ne 124 ] || echo "${0##*/}: ${1##*/} did not end in 300 s" >&2
}
