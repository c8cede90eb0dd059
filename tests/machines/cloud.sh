# cloud.sh -- for tests with Debian's cloud kernel: a machine in the background whose serial port is typed at, and what the guest must be able to do.
# The system is made by cloud-disk, in $BACKPLANE_CLOUD (./quickstart test makes one).
. "$(dirname "$0")/script.sh"
PATH=$PATH:/sbin:/usr/sbin

skip() {
  echo "$name: skipped: $*"
  exit 77
}

cloud=${BACKPLANE_CLOUD:-/nonexistent}
[ -r "$cloud/disk.img" ] || skip "there is no disk.img in \$BACKPLANE_CLOUD ($cloud; tests/machines/cloud-disk makes one)"
patience=${BACKPLANE_BOOT_TIMEOUT:-240}         # seconds for a boot
pid=
server=
trap 'stop_all; rm -rf "$work"' EXIT

stop_all() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || :
  [ -z "$server" ] || kill "$server" 2>/dev/null || :
}

# new_disk FORMAT: a disk to write to, as $disk.
new_disk() {
  disk=$work/disk.$1
  rm -f "$disk"
  if [ "$1" = raw ]; then cp --sparse=always "$cloud/disk.img" "$disk"; else accepts img create -f "$1" -b "$cloud/disk.img" -F raw "$disk"; fi
}

# Whether the disk's file system is as a clean shutdown leaves it.
disk_is_clean() {
  steps=$((steps + 1))
  case $disk in
  *.raw) cp --sparse=always "$disk" "$work/check.img" ;;
  *) "$run" img convert -O raw "$disk" "$work/check.img" ;;
  esac
  "$run" img check "$disk" >"$work/out" 2>&1 || [ "${disk%.raw}" != "$disk" ] || wrong "$disk is damaged: $(cat "$work/out")"
  e2fsck -f -n "$work/check.img?offset=1048576" >"$work/out" 2>&1 || { wrong "its file system is not clean"; tail -20 "$work/out"; }
  rm -f "$work/check.img"
}

# --- the machine, and who types -----------------------------------------------------------------

# start ARGUMENT...: of `backplane run'.
start() {
  rm -f "$work/keys"
  mkfifo "$work/keys"
  : >"$work/serial"
  : >"$work/err"
  timeout -k 5 $((patience * 2)) "$run" run "$@" <"$work/keys" >"$work/serial" 2>"$work/err" &
  pid=$!
  exec 3>"$work/keys"
  said=0
  commands=0
}

# What the machine has said since wait_for last found something.
since() { tail -c +$((said + 1)) "$work/serial" | tr -d '\r'; }

# wait_for PATTERN SECONDS: false when it does not come.
wait_for() {
  turns=$(($2 * 5))
  while ! since | grep -qaE -- "$1"; do
    turns=$((turns - 1))
    if [ $turns -le 0 ] || ! kill -0 "$pid" 2>/dev/null; then
      wrong "the guest does not say \"$1\""
      tail -c 1500 "$work/serial"
      return 1
    fi
    sleep 0.2
  done
}

type_line() { printf '%s\n' "$*" >&3; }

# Waits for the login prompt, and answers it; false: there is none.
log_in() {
  steps=$((steps + 1))
  wait_for '^guest login: ' "$patience" || return 1
  said=$(stat -c %s "$work/serial")
  type_line root
  wait_for 'root@guest:.*# ' $((60 * ${BACKPLANE_PATIENCE:-1})) || return 1
  type_line 'dmesg -n 1; stty -echo; PS1= exec sh'
  guest true
}

# guest COMMAND [SECONDS]: it has to succeed; its output is in $work/out.
guest() {
  steps=$((steps + 1))
  commands=$((commands + 1))
  said=$(stat -c %s "$work/serial")
  type_line "$1; echo \"<\$?:$commands>\""
  wait_for "<[0-9]+:$commands>" $((${2:-60} * ${BACKPLANE_PATIENCE:-1})) || return 1
  since | sed "s/<[0-9]*:$commands>.*//" >"$work/out"
  since | grep -qa "<0:$commands>" || { wrong "in the guest, \`$1\` fails"; cat "$work/out"; return 1; }
}

# Ends the run as a user of the guest does; the program's exit status tells.
power_off() {
  steps=$((steps + 1))
  type_line poweroff
  status=0
  wait "$pid" || status=$?
  pid=
  exec 3>&-
  if [ "$status" -ne 0 ] || [ -s "$work/err" ]; then
    wrong "after poweroff the program's exit status is $status"
    tail -c 1000 "$work/serial"
  fi
}

# --- what a guest must be able to do ----------------------------------------------------------------

# Bytes that go to the disk come back from it, and not from a cache.
guest_disk_works() {
  guest "dd if=/dev/urandom of=/root/bytes bs=1M count=${1:-16} conv=fsync 2>/dev/null && md5sum </root/bytes >/root/sum" 120
  guest "echo 3 >/proc/sys/vm/drop_caches; md5sum -c /root/sum </root/bytes" 120
  guest "dd if=/root/bytes bs=64k iflag=direct 2>/dev/null | md5sum -c /root/sum" 120
}

# serve: a folder of this host on its loopback, as $port.
serve() {
  command -v busybox >/dev/null && busybox --list | grep -q '^httpd$' || return 1
  mkdir -p "$work/www"
  head -c 5000000 /dev/urandom >"$work/www/bytes"
  port=$((20000 + $$ % 20000))
  for turn in 1 2 3 4 5; do
    busybox httpd -f -p "127.0.0.1:$port" -h "$work/www" 2>/dev/null &
    server=$!
    sleep 0.3
    kill -0 "$server" 2>/dev/null && return
    port=$((port + 97))
  done
  server=
  return 1
}

# It gets an address, fetches a file from this host, and serves one to it through the port $forwarded.
guest_network_works() {
  guest 'for i in $(seq 100); do ip -4 addr | grep -q "inet 10\.0\.2\." && break; sleep 0.3; done; ip -4 route | grep -q "^default via 10\.0\.2\.2"' 90 || return 0
  guest "wget -q -O- http://10.0.2.2:$port/bytes | md5sum" 90
  steps=$((steps + 1))
  [ "$(cut -c1-32 "$work/out" | tr -d '\n')" = "$(md5sum <"$work/www/bytes" | cut -c1-32)" ] || wrong "what the guest fetches is not what is served"
  guest "mkdir -p /tmp/www && echo from the guest >/tmp/www/text && busybox httpd -p 80 -h /tmp/www"
  steps=$((steps + 1))
  [ "$(timeout 20 busybox wget -q -O- "http://127.0.0.1:$forwarded/text")" = "from the guest" ] || wrong "the guest does not serve through a forwarded port"
}

# The folder that is served is also shared with it.
guest_share_works() {
  guest 'mount -t virtiofs share /mnt && md5sum </mnt/bytes'
  steps=$((steps + 1))
  [ "$(cut -c1-32 "$work/out" | tr -d '\n')" = "$(md5sum <"$work/www/bytes" | cut -c1-32)" ] || wrong "what the guest reads in the shared folder is not what is there"
  guest 'echo from the guest >/mnt/text && umount /mnt'
  steps=$((steps + 1))
  [ "$(cat "$work/www/text")" = "from the guest" ] || wrong "what the guest writes to the shared folder is not there"
}
