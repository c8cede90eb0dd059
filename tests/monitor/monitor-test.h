/* monitor-test.h -- a small machine for tests of monitors, without a program that runs on it. */
/* SPDX-License-Identifier: MIT */
/*
 * Besides the toys of tests/core a descriptor may use these, and the monitors:
 *   test-cpu     cpu: bp.cpu-debug/1; addresses below 64 KiB lead 0x1000 higher, others nowhere; rax = 0x1122334455667788, rip = 0x10, rsp = 0x20, eflags = 2
 *   test-screen  device: 4 x 2 pixels, or none when `blank'
 *   test-drive   backend: a drive whose media are files' names; `file', `read-only', `cache'; its size can be changed
 *   test-disk    device: links a drive (`backend'), locks its door if `locked', cannot be without a medium if `media' = disk
 *   test-input   device: takes the kinds of input that `kinds' says; monitor_test_input has what it got
 */
#ifndef TESTS_MONITOR_TEST_H
#define TESTS_MONITOR_TEST_H

#include "../core/toy.h"
#include "monitor/monitor.h"
#include <backplane/machine.h>

/* Realized; the sections follow an accelerator, a CPU `cpu0' and 128 KiB of memory at 0. */
BpMachine *monitor_test_machine (const char *sections);
void monitor_test_end (void);
extern GString *monitor_test_input;     /* "key 30 down;key 30 up;rel 1 2 0 1;" */

/* A line of the console and what comes of it; free with g_free. */
char *monitor_test_line (const char *line);
/* A command of QMP and its answer, without the line's end; free with g_free. */
char *monitor_test_qmp (const char *message);
extern GString *monitor_test_events;    /* of QMP: "STOP;DEVICE_TRAY_MOVED {...};" */
/* Turns the main loop while anything is to be done, and as long as `until' (if any) says no. */
void monitor_test_turn (bool (*until) (void));

#endif
