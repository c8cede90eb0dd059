/* test-commands.c -- every command: QMP's answers, what the console prints, what is refused and how. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "monitor-test.h"
#include "../suite.h"
#include <backplane/log.h>
#include <check.h>
#include <glib/gstdio.h>
#include <png.h>
#include <string.h>

#define DISKS \
  "[backend cd]\ntype = test-drive\nfile = one.iso\n[device cdrom]\ntype = test-disk\nbackend = cd\n" \
  "[backend hd]\ntype = test-drive\nfile = disk.img\n[device harddisk]\ntype = test-disk\nbackend = hd\nmedia = disk\n"

static BpMachine *machine;

static void
setup (void)
{
  machine = monitor_test_machine (DISKS "[device vga]\ntype = test-screen\n[device blind]\ntype = test-screen\nblank = on\nheads = 2\n[device button]\ntype = toy-button\n"
                                  "[device input]\ntype = test-input\n[device com1]\ntype = toy-uart\nbackend = console\n[backend console]\ntype = toy-char\n");
}

static void
teardown (void)
{
  monitor_test_end ();
}

/* --- tables -------------------------------------------------------------------------------------------- */

/* The whole answer, or, with a * at the end, its beginning. */
static void
expect (const char *got, const char *wanted, const char *what)
{
  size_t length = strlen (wanted);
  bool open = length && wanted[length - 1] == '*';
  ck_assert_msg (open ? strncmp (got, wanted, length - 1) == 0 : strcmp (got, wanted) == 0, "%s:\n%s\ninstead of\n%s", what, got, wanted);
}

#define ERROR(class_, desc_) "{\"error\": {\"class\": \"" class_ "\", \"desc\": \"" desc_ "\"}}"
#define GENERIC(desc_) ERROR ("GenericError", desc_)
#define RETURN(value_) "{\"return\": " value_ "}"
#define COMMAND(name_) "{\"execute\": \"" name_ "\"}"
#define WITH(name_, ...) "{\"execute\": \"" name_ "\", \"arguments\": {" #__VA_ARGS__ "}}"

