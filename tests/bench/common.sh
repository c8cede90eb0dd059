# common.sh -- what the bench's parts share: who is measured, interleaved rounds, commands that are watched, records of what came out.
# shellcheck shell=sh disable=SC2034
# A part names its rows, calls `begin' (which ends it when only the rows were asked for), measures, and records values and failures.
# run-bench makes the folder $BENCH_WORK for it and removes it, and makes a table of the records: lines of fields between tabs,
#   row GROUP WORKLOAD UNIT | value GROUP WORKLOAD WHO NUMBER | failed GROUP WHO WHY | missing GROUP WHAT
# A unit that ends in /s is one of which more is better.
set -eu
here=${BACKPLANE_SRCDIR:?}/tests/bench
run=${BACKPLANE_RUN-}
other=${BACKPLANE_BENCH_OTHER-}
rounds=${ROUNDS:-3}
part=${0##*/part-}
work=$BENCH_WORK
watch=$BENCH_TOOLS/watch
qmp=$BENCH_TOOLS/qmp
given_up=
round=0
ours="backplane ${other:+other}"

skip() {
  echo "$*"
  exit 77
}

record() {
  printf '%s' "$1"
  shift
  printf '\t%s' "$@"
  echo
}

# rows GROUP UNIT WORKLOAD...: in the order given; those of groups that were not asked for are left out.
rows() {
  row_group=$1 row_unit=$2
  shift 2
  wanted "$row_group" || return 0
  for workload; do record row "$row_group" "$workload" "$row_unit"; done >>"$BENCH_RECORDS"
}
wanted() { case " $BENCH_GROUPS " in *" $1 "*) ;; *) return 1 ;; esac; }
begin() { [ -z "${BENCH_LIST-}" ] || exit 0; }

# A value of a row that was not asked for is nobody's.
value() { ! wanted "$1" || record value "$@" >>"$BENCH_RECORDS"; }
missing() { ! wanted "$1" || record missing "$@" >>"$BENCH_RECORDS"; }

# failed WHO WHY: in all groups of this part, or in those that $failing names; who has failed once is not started again.
failing=
failed() {
  echo "$part: $1 failed: $2" >&2
  for group in ${failing:-$BENCH_GROUPS}; do record failed "$group" "$1" "$2"; done >>"$BENCH_RECORDS"
  given_up="$given_up $1"
}

# peer WHO PROGRAM: its path, nothing when it is not installed or not wanted (PEERS=no).
peer() {
  [ "${PEERS:-yes}" = yes ] || return 0
  command -v "$1" || :
}

# measure FUNCTION WHO...: FUNCTION WHO for everybody in turn, $rounds times; every second time the other way round, so that nobody is always the first.
measure() {
  function=$1 there= back=
  shift
  for who; do there="$there $who" back="$who $back"; done
  round=0
  while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    turn=$there
    [ $((round % 2)) -eq 1 ] || turn=$back
    for who in $turn; do
      case " $given_up " in *" $who "*) continue ;; esac
      echo "$part: round $round of $rounds: $who ${what-}" >&2
      $function "$who"
    done
  done
}

# program WHO: the run script of a build of ours.
program() {
  case $1 in
    backplane) echo "$run" ;;
    other) echo "$other" ;;
  esac
}

# watched WHO END SECONDS COMMAND...: its lines, with times, are in $work/said; false, and a failure, when none holds END.
# watched_until: the same, and it is killed as soon as it has said END; what it had mapped then is in $work/map.
watched() { watched_by "" "$@"; }
watched_until() { watched_by until "$@"; }
watched_by() {
  watched_how=$1 watched_who=$2 watched_end=$3 watched_limit=$4 watched_status=0
  shift 4
  if [ -n "$watched_how" ]; then set -- -u "$watched_end" -m "$work/map" "$watched_limit" "$@"; else set -- "$watched_limit" "$@"; fi
  "$watch" "$@" </dev/null >"$work/said" 2>"$work/err" || watched_status=$?
  [ -z "${KEEP-}" ] || { mkdir -p "$KEEP"; cat "$work/said" "$work/err" >>"$KEEP/$part.$watched_who"; }
  if [ "$watched_status" -eq 124 ]; then
    failed "$watched_who" "${what:+$what: }did not end in $watched_limit s"
  elif ! grep -aqF -- "$watched_end" "$work/said"; then
    failed "$watched_who" "${what:+$what: }ended (status $watched_status) without \"$watched_end\"; $(grep -av '^ *$' "$work/err" | tail -1 | cut -c1-200)"
  else
    return 0
  fi
  return 1
}

