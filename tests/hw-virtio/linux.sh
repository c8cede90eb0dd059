# linux.sh -- for tests that drive virtio devices by Linux's own drivers: a kernel with modules, and an initial file system that loads them and runs a script.
# The kernel: in / (package linux-image-amd64), or below $BACKPLANE_LINUX (./quickstart test unpacks one).
. "$BACKPLANE_SRCDIR/tests/machines/script.sh"
PATH=$PATH:/sbin:/usr/sbin

skip() {
  echo "$name: skipped: $*"
  exit 77
}

linux=${BACKPLANE_LINUX:-/}
kernel=$(find "$linux/boot" -name 'vmlinuz-*-amd64' 2>/dev/null | sort -V | tail -1)
[ -n "$kernel" ] || skip "there is no kernel with modules in $linux/boot (package linux-image-amd64, or its contents below \$BACKPLANE_LINUX)"
modules=$linux/lib/modules/${kernel##*/vmlinuz-}
[ -n "$(find "$modules" -name 'virtio_mmio.ko*' 2>/dev/null | head -1)" ] || skip "there is no virtio_mmio.ko in $modules"
command -v cpio >/dev/null || skip "there is no cpio"
busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1 || skip "there is no static busybox (package busybox-static)"
virtio_modules="virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_mmio"

# guest MODULE... <SCRIPT: makes $work/initrd, which loads what a virtio bus needs and the modules named, in this order, and runs the script, then powers off.
# What else is put below $work/root before is in it too, and a module's options are in $work/MODULE.options.
guest() {
  root=$work/root
  mkdir -p "$root/bin" "$root/lib/modules" "$root/dev" "$root/proc" "$root/sys" "$root/mnt" "$root/tmp"
  cp "$busybox" "$root/bin/busybox"
  rm -f "$root"/lib/modules/*
  n=100
  for module in $virtio_modules "$@"; do
    file=$(find "$modules" -name "$module.ko" | head -1)
    [ -z "$file" ] || cp "$file" "$root/lib/modules/$n-$module.ko"
    [ ! -f "$work/$module.options" ] || cp "$work/$module.options" "$root/lib/modules/$n-$module.ko.options"
    n=$((n + 1))
  done
  cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in /lib/modules/*.ko; do insmod $m $(cat $m.options 2>/dev/null) || echo "TEST failed: $m"; done
. /script
poweroff -f
INIT
  chmod +x "$root/init"
  cat >"$root/script"
  (cd "$root" && find . | cpio --quiet -o -H newc | gzip -n) >"$work/initrd"
}

# linux_on MACHINE OPTION...: runs it; the guest's lines that begin with TEST are in $work/test.
linux_on() {
  machine=$1
  shift
  BACKPLANE_STEP_TIMEOUT=${BACKPLANE_BOOT_TIMEOUT:-240} backplane run "$machine" --kernel "$kernel" --initrd "$work/initrd" --append "console=ttyS0 quiet panic=-1" \
    -d guest_errors -D "$work/guest-errors" "$@"
  steps=$((steps + 1))
  tr -d '\r' <"$work/out" | grep '^TEST' >"$work/test" || :
  if [ "$status" -ne 0 ] || grep -q '^TEST failed' "$work/test"; then
    wrong "\`$machine $*\`: exit status $status"
    tail -30 "$work/out"
  fi
}

# The guest said a line like this.
guest_says() {
  steps=$((steps + 1))
  grep -qE -- "$1" "$work/test" || { wrong "the guest does not say \"$1\""; tail -30 "$work/out"; }
}

# It did nothing that a virtio device complains of.
no_guest_errors() {
  steps=$((steps + 1))
  ! grep -E "^($1): guest_errors" "$work/guest-errors" || wrong "the guest broke rules of $1"
}