static const struct { const char *in, *out; } qmp[] = {
  /* forms of messages */
  { "[]", GENERIC ("QMP input must be a JSON object") },
  { "{}", GENERIC ("QMP input lacks member 'execute'") },
  { "{\"execute\": 3}", GENERIC ("QMP input member 'execute' must be a string") },
  { "{\"execute\": \"stop\", \"arguments\": 3}", GENERIC ("QMP input member 'arguments' must be an object") },
  { "{\"execute\": \"stop\", \"argument\": {}}", GENERIC ("QMP input member 'argument' is unexpected") },
  { "{\"execute\": \"nope\", \"id\": [1, {\"x\": null}]}",
    "{\"id\": [1, {\"x\": null}], \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command nope has not been found\"}}" },
  { "{\"execute\": \"query-uuid\", \"id\": \"u\"}", "{\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}, \"id\": \"u\"}" },
  { COMMAND ("qmp_capabilities"), ERROR ("CommandNotFound", "Capabilities negotiation is already complete, command ignored") },
  { COMMAND ("query-qmp-schema"), ERROR ("CommandNotFound", "The command query-qmp-schema has not been found") },
  /* arguments */
  { WITH ("stop", "a": 1), GENERIC ("Parameter 'a' is unexpected") },
  { COMMAND ("pmemsave"), GENERIC ("Parameter 'val' is missing") },
  { WITH ("pmemsave", "val": "x", "size": 1, "filename": "f"), GENERIC ("Invalid parameter type for 'val', expected: integer") },
  { WITH ("pmemsave", "val": 1.5, "size": 1, "filename": "f"), GENERIC ("Invalid parameter type for 'val', expected: integer") },
  { WITH ("pmemsave", "val": 0, "size": 1, "filename": 7), GENERIC ("Invalid parameter type for 'filename', expected: string") },
  { WITH ("eject", "device": "cd", "force": 1), GENERIC ("Invalid parameter type for 'force', expected: boolean") },
  { WITH ("send-key", "keys": {}), GENERIC ("Invalid parameter type for 'keys', expected: array") },
  { WITH ("screendump", "filename": "f", "format": "gif"), GENERIC ("Parameter 'format' does not accept value 'gif'") },
  /* the machine */
  { COMMAND ("query-status"), RETURN ("{\"status\": \"prelaunch\", \"singlestep\": false, \"running\": false}") },
  { COMMAND ("query-version"), "{\"return\": {\"qemu\": {\"micro\": *" },
  { COMMAND ("query-name"), RETURN ("{\"name\": \"a test\"}") },
  { COMMAND ("query-kvm"), RETURN ("{\"enabled\": false, \"present\": false}") },
  { COMMAND ("query-cpus-fast"), "{\"return\": [{\"thread-id\": *" },
  { COMMAND ("query-chardev"), RETURN ("[{\"frontend-open\": true, \"filename\": \"toy-char\", \"label\": \"console\"}]") },
  { COMMAND ("query-memory-size-summary"), RETURN ("{\"base-memory\": 131072, \"plugged-memory\": 0}") },
  { COMMAND ("query-memory-devices"), RETURN ("[]") },
  { COMMAND ("inject-nmi"), RETURN ("{}") },
  { COMMAND ("query-target"), GENERIC ("the machine has no CPU of a known kind") },
  /* memory */
  { WITH ("pmemsave", "val": 0, "size": 1, "filename": "/nonexistent/x"), GENERIC ("Could not open '/nonexistent/x': No such file or directory") },
  { WITH ("pmemsave", "val": 0, "size": 1, "filename": "/"), GENERIC ("Could not open '/': Is a directory") },
  { WITH ("pmemsave", "val": 0, "size": -1, "filename": "f"), GENERIC ("Parameter 'size' expects a number of bytes") },
  { WITH ("memsave", "val": 0, "size": 1, "filename": "f", "cpu-index": 7), GENERIC ("Parameter 'cpu-index' expects a CPU number") },
  { WITH ("memsave", "val": 0, "size": 1, "filename": "f", "cpu-index": -7), GENERIC ("Parameter 'cpu-index' expects a CPU number") },
  { WITH ("memsave", "val": 65000, "size": 1000, "filename": "f"), GENERIC ("Invalid addr 0x000000000000fde8/size 1000 specified") },
  /* objects */
  { WITH ("qom-list", "path": "/"), RETURN ("[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"machine\", \"type\": \"child<machine>\"}]") },
  { WITH ("qom-list", "path": "/machine"), "{\"return\": [{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"accel\", \"type\": \"child<toy-accel>\"}, *" },
  { WITH ("qom-list", "path": "/machine/button"),
    RETURN ("[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"strength\", \"type\": \"uint32\"}]") },
  { WITH ("qom-list", "path": "/machine/nope"), ERROR ("DeviceNotFound", "Device '/machine/nope' not found") },
  { WITH ("qom-get", "path": "/machine/button", "property": "strength"), RETURN ("3") },
  { WITH ("qom-get", "path": "button", "property": "type"), RETURN ("\"toy-button\"") },
  { WITH ("qom-get", "path": "/machine/boot", "property": "append"), ERROR ("DeviceNotFound", "Device '/machine/boot' not found") },
  { WITH ("qom-get", "path": "/machine/com1", "property": "backend"), RETURN ("\"/machine/console\"") },
  { WITH ("qom-get", "path": "/machine/com1", "property": "parity"), RETURN ("\"none\"") },
  { WITH ("qom-get", "path": "/machine/com1", "property": "label"), RETURN ("\"\"") },
  { WITH ("qom-get", "path": "/machine/blind", "property": "blank"), RETURN ("true") },
  { WITH ("qom-set", "path": "/machine/blind", "property": "password", "value": "sesame"), RETURN ("{}") },
  { WITH ("qom-get", "path": "/machine/blind", "property": "password"), GENERIC ("property `password` of blind is a secret: it can be set, and is not told") },
  { WITH ("qom-get", "path": "/machine", "property": "type"), RETURN ("\"machine\"") },
  { WITH ("qom-get", "path": "/machine", "property": "com1"), RETURN ("\"/machine/com1\"") },
  { WITH ("qom-get", "path": "/", "property": "machine"), RETURN ("\"/machine\"") },
  { WITH ("qom-get", "path": "/machine", "property": "nope"), GENERIC ("Property 'machine.nope' not found") },
  { WITH ("qom-get", "path": "/machine/button", "property": "nope"), GENERIC ("Property 'toy-button.nope' not found") },
  { WITH ("qom-set", "path": "/machine/button", "property": "strength", "value": 5), RETURN ("{}") },
  { WITH ("qom-set", "path": "/machine/button", "property": "strength", "value": "5"), GENERIC ("Invalid parameter type for 'strength', expected: integer") },
  { WITH ("qom-set", "path": "/machine/button", "property": "strength", "value": 50), GENERIC ("property `strength`: `50` is outside the range 1..9") },
  { WITH ("qom-set", "path": "/machine/cdrom", "property": "locked", "value": 1), GENERIC ("Invalid parameter type for 'locked', expected: boolean") },
  { WITH ("qom-set", "path": "/machine/com1", "property": "depth", "value": 5),
    GENERIC ("property `depth` cannot be changed any more: the machine is built") },
  { WITH ("qom-set", "path": "/machine", "property": "x", "value": 5), GENERIC ("Property 'x' cannot be set: it belongs to no object") },
  { WITH ("qom-list-properties", "typename": "nope"), ERROR ("DeviceNotFound", "Class 'nope' not found") },
  { WITH ("device-list-properties", "typename": "nope"), ERROR ("DeviceNotFound", "Device 'nope' not found") },
  { WITH ("device-list-properties", "typename": "toy-button"),
    "{\"return\": [{\"default-value\": 3, \"name\": \"strength\", \"description\": *" },
  { WITH ("qom-list-types", "implements": "bp.screen/1"), RETURN ("[{\"name\": \"test-screen\", \"parent\": \"object\"}]") },
  /* objects that come and go */
  { WITH ("device_add", "driver": "stub"), GENERIC ("Parameter 'id' is missing") },
  { WITH ("device_add", "id": "s"), GENERIC ("Parameter 'driver' is missing") },
  { WITH ("device_add", "driver": 1, "id": "s"), GENERIC ("Invalid parameter type for 'driver', expected: string") },
  { WITH ("device_add", "driver": "stob", "id": "s"), GENERIC ("no plugin here has a type `stob` (did you mean `stub`?)") },
  { WITH ("device_add", "driver": "toy-uart", "id": "s"), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"[device s] type: a `toy-uart` cannot join a machine*" },
  { WITH ("device_add", "driver": "stub", "id": "s", "size": {}), GENERIC ("Parameter 'size' is neither text, number, boolean, nor a list of them") },
  { WITH ("device_add", "driver": "stub", "id": "s", "size": 0), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"[device s] size: `0` is outside the range*" },
  { WITH ("device_add", "driver": "stub", "id": "s", "syze": 1), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"[device s] syze: unknown key*" },
  { WITH ("device_add", "driver": "stub", "id": "s", "size": 4, "value": 18, "log": false, "regs": ["io@0x700", "io@0x708"]), RETURN ("{}") },
  { WITH ("device_del", "id": "console"), GENERIC ("'console' is not a device: object-del removes it") },
  { WITH ("object-del", "id": "console"), GENERIC ("`console` is a `toy-char`, which cannot leave a machine that runs") },
  { WITH ("device_del", "id": "nope"), ERROR ("DeviceNotFound", "Device 'nope' not found") },
  { WITH ("device_del", "id": "s"), ERROR ("DeviceNotFound", "Device 's' not found") },
  { WITH ("object-add", "qom-type": "stub", "id": "t"), RETURN ("{}") },
  /* screens */
  { WITH ("screendump", "filename": "f", "device": "nope"), ERROR ("DeviceNotFound", "Device 'nope' not found") },
  { WITH ("screendump", "filename": "f", "device": "com1"), GENERIC ("Device 'com1' is a toy-uart and has no bp.screen/1") },
  { WITH ("screendump", "filename": "f", "device": "blind"), GENERIC ("'blind' shows no picture now") },
  { WITH ("screendump", "filename": "f", "head": 1), GENERIC ("'vga' has one head, 0") },
  { WITH ("screendump", "filename": "f", "device": "blind", "head": 2), GENERIC ("'blind' has heads 0 to 1") },
  { WITH ("screendump", "filename": "f", "device": "blind", "head": -1), GENERIC ("'blind' has heads 0 to 1") },
  { WITH ("screendump", "filename": "/nonexistent/f"), GENERIC ("Could not open '/nonexistent/f': No such file or directory") },
  /* input */
  { WITH ("send-key", "keys": ["a"]), GENERIC ("Invalid parameter type for 'keys[0]', expected: object") },
  { WITH ("send-key", "keys": [{"type": "x", "data": 1}]), GENERIC ("Parameter 'type' does not accept value 'x'") },
  { WITH ("send-key", "keys": [{"type": "qcode", "data": "nokey"}]), GENERIC ("Parameter 'data' does not accept value 'nokey'") },
  { WITH ("send-key", "keys": [{"type": "qcode", "data": 4}]), GENERIC ("Invalid parameter type for 'data', expected: string") },
  { WITH ("send-key", "keys": [{"type": "number", "data": 255}]), GENERIC ("Parameter 'data' is not a key's number") },
  { WITH ("send-key", "keys": [{"type": "qcode"}]), GENERIC ("Parameter 'data' is missing") },
  { WITH ("input-send-event", "events": [{"type": "x", "data": {}}]), GENERIC ("Parameter 'type' does not accept value 'x'") },
  { WITH ("input-send-event", "events": [{"type": "rel", "data": {"axis": "z", "value": 1}}]), GENERIC ("Parameter 'axis' does not accept value 'z'") },
  { WITH ("input-send-event", "events": [{"type": "btn", "data": {"button": "x", "down": true}}]), GENERIC ("Parameter 'button' does not accept value 'x'") },
  { WITH ("input-send-event", "events": [3]), GENERIC ("Invalid parameter type for 'events', expected: object") },
  { COMMAND ("query-mice"), RETURN ("[{\"name\": \"input\", \"index\": 0, \"current\": true, \"absolute\": true}]") },
  /* disks */
  { WITH ("eject"), GENERIC ("Need exactly one of 'device' and 'id'") },
  { WITH ("eject", "device": "cd", "id": "cd"), GENERIC ("Need exactly one of 'device' and 'id'") },
  { WITH ("eject", "device": "nope"), ERROR ("DeviceNotFound", "Device 'nope' not found") },
  { WITH ("eject", "device": "com1"), GENERIC ("Device 'com1' is a toy-uart, which holds no medium") },
  { WITH ("eject", "device": "hd"), GENERIC ("Device 'hd' is not removable") },
  { WITH ("blockdev-remove-medium", "id": "cdrom"), GENERIC ("Tray of device 'cd' is not open") },
  { WITH ("blockdev-change-medium", "device": "cd", "filename": "none.iso"), GENERIC ("Could not open 'none.iso': No such file or directory") },
  { WITH ("blockdev-change-medium", "device": "cd", "filename": "x", "read-only-mode": "bad"), GENERIC ("Parameter 'read-only-mode' does not accept value 'bad'") },
  /* the console's */
  { WITH ("human-monitor-command", "command-line": "info status"), RETURN ("\"VM status: paused (prelaunch)\\r\\n\"") },
  { WITH ("human-monitor-command", "command-line": "nope"), RETURN ("\"unknown command: 'nope'; try `help`\\r\\n\"") },
  { WITH ("human-monitor-command", "command-line": "info cpus", "cpu-index": 3), GENERIC ("Parameter 'cpu-index' expects a CPU number") },
};

