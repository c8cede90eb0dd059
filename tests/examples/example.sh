# example.sh -- what the tests of examples/ share: an installed Backplane as its user has it, a copy of the project, Debian's kernel.
. "${BACKPLANE_SRCDIR:?}/tests/machines/script.sh"
stage=${BACKPLANE_BUILDDIR:?}/tests/stage
missing=

# need COMMAND...: skipped without
need() {
  for tool; do
    command -v "$tool" >/dev/null || { echo "$name: skipped: there is no $tool"; exit 77; }
  done
}

# want WHAT: it is missing; what could not be tested is told at the end, and the rest is
want() {
  missing="$missing${missing:+, }$*"
}

# Nothing of the tree from here on: what a user of an installation elsewhere than it was configured for sets.
enter_stage() {
  [ -d "$stage" ] || { echo "$name: make tests/stage.stamp has not been run"; exit 1; }
  need pkg-config
  prefix=$(dirname "$(dirname "$(find "$stage" -name backplane -type f -path '*/bin/*')")")
  lib=$(dirname "$(dirname "$(find "$stage" -name backplane.pc)")")
  mkdir "$work/pkgconfig"
  for pc in "$lib"/pkgconfig/*.pc; do
    sed "s#^prefix=.*#prefix=$prefix#" "$pc" >"$work/pkgconfig/$(basename "$pc")"
  done
  PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$work/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
  LD_LIBRARY_PATH=$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} BACKPLANE_PLUGIN_PATH=$lib/backplane BACKPLANE_MACHINES_PATH=$prefix/share/backplane/machines BACKPLANE_TEMPLATES_PATH=$prefix/share/backplane/templates
  # The program of a test must be built as the library was.
  CC=${CC:-gcc} CFLAGS="-O2 -g -Wall -Wextra -Wno-unused-parameter -Werror ${BACKPLANE_SANITIZE-}" LDFLAGS=${BACKPLANE_SANITIZE-}
  ACLOCAL_PATH=$prefix/share/aclocal${ACLOCAL_PATH:+:$ACLOCAL_PATH}
  export PATH PKG_CONFIG_PATH LD_LIBRARY_PATH BACKPLANE_PLUGIN_PATH BACKPLANE_MACHINES_PATH BACKPLANE_TEMPLATES_PATH CC CFLAGS LDFLAGS ACLOCAL_PATH
  unset MAKEFLAGS MFLAGS MAKELEVEL BACKPLANE_RUN
  run=$prefix/bin/backplane
}

# copy EXAMPLE: what is in the tree, without what somebody may have built there; the copy is the current directory.
copy() {
  cp -r "$BACKPLANE_SRCDIR/examples/$1" "$work/$1"
  cd "$work/$1"
  chmod -R u+w .
  rm -rf build build-aux autom4te.cache Makefile.in aclocal.m4 configure config.* ./*.so ./*.o .deps initrd.gz
  [ ! -e Makefile.am ] || rm -f Makefile
  find . -name 'test-*' ! -name '*.*' -type f -exec rm -f {} +
}

# does COMMAND...: it works, within the time
does() {
  steps=$((steps + 1))
  timeout -k 5 "${BACKPLANE_STEP_TIMEOUT:-120}" "$@" </dev/null >"$work/out" 2>"$work/err" && return
  echo "$name: \`$*\` failed"
  cat "$work/out" "$work/err"
  exit 1
}

# readme COMMAND...: it works, and says what README.md shows behind "$ COMMAND"; there a line "..." stands for any lines, and "..." in a line for any text.
readme() {
  does "$@"
  awk -v command="\$ $*" '
    function like(line, pattern,   n, part, i, at) {
      n = split (pattern, part, /\.\.\./)
      if (n == 1) return line == pattern
      if (index (line, part[1]) != 1) return 0
      line = substr (line, length (part[1]) + 1)
      for (i = 2; i <= n; i++) {
        at = index (line, part[i])
        if (part[i] != "" && !at) return 0
        line = substr (line, at + length (part[i]))
      }
      return line == "" || part[n] == ""
    }
    FNR == NR { if (inside && (/^\$ / || /^```/)) inside = 0; if (inside) shown[++n] = $0; if ($0 == command) inside = found = 1; next }
    { if (i < n && shown[i + 1] == "...") { skips = 1; i++ }
      if (i < n && like($0, shown[i + 1])) { i++; skips = 0 } else if (!skips) { print "not in README.md: " $0; exit bad = 1 } }
    END {
      if (bad) exit 1
      while (i < n && shown[i + 1] == "...") i++
      if (!found) print "README.md has no line `" command "`"
      if (i < n) print "README.md also has: " shown[i + 1]
      exit !found || i < n
    }' README.md "$work/out" >"$work/differs" || wrong "\`$*\`: $(cat "$work/differs")"
}

# Every plugin says what it is, and that it loads; its types can be taken through their lives.
describe() {
  for plugin; do
    beside=$(cd "$(dirname "$plugin")" && pwd)
    backplane describe "$plugin" --plugin-path "$beside"
    steps=$((steps + 1))
    [ "$status" -eq 0 ] || wrong "\`describe $plugin\`: exit status $status"
    says '^verdict +loads$'
    backplane describe --validate "$plugin" --plugin-path "$beside"
    steps=$((steps + 1))
    [ "$status" -eq 0 ] || { wrong "\`describe --validate $plugin\`: exit status $status"; cat "$work/out"; }
  done
}

# installer ARCH: Debian's packaged kernel; false when it is not there.
installer() {
  images=${BACKPLANE_DI_IMAGES:-/usr/lib/debian-installer/images/12/$1/text/debian-installer/$1}
  command -v cpio >/dev/null || { want "cpio"; return 1; }
  [ -r "$images/linux" ] && return
  want "a packaged kernel (package debian-installer-12-netboot-$1)"
  return 1
}

# boots MACHINE KERNEL INITRD [OPTION...]: Linux with the initial file system, in which the commands on standard input run as the first program.  What it
# says goes to $work/out; poweroff -f does not wait for what the serial port has not sent yet.
boots() {
  machine=$1 kernel=$2 initrd=$3
  shift 3
  mkdir -p "$work/root"
  { printf '#!/bin/sh\nexport PATH=/bin:/sbin:/usr/bin:/usr/sbin\nmount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null\n'
    cat
    printf 'echo GUEST-DONE\nsleep 1\npoweroff -f\n'; } >"$work/root/test-init"
  chmod +x "$work/root/test-init"
  { cat "$initrd"; (cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -n); } >"$work/initrd"
  BACKPLANE_STEP_TIMEOUT=${BACKPLANE_BOOT_TIMEOUT:-240} backplane run "$machine" --kernel "$kernel" --initrd "$work/initrd" \
    --append "console=ttyS0 rdinit=/test-init quiet" "$@"
  tr -d '\r' <"$work/out" >"$work/clean" && mv "$work/clean" "$work/out"
  steps=$((steps + 1))
  [ "$status" -eq 0 ] && grep -q '^GUEST-DONE' "$work/out" && return
  wrong "\`run $machine\`: exit status $status, or the guest did not come to its end"
  tail -40 "$work/out"
}

conclude_example() {
  [ -z "$missing" ] || [ "$failures" -gt 0 ] || { echo "$name: $steps steps, 0 failed"; echo "$name: skipped in part, for want of $missing"; exit 77; }
  conclude
}
