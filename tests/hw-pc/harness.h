/* harness.h -- devices under test: a machine from a descriptor's text, without a program, with a clock that stands still until told. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A test names its device's type, writes the sections of a descriptor as a user would, and drives the device through its regions and
 * pins.  Virtual time moves only by harness_advance, which runs the timers on its way; the host clock is 2020-01-01 00:00:00 UTC + virtual.
 * Besides the types under test a descriptor may use these:
 *   harness-ram    memory: `size`
 *   harness-char   backend: keeps what a device writes (harness_text), gives what the test types (harness_type)
 *   harness-cpu    cpu: holds an x86 state, counts start-up messages, `intc`; pins intr nmi init smi reset a20
 *   harness-probe  device: inputs in0..in31, each with its level and a count of rising edges
 *   harness-block  backend: a disk, see harness-block.h
 * Every call that cannot do what it is asked ends the test with a message.
 */
#ifndef TESTS_HARNESS_H
#define TESTS_HARNESS_H

#include <backplane/arch/x86-state.h>
#include <backplane/device.h>
#include <check.h>

typedef struct Harness Harness;

/* The sections follow a [machine], an [accel] and a [clock] of the harness's own.  The machine is realized and was reset once. */
Harness *harness_new (const BpTypeDesc *const *types, const char *sections);
void harness_free (Harness *h);
/* What a descriptor is refused for, one error a line; "" when it is not.  Free with g_free. */
char *harness_refusal (const BpTypeDesc *const *types, const char *sections);
BpMachine *harness_machine (Harness *h);
void *harness_object (Harness *h, const char *id);      /* the instance */
void harness_reset (Harness *h, BpResetKind kind);

/* A file of this process's, which is gone when the process ends; its path, to be freed with g_free. */
char *harness_file (const char *name, const void *bytes, size_t size);

/* --- access: `space` is "memory" or "io" ------------------------------------------------------- */
uint64_t harness_read (Harness *h, const char *space, uint64_t address, unsigned size);
void harness_write (Harness *h, const char *space, uint64_t address, uint64_t value, unsigned size);
static inline uint8_t in8 (Harness *h, uint16_t port) { return (uint8_t) harness_read (h, "io", port, 1); }
static inline uint16_t in16 (Harness *h, uint16_t port) { return (uint16_t) harness_read (h, "io", port, 2); }
static inline uint32_t in32 (Harness *h, uint16_t port) { return (uint32_t) harness_read (h, "io", port, 4); }
static inline void out8 (Harness *h, uint16_t port, uint8_t value) { harness_write (h, "io", port, value, 1); }
static inline void out16 (Harness *h, uint16_t port, uint16_t value) { harness_write (h, "io", port, value, 2); }
static inline void out32 (Harness *h, uint16_t port, uint32_t value) { harness_write (h, "io", port, value, 4); }
static inline uint32_t read32 (Harness *h, uint64_t address) { return (uint32_t) harness_read (h, "memory", address, 4); }
static inline void write32 (Harness *h, uint64_t address, uint32_t value) { harness_write (h, "memory", address, value, 4); }

/* --- pins, by path: "pic.intr", "pic.in3" --------------------------------------------------------- */
int harness_level (Harness *h, const char *pin);
void harness_drive (Harness *h, const char *input, int level);
unsigned harness_rises (Harness *h, const char *probe, unsigned input);

/* --- time ------------------------------------------------------------------------------------------ */
int64_t harness_now (Harness *h);
void harness_advance (Harness *h, int64_t ns);

/* --- the machine and the host side -------------------------------------------------------------------- */
bool harness_take_reset (Harness *h);                   /* whether one was requested since the last call */
int harness_exit_code (Harness *h);                     /* -1: nobody asked to end the run */
const char *harness_text (Harness *h, const char *backend);     /* all that was written so far */
/* Offers bytes; how many the device took. */
size_t harness_type (Harness *h, const char *backend, const char *bytes, size_t n);
void harness_break (Harness *h, const char *backend);   /* the line breaks */
BpX86State *harness_cpu_state (Harness *h, const char *cpu);
unsigned harness_startups (Harness *h, const char *cpu, uint8_t *vector);       /* start-up messages so far, and the last one's vector */

/* Saves the whole machine, loads that into another of the same descriptor (or into itself), and saves again: the two must be equal to the last byte. */
void harness_copy (Harness *from, Harness *to);
void harness_round_trip (Harness *h);                   /* into itself */
/* Two machines that had the same done to them since harness_copy are the same still. */
void harness_check_same (Harness *a, Harness *b);

/* --- the program: HARNESS_MAIN ("pic-i8259", one_test, another) ------------------------------------- */
int harness_main (const char *name, const TTest *const *tests, unsigned n);
#define HARNESS_MAIN(name, ...) \
  int main (void) \
  { \
    const TTest *const tests[] = { __VA_ARGS__ }; \
    return harness_main (name, tests, BP_N_ELEMENTS (tests)); \
  }

#endif