START_TEST (answers)
{
  g_autofree char *out = monitor_test_qmp (qmp[_i].in);
  expect (out, qmp[_i].out, qmp[_i].in);
}
END_TEST

static const struct { const char *in, *out; } console[] = {
  { "", "" },
  { "  # nothing", "" },
  { "info version", "backplane *" },
  { "info  status", "VM status: paused (prelaunch)\n" },
  { "info name", "a test\n" },
  { "info kvm", "kvm support: disabled\n" },
  { "info chardev", "console: filename=toy-char\n" },
  { "device_add stub,id=s,size", "Error: 'size' is not KEY=VALUE\n" },
  { "device_add stub,size=4", "Error: Parameter 'id' is missing\n" },
  { "device_add stub,id=s,size=4,size=5", "Error: 'size' is there twice\n" },
  { "device_del s", "Error: Device 's' not found\n" },
  { "info memory-devices", "" },
  { "info memory_size_summary", "base memory: 131072\nplugged memory: 0\n" },
  { "info cpus", "* CPU #0: thread_id=*" },
  { "info registers", "CPU#0\nrax=1122334455667788       rip=0000000000000010       rsp=0000000000000020\neflags=00000002\n" },
  { "info registers -a -v", "CPU#0\nrax=1122334455667788       rip=0000000000000010       rsp=0000000000000020\neflags=00000002\nxmm0=00000000000000000000000000000033\n" },
  { "info nope", "Error: there is no `info nope`; `help info` lists what there is\n" },
  { "info", "info status -- *" },
  { "help stop", "stop|s -- stop the machine\n" },
  { "? eject", "eject [-f] device -- take the medium out of a drive; -f: even if the guest has locked it\n" },
  { "help zz", "there is no command `zz`\n" },
  { "stop now", "extraneous characters at the end of line: 'now'\nTry \"help stop\" for more information\n" },
  { "cpu 0", "" },
  { "cpu 4", "Error: Parameter 'cpu-index' expects a CPU number\n" },
  { "cpu -1", "Error: a CPU's number is expected\n" },
  { "info mtree", "memory:\n*" },
  { "info tree", "toy-*" },
  /* memory: 0x100 holds 0x11 0x22 ... */
  { "xp 0x100", "0000000000000100: 0x44332211\n" },
  { "xp /2xw 0x100", "0000000000000100: 0x44332211 0x88776655\n" },
  { "xp/10xb 0x100", "0000000000000100: 0x11 0x22 0x33 0x44 0x55 0x66 0x77 0x88\n0000000000000108: 0x99 0xfe\n" },
  { "xp /1xg 0x100", "0000000000000100: 0x8877665544332211\n" },
  { "xp /2dh 0x108", "0000000000000108:  -359 16705\n" },
  { "xp /2uh 0x108", "0000000000000108: 65177 16705\n" },
  { "xp /3c 0x109", "0000000000000109: '\\xfe' 'A' 'A'\n" },
  { "xp /1ob 0x100", "0000000000000100: 021\n" },
  { "xp /1xs 0", "Error: invalid char in format: 's'\n" },
  { "xp /100000000xb 0", "Error: at most 65536 items at a time\n" },
  { "xp /1i 0", "Error: instructions are shown by the CPU's own addresses only: x /i\n" },
  { "xp", "addr is missing\nTry \"help xp\" for more information\n" },
  { "xp /0xb 0", "" },
  { "x /2xw -0xf00", "fffffffffffff100: Cannot access memory at address 0xfffffffffffff100\n" },
  { "x /1xb 0x10000", "0000000000010000: Cannot access memory at address 0x10000\n" },
  { "x /2i $pc", "0x00001010:  nop\n0x00001012:  nop\n" },
  { "x /2i 0xfffe", "0x0000fffe:  nop\nCannot access memory at address 0x10000\n" },
  { "gva2gpa 0x123", "gpa: 0x1123\n" },
  { "gva2gpa 0x10000", "Unmapped\n" },
  { "i /b 0x3f8", "portb[0x03f8] = 0xff\n" },
  { "o /b 0x3f8 1", "" },
  { "i /g 0x3f8", "Error: a port is 0 to 0xffff, and read or written once as b, h or w\n" },
  { "i 0x10000", "Error: a port is 0 to 0xffff, and read or written once as b, h or w\n" },
  /* expressions */
  { "p 1+2*3", "0x7\n" },
  { "p /d (1 + 2) * -3", "-9\n" },
  { "p /d 7/2 + 7%2", "4\n" },
  { "p 0xf0 | 0xf & 3 ^ 1", "0x2\n" },
  { "p ~0", "0xffffffffffffffff\n" },
  { "p 16M", "0x1000000\n" },
  { "p 'A'", "0x41\n" },
  { "p $rax", "0x1122334455667788\n" },
  { "p $eax + 1", "0x55667789\n" },
  { "p $sp", "0x20\n" },
  { "p /u 1 /c", "Error: a number is expected\n" },
  { "p $nope", "Error: unknown register: '$nope'\n" },
  { "p 1/0", "Error: division by zero\n" },
  { "p 1 2", "Error: invalid character in an expression: '2'\n" },
  { "p (1", "Error: ')' is expected\n" },
  { "p 99999999999999999999", "Error: the number is too large\n" },
  { "p ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1", "Error: the expression is nested too deeply\n" },
  /* objects */
  { "get button.strength", "button.strength = 3    ; can be set\n" },
  { "get com1", "com1.backend = console\ncom1.depth = 16\ncom1.parity = none\n*" },
  { "get blind", "blind.blank = on\nblind.heads = 2\nblind.password = (secret)    ; can be set\n" },
  { "get blind.password", "Error: property `password` of blind is a secret: it can be set, and is not told\n" },
  { "get com1.nope", "Error: type `toy-uart` has no property `nope`\n" },
  { "get nope.x", "Error: Device 'nope' not found\n" },
  { "get nope", "Error: 'nope' is not OBJECT.PROPERTY\n" },
  { "set button.strength 4", "" },
  { "set button.strength 4  ", "" },
  { "set button.strength", "value is missing\nTry \"help set\" for more information\n" },
  { "set com1.depth 4", "Error: property `depth` cannot be changed any more: the machine is built\n" },
  { "qom-list /machine/button", "type (string)\nstrength (uint32)\n" },
  /* snapshots */
  { "loadvm", "name is missing\nTry \"help loadvm\" for more information\n" },
  { "loadvm /nowhere/x.bps", "Error: `/nowhere/x.bps` cannot be opened: *" },
  { "delvm /nowhere/x.bps", "Error: *" },
  /* input */
  { "sendkey ctrl-nokey", "unknown key: 'nokey'\nTry \"help sendkey\" for more information\n" },
  { "info mice", "* Mouse #0: input (absolute)\n" },
  /* the log */
  { "log help", "in_asm *" },
  { "log nope", "Error: there is no log topic `nope`; `-d help` lists them\n" },
  { "log \"int", "a \" is not closed\nTry \"help log\" for more information\n" },
};