# take WHO PREFIX NUMBER: what was said in lines `bench NAME ...', as values of the rows "PREFIXNAME"; the value is the line's NUMBERth word.
take() {
  tr -d '\r' <"$work/said" | sed -n 's/^.*\(bench .*\)$/\1/p' | awk -v who="$1" -v prefix="$2" -v n="$3" '
    BEGIN { OFS = "\t" }
    FNR == NR { split($0, f, "\t"); if (f[1] == "row") group[f[3]] = f[2]; next }
    prefix $2 in group { print "value", group[prefix $2], prefix $2, who, $n }' "$BENCH_RECORDS" - >"$work/taken"
  cat "$work/taken" >>"$BENCH_RECORDS"
}

# costs: of what was said by the guest's program, or by CoreMark, "WORKLOAD NS CPU-NS" in $work/costs: time of a run, as it has measured it, and the processor time of all
# threads in that, by the share of a processor since the line before.  The latter is hardly another on a machine that does other things, too.
costs() {
  awk '
    function result(name, ns) {
      if ($1 > wall) printf "%s %.0f %.0f\n", name, ns, ns * ($2 - cpu) / ($1 - wall)
      wall = $1; cpu = $2
    }
    match($0, /bench [a-z]/) {
      n = split(substr($0, RSTART), f, " ")
      if (f[2] == "boot-done") { wall = $1; cpu = $2 } else if (n == 4 && f[2] != "done") result(f[2], f[4])
    }
    /Total time \(secs\)/ { seconds = $NF }
    / Iterations  / { if ($NF > 0) result("coremark", seconds * 1e9 / $NF) }' "$work/said" >"$work/costs"
}

# stamp TEXT FIELD: when the first line that holds TEXT was said; field 1 is wall, 2 processor time.
stamp() { awk -v text="$1" -v field="$2" 'index($0, text) { print $field; exit }' "$work/said"; }

# elapsed COMMAND...: ns that it took are in $took, what it printed in $work/said; else $why says how it failed.  It has $limit seconds.
elapsed() {
  elapsed_start=$(date +%s%N) elapsed_status=0
  timeout -k 5 "${limit:-60}" "$@" </dev/null >"$work/said" 2>"$work/err" || elapsed_status=$?
  took=$(($(date +%s%N) - elapsed_start))
  case $elapsed_status in
    0) return ;;
    124) why="did not end in ${limit:-60} s" ;;
    *) why="status $elapsed_status; $(grep -v '^make' "$work/err" | tail -1)" ;;
  esac
  return 1
}

# build_static PROGRAM OPTION... SOURCE...: without a C library, for Linux.
build_static() {
  # shellcheck disable=SC2086
  ${CC:-gcc} -O2 -fno-pic -no-pie -fno-stack-protector -nostdlib -static -fno-tree-loop-distribute-patterns -o "$@"
}
pack() { (cd "$1" && find . | cpio --quiet -o -H newc | gzip -n) >"$2"; }
# kernel_of ARCH: the folder of the packaged kernel and its initrd.
kernel_of() {
  images=${BACKPLANE_DI_IMAGES:-/usr/lib/debian-installer/images/12/$1/text/debian-installer/$1}
  [ -r "$images/linux" ] || skip "needs the package debian-installer-12-netboot-$1"
}
