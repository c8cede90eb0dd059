/* iface/input.h -- you implement this in a keyboard, a mouse, a tablet: what people type and point at. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Displays and monitors send events to the first object that takes their kind (the functions below find it), of those that say they are preferred
 * if any does: a guest that has a driver for a paravirtual keyboard listens to that one.  Keys are Linux's codes
 * (linux/input-event-codes.h: KEY_A is 30), which name a place on the keyboard, not a character.
 */
#ifndef BACKPLANE_IFACE_INPUT_H
#define BACKPLANE_IFACE_INPUT_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_INPUT_ID "bp.input/1"

enum { BP_INPUT_KEYS = 1 << 0, BP_INPUT_RELATIVE = 1 << 1, BP_INPUT_ABSOLUTE = 1 << 2, BP_INPUT_PREFERRED = 1 << 3 };
enum { BP_INPUT_LEFT = 1 << 0, BP_INPUT_RIGHT = 1 << 1, BP_INPUT_MIDDLE = 1 << 2, BP_INPUT_SIDE = 1 << 3, BP_INPUT_EXTRA = 1 << 4 };
enum { BP_INPUT_LED_NUM = 1 << 0, BP_INPUT_LED_CAPS = 1 << 1, BP_INPUT_LED_SCROLL = 1 << 2 };
#define BP_INPUT_ABSOLUTE_MAX 0x7fff    /* right and bottom edge */

typedef struct BpInputIface {
  uint32_t struct_size;
  uint32_t (*kinds) (void *self);       /* BP_INPUT_*, now: a device that the guest has not switched on takes nothing */
  void (*key) (void *self, unsigned code, bool down);
  /* Steps to the right and down, wheel clicks towards the user, and the buttons (BP_INPUT_LEFT ...) that are held. */
  void (*relative) (void *self, int dx, int dy, int wheel, uint32_t buttons);
  void (*absolute) (void *self, unsigned x, unsigned y, int wheel, uint32_t buttons);
  void (*release) (void *self);         /* lets go of every key and button that is held */
  uint32_t (*leds) (void *self);        /* BP_INPUT_LED_*: those of a keyboard that the guest has switched on */
} BpInputIface;                         /* all [any][locked]: a key that waits for guest time comes on a vCPU's thread in deterministic mode; but for kinds each may be NULL */

/* To the first that takes it; false: nobody does. [main or locked] */
BP_EXPORT bool bp_input_send_key (BpMachine *machine, unsigned code, bool down);
BP_EXPORT bool bp_input_send_relative (BpMachine *machine, int dx, int dy, int wheel, uint32_t buttons);
BP_EXPORT bool bp_input_send_absolute (BpMachine *machine, unsigned x, unsigned y, int wheel, uint32_t buttons);
/* Whoever sent events goes away, or looks elsewhere: no key stays down behind it. [main] */
BP_EXPORT void bp_input_release_all (BpMachine *machine);
/* Names as in QEMU's QKeyCode: "a", "ret", "shift", "ctrl_r", "f1", "kp_5".  0: no such key. [any] */
BP_EXPORT unsigned bp_input_key_code (const char *name);
BP_EXPORT const char *bp_input_key_name (unsigned code);        /* NULL: none. [any] */
/* The key of a US keyboard on which a character of ASCII is, and whether with shift; 0: none. [any] */
BP_EXPORT unsigned bp_input_key_of_character (char character, bool *shift);

BP_END_DECLS
#endif