START_TEST (lines)
{
  static const uint8_t bytes[] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xfe, 'A', 'A' };
  bp_as_write (bp_machine_address_space (machine, "memory"), 0x100, bytes, sizeof bytes);
  g_autofree char *out = monitor_test_line (console[_i].in);
  expect (out, console[_i].out, console[_i].in);
}
END_TEST

/* --- what has effects --------------------------------------------------------------------------------------- */

static void
qmp_is (const char *in, const char *out)
{
  g_autofree char *got = monitor_test_qmp (in);
  expect (got, out, in);
}

static void
line_is (const char *in, const char *out)
{
  g_autofree char *got = monitor_test_line (in);
  expect (got, out, in);
}

static void
events_are (const char *wanted)
{
  ck_assert_str_eq (monitor_test_events->str, wanted);
  g_string_truncate (monitor_test_events, 0);
}

START_TEST (stop_and_go)
{
  qmp_is (COMMAND ("cont"), RETURN ("{}"));
  qmp_is (COMMAND ("cont"), RETURN ("{}"));
  qmp_is (COMMAND ("query-status"), RETURN ("{\"status\": \"running\", \"singlestep\": false, \"running\": true}"));
  line_is ("s", "");
  line_is ("info status", "VM status: paused\n");
  events_are ("RESUME;STOP;");
  qmp_is (COMMAND ("system_reset"), RETURN ("{}"));
  monitor_test_turn (NULL);
  events_are ("RESET {\"guest\": false, \"reason\": \"host-qmp-system-reset\"};");
  bp_machine_request_reset (machine, "triple fault");
  monitor_test_turn (NULL);
  events_are ("RESET {\"guest\": true, \"reason\": \"guest-reset\"};");
  qmp_is (COMMAND ("system_powerdown"), RETURN ("{}"));
  monitor_test_turn (NULL);
  events_are ("POWERDOWN;");
  qmp_is (COMMAND ("quit"), RETURN ("{}"));
  ck_assert (machine->shutdown_requested);
  ck_assert_int_eq (machine->exit_code, 0);
}
END_TEST

