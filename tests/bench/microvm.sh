# microvm.sh -- for parts that start machines/microvm.ini and QEMU's microvm: a kernel, an initrd that says INIT and waits, and the two command lines.
# shellcheck shell=sh disable=SC2034,SC2154
# The kernel: $BACKPLANE_LINUX_CLOUD (linux-image-cloud-amd64 unpacked), $BACKPLANE_CLOUD/vmlinuz, or one in /boot.
ram=384                         # MiB; a size that no other mapping has
kernel=$(find "${BACKPLANE_LINUX_CLOUD:-/nonexistent}/boot" "${BACKPLANE_CLOUD:-/nonexistent}" /boot -maxdepth 1 -name 'vmlinuz*' 2>/dev/null | head -1)
[ -n "$kernel" ] || skip "there is no kernel in \$BACKPLANE_LINUX_CLOUD/boot or \$BACKPLANE_CLOUD (package linux-image-cloud-amd64)"
busybox=$(command -v busybox) && ! ldd "$busybox" >/dev/null 2>&1 || skip "needs the package busybox-static"
mkdir -p "$work/root/bin"
cp "$busybox" "$work/root/bin/busybox"
cat >"$work/root/init" <<'INIT'
#!/bin/busybox sh
echo INIT
while :; do /bin/busybox sleep 100; done
INIT
chmod +x "$work/root/init"
pack "$work/root" "$work/initrd"
# Where QEMU's guest has neither clock nor counter to measure the processor with, it is told.
khz=$(awk '/^cpu MHz/ { print int($4 * 1000); exit }' /proc/cpuinfo)
append="console=ttyS0 quiet tsc_early_khz=$khz"
plain="console=ttyS0 tsc_early_khz=$khz"

# start_until WHO ACCEL LINE KERNEL [APPEND [INITRD]]: until it says LINE; what it has mapped then is in $work/map.
start_until() {
  start_who=$1 start_accel=$2 start_line=$3 start_kernel=$4 start_append=${5-} start_initrd=${6-}
  case $start_who in
    qemu)
      set -- "$qemu" -M "microvm,accel=$start_accel,acpi=on,rtc=on" -cpu max -m $ram -nodefaults -no-user-config -display none -serial stdio -no-reboot \
        -kernel "$start_kernel"
      dash=- ;;
    *)
      set -- "$(program "$start_who")" run microvm --set ram.size=${ram}M --set accel.module=accel-"$start_accel" --kernel "$start_kernel"
      dash=-- ;;
  esac
  [ -z "$start_append" ] || set -- "$@" ${dash}append "$start_append"
  [ -z "$start_initrd" ] || set -- "$@" ${dash}initrd "$start_initrd"
  watched_until "$start_who" "$start_line" "${limit:-60}" "$@"
}
