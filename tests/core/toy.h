/* toy.h -- a small family of types for tests of whole machines: one of each kind. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CORE_TOY_H
#define TESTS_CORE_TOY_H

#include "build.h"

/*
 * toy-accel    accel    vCPUs only wait
 * toy-cpu      cpu      input pin intr; id (u32), next (link to another toy-cpu)
 * toy-ram      memory   size (required); region ram
 * toy-uart     device   pio0 (8 bytes); output irq; backend (link to bp.char/1), depth 1..64, parity
 * none|odd|even, firmware (file), label toy-pic      device   inputs in0..in15 and a wired-or `any`; output
 * intr, which must be wired toy-gpio     device   outputs out0.. made by configure, as many as `lines`
 * toy-window   device   region window: a container of 64 KiB; beside (link to any object)
 * toy-char     backend  bp.char/1
 * toy-button   device   a power button; strength 1..9 may change at run time
 * toy-keyboard device   takes the kinds of input that `kinds` says
 * toy-boot     boot     kernel (file), append; load and check
 */
void toy_register (void);

/* What happened, in order: "realize com1", "reset com1", "load boot" ... */
extern GPtrArray *toy_events;
void toy_forget (void);
/* toy-boot's load asks for a shutdown with this code, unless negative; the first `toy_resets` loads ask for a
 * reset instead. */
extern int toy_exit_code, toy_resets;
/* Objects of this id refuse to realize. */
extern const char *toy_unlucky;

/* The descriptor's errors, a line each, as one text. */
char *toy_errors (const Descriptor *d);
/* Builds from text; the directory is the current one.  NULL with *errors set when it is wrong. */
BpMachine *toy_build (const char *text, char **set_options, char **errors);
void toy_free (BpMachine *m);

#endif
