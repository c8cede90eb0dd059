# guest.sh -- what scripts about instruments share: the guest of steps-guest.c, built and run, and numbers out of results.
. "${BACKPLANE_SRCDIR:?}/tests/machines/script.sh"
src=$BACKPLANE_SRCDIR/tests

# need PLUGIN...: skipped when one is not built
need() {
  for plugin; do
    "$run" describe "$plugin" >/dev/null 2>&1 || { echo "$name: there is no plugin $plugin"; exit 77; }
  done
}

if ! ${CC:-gcc} -m32 -std=gnu11 -O1 -g -ffreestanding -fno-pic -no-pie -fno-stack-protector -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static \
     -Wl,--build-id=none -Wl,-T,"$src/guest/guest.ld" -o "$work/guest.elf" "$src/guest/start.S" "$src/guest/console.c" "$src/guest/traps.c" \
     "$src/tcg-instr/steps-guest.c" 2>"$work/errors"; then
  if echo 'int f (void) { return 1; }' | ${CC:-gcc} -m32 -x c -c -o "$work/probe.o" - 2>/dev/null; then
    cat "$work/errors"
    exit 1
  fi
  echo "$name: ${CC:-gcc} compiles no 32-bit code"
  exit 77
fi

# runs FILE OPTION...: the guest to its end; results go to FILE.  It says that all is well by 0x10, which is status 33.
runs() {
  results=$1
  shift
  backplane run bare-serial.ini --kernel "$work/guest.elf" --set clock.mode=instructions --no-report -o "$results" "$@"
  steps=$((steps + 1))
  [ "$status" -eq 33 ] || wrong "\`$*\`: exit status $status instead of 33"
}

# number FILE KEY: the first value of that key
number() {
  sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p" "$1" | head -1
}

# same WHAT A B
same() {
  steps=$((steps + 1))
  [ "$2" = "$3" ] || wrong "$1: $2 and $3"
}

# equal FILE FILE: byte for byte
equal() {
  steps=$((steps + 1))
  cmp "$1" "$2" >"$work/cmp" 2>&1 || wrong "$(cat "$work/cmp")"
}
