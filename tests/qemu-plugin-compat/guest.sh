# guest.sh -- for the tests of this folder: makes the guest, runs it with a plugin, looks at what that said.

work=$(mktemp -d "${TMPDIR:-/tmp}/backplane-qpc.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
here=$BACKPLANE_SRCDIR/tests/qemu-plugin-compat
built=$BACKPLANE_BUILDDIR/tests/qemu-plugin-compat/.libs
failures=0

# The image, or the end of the test where nothing makes 32-bit code.
make_guest() {
  if ! { ${CC:-gcc} -m32 -c -o "$work/guest.o" "$here/guest.S" && ld -m elf_i386 --build-id=none -T "$here/guest.ld" -o "$work/guest.elf" "$work/guest.o" &&
         objcopy -O binary -j .text "$work/guest.elf" "$work/guest.bin"; } 2>"$work/errors"; then
    echo 'nop' | ${CC:-gcc} -m32 -x assembler -c -o "$work/probe.o" - 2>/dev/null && ld -m elf_i386 -o "$work/probe" "$work/probe.o" 2>/dev/null &&
      { cat "$work/errors"; exit 1; }
    echo "no 32-bit code is made here"
    exit 77
  fi
}

# run_guest FILE ARGS [OPTION...]: what the plugin says is in $work/output, what the program says in $work/log, and its status in $status.
run_guest() {
  plugin_file=$1 plugin_args=$2
  shift 2
  rm -f "$work/output"
  status=0
  timeout -k 5 60 "$BACKPLANE_RUN" run "$here/guest.ini" --set "bios.file=$work/guest.bin" --instrument "qemu-plugin-compat,file=$plugin_file,output=$work/output" \
    --set "qemu-plugin-compat.args=$plugin_args" "$@" </dev/null >"$work/log" 2>&1 || status=$?
}

# The guest's own end is 0x10 on the exit port: status 33.
ends() {
  [ "$status" -eq "${1:-33}" ] || { echo "FAILED: $plugin_file $plugin_args: exit status $status"; tail -5 "$work/log"; failures=$((failures + 1)); }
}

# says TEXT: a line of the plugin's
says() {
  grep -qxF -- "$1" "$work/output" || { echo "FAILED: $plugin_file $plugin_args: no \`$1' in:"; head -20 "$work/output"; failures=$((failures + 1)); }
}

symbol() {
  nm "$work/guest.elf" | awk -v name="$1" '$3 == name { print "0x" $1 }'
}
