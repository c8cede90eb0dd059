# kvm.sh -- what the scripts in this folder share: whether KVM is there, guests and the plugin that looks at them.
# shellcheck shell=sh
. "${BACKPLANE_SRCDIR:?}/tests/machines/script.sh"
guests=$BACKPLANE_SRCDIR/tests/accel-kvm

skip() {
  echo "$name: skipped: $*"
  exit 77
}

# What the program says for itself, when it cannot have it.
have_kvm() {
  cat >"$work/processor.ini" <<INI
[machine]
format = 1
[accel]
module = accel-kvm
[cpu]
module = target-i386
type = x86-cpu
INI
  backplane run "$work/processor.ini" --stop --machine-timeout 1
  [ "$status" -eq 124 ]
}

need_kvm() {
  have_kvm || skip "$(head -1 "$work/err")"
}

need_tools() {
  for tool in "${CC:=cc}" ld; do
    command -v "${tool%% *}" >/dev/null || skip "there is no $tool"
  done
}

need_probe() {
  probe=${BACKPLANE_BUILDDIR:?}/tests/accel-kvm/.libs/state-probe.so
  [ -r "$probe" ] || skip "there is no $probe"
}

# build_guest NAME ADDRESS: $work/NAME.bin, a flat image.
build_guest() {
  $CC -c -I"$guests" "$guests/$1.S" -o "$work/$1.o" 2>"$work/err" && ld -m elf_x86_64 -Ttext "$2" --oformat binary "$work/$1.o" -o "$work/$1.bin" 2>>"$work/err" \
    || skip "the guest does not compile: $(head -1 "$work/err")"
}

# The host lacks some of the model's features, and says so: that is no failure.
quiet() {
  grep -vE 'features without this host|time-stamp counter' "$work/err" >"$work/err.rest" || true
  mv "$work/err.rest" "$work/err"
}

# ends STATUS ARGUMENT...: the run ends with this status.
ends() {
  wanted=$1
  shift
  backplane run "$@"
  quiet
  steps=$((steps + 1))
  [ "$status" -eq "$wanted" ] || wrong "\`$*\`: exit status $status instead of $wanted"
}

# warns TEXT: the last run said so.
warns() {
  steps=$((steps + 1))
  grep -qF -- "$1" "$work/err" || wrong "it does not say \"$1\""
}