static void
contents_are (const char *name, const void *bytes, size_t size)
{
  g_autofree char *contents = NULL;
  gsize length;
  ck_assert (g_file_get_contents (name, &contents, &length, NULL));
  ck_assert_uint_eq (length, size);
  ck_assert (memcmp (contents, bytes, size) == 0);
}

START_TEST (comes_and_goes)
{
  qmp_is (WITH ("device_add", "driver": "stub", "id": "s", "size": 4, "value": 18, "log": false, "regs": ["io@0x700", "io@0x708"]), RETURN ("{}"));
  qmp_is (WITH ("qom-get", "path": "s", "property": "value"), RETURN ("18"));
  line_is ("i /b 0x709", "portb[0x0709] = 0x12\n");
  qmp_is (WITH ("device_add", "driver": "stub", "id": "s"), GENERIC ("the object `s` exists: [device s]"));
  qmp_is (WITH ("object-del", "id": "s"), GENERIC ("'s' is a device: device_del removes it"));
  qmp_is (WITH ("device_del", "id": "/machine/s"), RETURN ("{}"));
  events_are ("DEVICE_DELETED {\"device\": \"s\", \"path\": \"/machine/s\"};");
  line_is ("device_add stub,id=s,size=4,regs=io@0x700,,io@0x708", "");
  line_is ("get s.regs", "Error: type `stub` has no property `regs`\n");
  line_is ("device_del s", "");
  line_is ("device_del s", "Error: Device 's' not found\n");
}
END_TEST

