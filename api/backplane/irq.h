/* irq.h -- pins: named lines between objects (interrupts, resets, gates), wired only by the descriptor. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  An output pin is a BpPin * in the state struct, set by the host before configure; raising it calls the input pins it is wired to, synchronously.  Levels
 * are 0/1 (what is not 0 is 1), and low at first.  An input is called only on a change of its level, as soon as its driver is realized, which may be before its
 * own object is.  A pin that changes itself by way of others is taken along 32 times, and then reported.
 *
 * RESET.  A reset of the machine begins with all levels low, of which nobody is told: an output that is high after it says so in `reset', and an object sets its
 * own copy of an input's level to 0 there.  Objects are reset one after the other, in an order that nobody may count on: an object that has a `reset' hears
 * nothing at its inputs until that has returned, and then, once, of each that is high.  What rises and falls before is not heard.
 *
 * SNAPSHOTS.  The host saves and restores levels, for bp_pin_level and for what changes later.  A load is a reset, after which levels and saved fields are put in
 * place: no input's `set' is called for what they are then.  What an object made of a level (a copy, a request that it latched) is its own to save.
 * All of it is [any][locked].
 */
#ifndef BACKPLANE_IRQ_H
#define BACKPLANE_IRQ_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpPinDirection { BP_PIN_OUT, BP_PIN_IN } BpPinDirection;

enum {
  BP_PIN_REQUIRED = 1 << 0,     /* must be wired */
  BP_PIN_WIRED_OR = 1 << 1      /* input: several drivers are allowed, high while any is */
};

typedef struct BpPinDesc {
  const char *name;             /* "irq", or with count > 1 a stem: "in" makes in0, in1 ...; NULL ends the table */
  BpPinDirection direction;
  uint32_t count;               /* at least 1 */
  uint32_t offset;              /* OUT: of BpPin *field, or of the first of BpPin *field[count] */
  uint32_t flags;               /* BP_PIN_* */
  void (*set) (void *self, unsigned index, int level);  /* IN: input `index', below count, is `level' now; not called in a RESET or for SNAPSHOTS, see above.  [any][locked][configured] */
  const char *help;             /* what it is, and when it is high; required */
} BpPinDesc;

#define BP_PIN_DESC_OUT(name_, T, field, flags_, help_) \
  { (name_), BP_PIN_OUT, 1, (uint32_t) offsetof (T, field), (flags_), NULL, (help_) }
#define BP_PIN_DESC_OUTS(name_, T, field, n, flags_, help_) \
  { (name_), BP_PIN_OUT, (n), (uint32_t) offsetof (T, field), (flags_), NULL, (help_) }
#define BP_PIN_DESC_IN(name_, n, set_, flags_, help_) { (name_), BP_PIN_IN, (n), 0, (flags_), (set_), (help_) }
#define BP_PIN_DESC_END BP_ROW_END_

/* Drive an output.  An unwired pin (or NULL) swallows it. */
BP_EXPORT void bp_pin_set (BpPin *pin, int level);
static inline void bp_pin_raise (BpPin *pin) { bp_pin_set (pin, 1); }
static inline void bp_pin_lower (BpPin *pin) { bp_pin_set (pin, 0); }
static inline void bp_pin_pulse (BpPin *pin) { bp_pin_set (pin, 1); bp_pin_set (pin, 0); }
/* The level last driven; 0 for NULL. */
BP_EXPORT int bp_pin_level (const BpPin *pin);
/* Another output pin, when properties decide how many there are; name and help are copied, the pin is the host's. [main], in configure */
BP_EXPORT BpPin *bp_pin_new_out (void *self, const char *name, const char *help);

BP_END_DECLS
#endif
