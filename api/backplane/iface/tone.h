/* iface/tone.h -- you implement this to hear the loudspeaker of a PC: a line that is up or down, as a square wave most of the time. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A timer chip links to a listener (property kind LINK, interface BP_TONE_ID) and tells it whenever the signal begins to go another way.  Times
 * are virtual: what is heard does not depend on how fast the host is.  A listener may write it down, play it, or draw it.
 */
#ifndef BACKPLANE_IFACE_TONE_H
#define BACKPLANE_IFACE_TONE_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_TONE_ID "bp.tone/1"

/*
 * From time `start` on the line is at `level` for `first` ticks of a clock of `hz`, then at the other one.  When `period` is not 0 the whole repeats
 * every so many ticks; first is less than period then.  A constant level has first UINT64_MAX and period 0.
 */
typedef struct BpTone {
  uint32_t struct_size;
  uint32_t hz;                  /* at least 1 */
  int64_t start;                /* virtual ns; may lie before the call */
  uint64_t first, period;
  bool level;
} BpTone;

typedef struct BpToneIface {
  uint32_t struct_size;
  /* The signal is this from virtual time `now` on, until the next call.  `tone` is copied. [any][locked] */
  void (*set) (void *self, int64_t now, const BpTone *tone);
} BpToneIface;

static inline void bp_tone_set (const BpLink *link, int64_t now, const BpTone *tone)
{
  const BpToneIface *t = (const BpToneIface *) link->table;
  if (BP_TABLE_HAS (t, set))
    t->set (link->instance, now, tone);
}

/* hz / period: the pitch in Hz; 0 for silence, a click, and what no ear hears. */
static inline double bp_tone_pitch (const BpTone *tone)
{
  return tone->period && (double) tone->hz / (double) tone->period <= 20000. ? (double) tone->hz / (double) tone->period : 0.;
}

BP_END_DECLS
#endif