START_TEST (memory_into_files)
{
  g_autofree uint8_t *bytes = g_malloc (128 << 10);
  for (unsigned i = 0; i < 128 << 10; i++)
    bytes[i] = (uint8_t) (i * 7 + (i >> 9));
  bp_as_write (bp_machine_address_space (machine, "memory"), 0, bytes, 128 << 10);
  qmp_is (WITH ("pmemsave", "val": 0, "size": 131072, "filename": "saved"), RETURN ("{}"));
  contents_are ("saved", bytes, 128 << 10);
  qmp_is (WITH ("memsave", "val": 16, "size": 65520, "filename": "saved"), RETURN ("{}"));
  contents_are ("saved", bytes + 0x1010, 65520);
  /* what fails leaves what was there, and nothing beside it */
  qmp_is (WITH ("memsave", "val": 16, "size": 65521, "filename": "saved"), GENERIC ("Invalid addr 0x0000000000000010/size 65521 specified"));
  contents_are ("saved", bytes + 0x1010, 65520);
  qmp_is (WITH ("pmemsave", "val": 1, "size": 131072, "filename": "saved"),
          GENERIC ("Invalid addr 0x0000000000000001/size 131072 specified: nothing is mapped behind 0x1ffff"));
  line_is ("pmemsave 0 99999999999999999 saved", "Error: Invalid addr 0x0000000000000000/size 99999999999999999 specified: nothing is mapped behind 0x1ffff\n");
  line_is ("pmemsave 0x8000000000000000 1 saved", "Error: Invalid addr 0x8000000000000000/size 1 specified: nothing is mapped behind 0x1ffff\n");
  contents_are ("saved", bytes + 0x1010, 65520);
  line_is ("pmemsave 0x10 1K+8 \"a name\"", "");
  contents_are ("a name", bytes + 0x10, 1032);
  line_is ("memsave 0 1 none 5", "Error: Parameter 'cpu-index' expects a CPU number\n");
  qmp_is (WITH ("pmemsave", "val": 0, "size": 0, "filename": "a name"), RETURN ("{}"));
  contents_are ("a name", "", 0);
  ck_assert_int_eq (g_unlink ("saved") | g_unlink ("a name"), 0);
  qmp_is (WITH ("pmemsave", "val": 0, "size": 1, "filename": "/dev/null"), RETURN ("{}"));
  ck_assert (!g_file_test ("/dev/null", G_FILE_TEST_IS_REGULAR));
  if (g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    qmp_is (WITH ("pmemsave", "val": 0, "size": 1, "filename": "/dev/full"), GENERIC ("Could not write '/dev/full': No space left on device"));
}
END_TEST

#ifdef HAVE_ZSTD
/* Who gives no name is told which it was. */
START_TEST (a_name_that_was_made)
{
  monitor_test_end ();
  machine = monitor_test_machine ("");
  g_autofree char *said = monitor_test_line ("savevm"), *name = g_str_has_prefix (said, "Saved as vm-") ? g_strstrip (g_strdup (said + 9)) : NULL;
  ck_assert_msg (name != NULL, "%s", said);
  g_autofree char *load = g_strconcat ("loadvm ", name, NULL), *delete = g_strconcat ("delvm ", name, NULL);
  line_is (load, "");
  line_is (delete, "");
  line_is ("savevm ./named", "");
  ck_assert_int_eq (g_unlink ("named.bps"), 0);
}
END_TEST
#endif

START_TEST (pictures)
{
  static const char ppm[] = "P6\n4 2\n255\n\xff\0\0\0\xff\0\0\0\xff\xff\xff\xff\0\0\0\1\2\3\x80\x80\x80\xfe\xfd\xfc";
  png_image image = { .version = PNG_IMAGE_VERSION };
  uint8_t pixels[24];
  qmp_is (WITH ("screendump", "filename": "p.ppm"), RETURN ("{}"));
  contents_are ("p.ppm", ppm, sizeof ppm - 1);
  line_is ("screendump p.png -f png vga", "");
  ck_assert (png_image_begin_read_from_file (&image, "p.png"));
  ck_assert (image.width == 4 && image.height == 2);
  image.format = PNG_FORMAT_RGB;
  ck_assert (png_image_finish_read (&image, NULL, pixels, 0, NULL));
  ck_assert (memcmp (pixels, ppm + 11, 24) == 0);
  if (g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    line_is ("screendump /dev/full -f png", "Error: Could not write '/dev/full': No space left on device\n");
  qmp_is (WITH ("screendump", "filename": "p.ppm", "device": "blind", "head": 1), RETURN ("{}"));
  contents_are ("p.ppm", "P6\n1 1\n255\n\0\0\1", 14);
  ck_assert_int_eq (g_unlink ("p.ppm") | g_unlink ("p.png"), 0);
}
END_TEST

#define CLOSED "{\"device\": \"cd\", \"tray-open\": false, \"id\": \"/machine/cdrom\"};"
#define OPEN "{\"device\": \"cd\", \"tray-open\": true, \"id\": \"/machine/cdrom\"};"

static void
medium_is (const char *what)
{
  g_autofree char *out = monitor_test_line ("info block");
  g_autofree char *wanted = g_strdup_printf ("cd: %s\n", what);
  ck_assert_msg (g_str_has_prefix (out, wanted), "%s instead of %s", out, what);
}

START_TEST (networks)
{
  monitor_test_end ();
  machine = monitor_test_machine ("[backend lan]\ntype = test-network\n[device nic]\ntype = test-nic\nbackend = lan\n[backend free]\ntype = test-network\n"
                                  "[backend console]\ntype = toy-char\n");
  qmp_is (COMMAND ("query-netdev"),
          "{\"return\": [{\"name\": \"lan\", \"type\": \"test-network\", \"info\": \"test, nobody\", \"link\": true, \"mtu\": 1500, \"queues\": 1, \"offloads\": [\"checksum\"], "
          "\"rx-packets\": 3, \"rx-bytes\": 180, \"tx-packets\": 4, \"tx-bytes\": 240, \"peer\": \"nic\", \"qdev\": \"/machine/nic\"}, {\"name\": \"free\", *");
  line_is ("info network", "lan: test, nobody, of nic, link up\n    received: 3 packets, 180 bytes; sent: 4 packets, 240 bytes\n"
                           "free: test, nobody, of no device, link up\n    received: 3 packets, 180 bytes; sent: 4 packets, 240 bytes\n");
  qmp_is (WITH ("set_link", "name": "nic", "up": false), RETURN ("{}"));
  line_is ("info network", "lan: test, nobody, of nic, link down\n*");
  line_is ("set_link lan on", "");
  line_is ("info network", "lan: test, nobody, of nic, link up\n*");
  qmp_is (WITH ("set_link", "name": "console", "up": false), GENERIC ("Device 'console' is a toy-char, which is on no network"));
  qmp_is (WITH ("set_link", "name": "nope", "up": false), "{\"error\": {\"class\": \"DeviceNotFound\", *");
}
END_TEST

START_TEST (media)
{
  ck_assert (g_file_set_contents ("two.iso", "", 0, NULL));
  medium_is ("one.iso (raw)");
  qmp_is (WITH ("blockdev-open-tray", "id": "cdrom"), RETURN ("{}"));
  qmp_is (WITH ("blockdev-open-tray", "device": "cd"), RETURN ("{}"));
  medium_is ("[not inserted]");
  events_are ("DEVICE_TRAY_MOVED " OPEN);
  qmp_is (WITH ("blockdev-close-tray", "id": "cdrom"), RETURN ("{}"));
  medium_is ("one.iso (raw)");
  events_are ("DEVICE_TRAY_MOVED " CLOSED);
  qmp_is (WITH ("blockdev-change-medium", "id": "cdrom", "filename": "two.iso", "read-only-mode": "read-only"), RETURN ("{}"));
  medium_is ("two.iso (raw, read-only)");
  events_are ("DEVICE_TRAY_MOVED " OPEN "DEVICE_TRAY_MOVED " CLOSED);
  /* what cannot be used leaves what was there */
  qmp_is (WITH ("blockdev-change-medium", "id": "cdrom", "filename": "two.iso", "format": "qcow2"), GENERIC ("two.iso is no qcow2 image"));
  medium_is ("two.iso (raw, read-only)");
  line_is ("eject cd", "");
  line_is ("eject cd", "");
  medium_is ("[not inserted]");
  qmp_is (WITH ("blockdev-close-tray", "device": "cd"), RETURN ("{}"));
  medium_is ("[not inserted]");
  line_is ("change cd two.iso raw read-write", "");
  medium_is ("two.iso (raw)");
  /* a door that the guest has locked */
  line_is ("set cdrom.locked on", "");
  line_is ("eject cd", "Error: the guest has locked the drive\n");
  line_is ("change cd two.iso", "Error: the guest has locked the drive\n");
  medium_is ("two.iso (raw)");
  line_is ("change -f cd two.iso raw retain", "");
  line_is ("eject -f cdrom", "");
  medium_is ("[not inserted]");
  qmp_is (WITH ("blockdev-remove-medium", "id": "cdrom"), RETURN ("{}"));
  g_unlink ("two.iso");
}
END_TEST

START_TEST (block_answers)
{
  g_autofree char *out = monitor_test_qmp (COMMAND ("query-block"));
  expect (out,
          "{\"return\": [{\"io-status\": \"ok\", \"device\": \"cd\", \"locked\": false, \"removable\": true, \"inserted\": {\"iops_rd\": 0, \"iops_wr\": 0, \"iops\": 0, "
          "\"bps_wr\": 0, \"bps\": 0, \"bps_rd\": 0, \"write_threshold\": 0, \"backing_file_depth\": 0, \"detect_zeroes\": \"off\", \"image\": {\"virtual-size\": 1024, "
          "\"filename\": \"one.iso\", \"format\": \"raw\", \"dirty-flag\": false}, \"ro\": false, \"node-name\": \"cd\", \"drv\": \"raw\", \"encrypted\": false, \"cache\": "
          "{\"no-flush\": false, \"direct\": false, \"writeback\": true}, \"file\": \"one.iso\"}, \"tray_open\": false, \"qdev\": \"/machine/cdrom\", \"type\": "
          "\"unknown\"}, {\"io-status\": \"ok\", \"device\": \"hd\", \"locked\": false, \"removable\": false, *", "query-block");
  line_is ("info blockstats", "cd: rd_bytes=512 wr_bytes=0 rd_operations=1 wr_operations=0\nhd: *");
  qmp_is (COMMAND ("query-blockstats"), "{\"return\": [{\"device\": \"cd\", \"node-name\": \"cd\", \"stats\": {*");
}
END_TEST

START_TEST (block_sizes)
{
  static const char *const modes[][4] = { { "writeback", "true", "false", "false" }, { "writethrough", "false", "false", "false" }, { "none", "true", "true", "false" },
                                          { "direct", "true", "true", "false" }, { "directsync", "false", "true", "false" }, { "unsafe", "true", "false", "true" } };
  qmp_is (WITH ("block_resize", "device": "hd", "size": 4096), RETURN ("{}"));
  line_is ("info block", "cd: *");
  g_autofree char *out = monitor_test_line ("info block");
  ck_assert_msg (strstr (out, "Size:             4096 bytes"), "%s", out);
  qmp_is (WITH ("block_resize", "node-name": "harddisk", "size": 8192), RETURN ("{}"));
  line_is ("block_resize hd 3", "");
  g_autofree char *more = monitor_test_line ("info block");
  ck_assert_msg (strstr (more, "Size:             3145728 bytes"), "%s", more);
  qmp_is (WITH ("block_resize", "device": "hd", "size": 100), GENERIC ("no whole sectors"));
  qmp_is (WITH ("block_resize", "device": "hd", "size": -512), GENERIC ("Parameter 'size' expects a >0 size"));
  line_is ("block_resize hd 0x7fffffffffffffff", "Error: Parameter 'size' expects a >0 size\n");
  qmp_is (WITH ("block_resize", "size": 512), GENERIC ("Need exactly one of 'device' and 'id'"));
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++) {
    monitor_test_end ();
    g_autofree char *text = g_strdup_printf ("[backend d]\ntype = test-drive\nfile = disk.img\ncache = %s\n", modes[i][0]);
    machine = monitor_test_machine (text);
    g_autofree char *answer = monitor_test_qmp (COMMAND ("query-block"));
    g_autofree char *wanted = g_strdup_printf ("\"cache\": {\"no-flush\": %s, \"direct\": %s, \"writeback\": %s}", modes[i][3], modes[i][2], modes[i][1]);
    ck_assert_msg (strstr (answer, wanted), "%s: %s", modes[i][0], answer);
  }
}
END_TEST

static bool
all_up (void)
{
  return g_str_has_suffix (monitor_test_input->str, "key 29 up;");
}

START_TEST (keys)
{
  qmp_is (COMMAND ("cont"), RETURN ("{}"));
  qmp_is (WITH ("send-key", "keys": [{"type": "qcode", "data": "ctrl"}, {"type": "number", "data": 184}, {"type": "qcode", "data": "f1"}], "hold-time": 1),
          RETURN ("{}"));
  monitor_test_turn (all_up);
  ck_assert_str_eq (monitor_test_input->str, "key 29 down;key 100 down;key 59 down;key 59 up;key 100 up;key 29 up;");
  g_string_truncate (monitor_test_input, 0);
  line_is ("sendkey ctrl-a 1", "");
  line_is ("sendkey ctrl-0x1f 1", "");          /* waits for the one before */
  line_is ("sendkey ctrl-minus 1", "");
  monitor_test_turn (all_up);
  while (!strstr (monitor_test_input->str, "key 12 up;key 29 up;"))
    monitor_test_turn (NULL);
  ck_assert_str_eq (monitor_test_input->str, "key 29 down;key 30 down;key 30 up;key 29 up;key 29 down;key 31 down;key 31 up;key 29 up;"
                                             "key 29 down;key 12 down;key 12 up;key 29 up;");
}
END_TEST

/* The machine stands: keys wait, but not without end. */
START_TEST (too_many_keys)
{
  unsigned taken = 0;
  g_autofree char *out = NULL;
  while (taken < 2000) {
    g_free (out);
    out = monitor_test_qmp (WITH ("send-key", "keys": [{"type": "qcode", "data": "a"}]));
    if (strstr (out, "error"))
      break;
    taken++;
  }
  ck_assert_uint_gt (taken, 200);
  ck_assert_uint_lt (taken, 300);
  ck_assert_str_eq (out, GENERIC ("too many keys wait already"));
}
END_TEST

START_TEST (mouse)
{
  qmp_is (WITH ("input-send-event", "events": [{"type": "rel", "data": {"axis": "x", "value": 5}}, {"type": "rel", "data": {"axis": "y", "value": -3}}]), RETURN ("{}"));
  qmp_is (WITH ("input-send-event", "events": [{"type": "abs", "data": {"axis": "x", "value": 100}}, {"type": "abs", "data": {"axis": "y", "value": 99999}},
                                               {"type": "btn", "data": {"button": "right", "down": true}}]), RETURN ("{}"));
  qmp_is (WITH ("input-send-event", "events": [{"type": "btn", "data": {"button": "right", "down": false}}]), RETURN ("{}"));
  qmp_is (WITH ("input-send-event", "events": [{"type": "key", "data": {"down": true, "key": {"type": "qcode", "data": "a"}}}]), RETURN ("{}"));
  line_is ("mouse_move 1 -2 1", "");
  line_is ("mouse_button 5", "");
  ck_assert_str_eq (monitor_test_input->str, "rel 5 -3 0 0;abs 100 32767 0 2;abs 100 32767 0 0;key 30 down;rel 1 -2 1 0;abs 100 32767 0 3;");
  g_string_truncate (monitor_test_input, 0);
  /* one that is wrong: nothing is done */
  qmp_is (WITH ("input-send-event", "events": [{"type": "rel", "data": {"axis": "x", "value": 5}}, {"type": "rel", "data": {"axis": "x"}}]),
          GENERIC ("Parameter 'value' is missing"));
  ck_assert_str_eq (monitor_test_input->str, "");
}
END_TEST

START_TEST (nobody_takes_input)
{
  teardown ();
  machine = monitor_test_machine ("");
  qmp_is (WITH ("send-key", "keys": [{"type": "qcode", "data": "a"}]), GENERIC ("Input handler not found for event type key"));
  qmp_is (WITH ("input-send-event", "events": [{"type": "abs", "data": {"axis": "x", "value": 1}}]), GENERIC ("Input handler not found for event type abs"));
  line_is ("mouse_move 1 1", "Error: the guest uses no mouse now\n");
  qmp_is (COMMAND ("system_powerdown"), GENERIC ("the machine has no power button"));
  qmp_is (WITH ("screendump", "filename": "f"), GENERIC ("There is no console to take a screendump from"));
  qmp_is (COMMAND ("query-block"), RETURN ("[]"));
}
END_TEST

START_TEST (log_while_running)
{
  uint32_t before = bp_log_mask;
  line_is ("log unimp,guest_errors", "");
  ck_assert_uint_eq (bp_log_mask, BP_LOG_UNIMP | BP_LOG_GUEST_ERRORS);
  line_is ("log none", "");
  ck_assert_uint_eq (bp_log_mask, 0);
  bp_log_mask = before;
}
END_TEST

/* Every command has a name, and help where people see it; each argument a name; names are there once. */
START_TEST (rows)
{
  unsigned cursor = 0;
  const char *rest;
  for (const Command *c; (c = command_next (&cursor));) {
    ck_assert (c->run && (c->qmp || c->console));
    ck_assert (!c->console || c->help);
    ck_assert (!c->qmp || command_find_qmp (c->qmp) == c);
    ck_assert (!c->console || command_find_console (c->console, &rest) == c);
    for (const Argument *a = c->arguments; a->kind != ARGUMENT_END; a++)
      ck_assert (a->name && (a->kind != ARGUMENT_ENUM || a->names));
  }
  ck_assert_uint_gt (cursor, 50);
}
END_TEST

/* Any words to any command: an answer, whatever it is. */
START_TEST (random_lines)
{
  static const char *const words[] = { "-f", "/10xg", "0x100", "$pc", "cd", "cdrom", "vga", "com1.depth", "ctrl-a", "'x", "\"y\"", "-1", "999999999999", "on", "png", "x", "~(1", "" };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  static const char *const spared[] = { "pmemsave", "memsave", "screendump", "quit", "log", NULL };
  for (unsigned i = 0; i < 3000; i++) {
    unsigned cursor = (unsigned) g_rand_int_range (rand, 0, 60);
    const Command *c = command_next (&cursor);
    if (!c || !c->console || g_strv_contains (spared, c->console))
      continue;
    GString *line = g_string_new (c->console);
    for (int n = g_rand_int_range (rand, 0, 4); n > 0; n--)
      g_string_append_printf (line, " %s", words[g_rand_int_range (rand, 0, G_N_ELEMENTS (words))]);
    g_autofree char *out = monitor_test_line (line->str);
    ck_assert (out != NULL);
    g_string_free (line, TRUE);
  }
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("commands");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_loop_test (tcase, answers, 0, G_N_ELEMENTS (qmp));
  tcase_add_loop_test (tcase, lines, 0, G_N_ELEMENTS (console));
  tcase_add_test (tcase, stop_and_go);
  tcase_add_test (tcase, comes_and_goes);
  tcase_add_test (tcase, memory_into_files);
#ifdef HAVE_ZSTD
  tcase_add_test (tcase, a_name_that_was_made);
#endif
  tcase_add_test (tcase, pictures);
  tcase_add_test (tcase, networks);
  tcase_add_test (tcase, media);
  tcase_add_test (tcase, block_answers);
  tcase_add_test (tcase, block_sizes);
  tcase_add_test (tcase, keys);
  tcase_add_test (tcase, too_many_keys);
  tcase_add_test (tcase, mouse);
  tcase_add_test (tcase, nobody_takes_input);
  tcase_add_test (tcase, log_while_running);
  tcase_add_test (tcase, rows);
  tcase_add_test (tcase, random_lines);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
