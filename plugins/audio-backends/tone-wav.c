/* tone-wav.c -- writes what a PC's loudspeaker does to a WAV file (RIFF, PCM, 16 bits, mono). */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/tone.h>
#include <backplane/log.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "audio-backends.h"

#define HEADER_SIZE 44u
#define FLUSH_NS INT64_C (100000000)    /* while there is sound, the file is this far behind at most */
#define AMPLITUDE 12000.0
#define SETTLE 0.997                    /* the cone goes back to its middle: what a capacitor in front of it does, a sample */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct ToneWav {
  char *file;                   /* properties */
  uint32_t rate, gap_ms;
  FILE *out;
  BpTimer *flush;
  BpTone tone;
  int64_t since;                /* when it was set */
  bool begun;                   /* something was heard: the file's time runs */
  double at;                    /* virtual time in ns up to which samples were made */
  uint64_t samples;
  double middle;                /* of the line, slowly followed */
} ToneWav;

/* --- the file -------------------------------------------------------------------------- */

static void put16 (uint8_t *at, unsigned value) { at[0] = (uint8_t) value, at[1] = (uint8_t) (value >> 8); }
static void put32 (uint8_t *at, uint32_t value) { put16 (at, value & 0xffff), put16 (at + 2, value >> 16); }

static void
header (const ToneWav *w, uint8_t bytes[HEADER_SIZE])
{
  uint32_t size = (uint32_t) MIN (w->samples * 2, UINT64_C (0xffffff00));
  memcpy (bytes, "RIFF....WAVEfmt ", 16);
  put32 (bytes + 4, HEADER_SIZE - 8 + size);
  put32 (bytes + 16, 16);
  put16 (bytes + 20, 1);        /* PCM */
  put16 (bytes + 22, 1);        /* one channel */
  put32 (bytes + 24, w->rate);
  put32 (bytes + 28, w->rate * 2);
  put16 (bytes + 32, 2);
  put16 (bytes + 34, 16);
  memcpy (bytes + 36, "data", 4);
  put32 (bytes + 40, size);
}

static bool
write_header (ToneWav *w)
{
  uint8_t bytes[HEADER_SIZE];
  header (w, bytes);
  return fseek (w->out, 0, SEEK_SET) == 0 && fwrite (bytes, 1, sizeof bytes, w->out) == sizeof bytes && fseek (w->out, 0, SEEK_END) == 0
         && fflush (w->out) == 0;
}

static void
give_up (ToneWav *w)
{
  bp_warn (w, "%s: %s; nothing more is written", w->file, g_strerror (errno));
  fclose (w->out);
  w->out = NULL;
}

static void
put_sample (ToneWav *w, double value)
{
  uint8_t bytes[2];
  w->middle = SETTLE * w->middle + (1 - SETTLE) * value;
  put16 (bytes, (uint16_t) (int16_t) (AMPLITUDE * (value - w->middle)));
  fwrite (bytes, 1, 2, w->out);         /* an error is seen with the header */
  w->samples++;
}

/* --- from the signal to samples ------------------------------------------------------------ */

static double ticks_of (const BpTone *t, double ns) { return ns * t->hz / BP_NS_PER_SECOND; }

/* For how many of the first x ticks since the start the line has been up. */
static double
up_until (const BpTone *t, double x)
{
  double first = (double) t->first, period = (double) t->period, up;
  if (x <= 0)
    return 0;
  if (t->period) {
    double whole = (double) (uint64_t) (x / period), rest = x - whole * period;
    up = whole * first + MIN (rest, first);
  } else
    up = MIN (x, first);
  return t->level ? up : x - up;
}

/* How much of the time between a and b (virtual ns) it is up: an average, so that pitches above half the rate do not come back as others. */
static double
up_between (const BpTone *t, double a, double b)
{
  double x = ticks_of (t, a - (double) t->start), y = ticks_of (t, b - (double) t->start);
  return y > x ? (up_until (t, y) - up_until (t, x)) / (y - x) : 0;
}

/* The time from which on the line does not move any more; INT64_MAX: it always does. */
static int64_t
still_from (const BpTone *t)
{
  if (t->period)
    return INT64_MAX;
  return t->first == UINT64_MAX ? t->start : t->start + (int64_t) ((double) t->first * BP_NS_PER_SECOND / t->hz) + 1;
}

/* Samples up to `now`.  Of a long silence only its beginning is kept. */
static void
render (ToneWav *w, int64_t now)
{
  double quiet = (double) still_from (&w->tone), from = w->at, step = (double) BP_NS_PER_SECOND / w->rate;
  double end = MIN ((double) now, MAX (quiet, (double) w->since) + w->gap_ms * 1e6);
  uint64_t n = end > from ? (uint64_t) ((end - from) / step) : 0;
  for (uint64_t i = 0; i < n && w->out; i++)
    put_sample (w, up_between (&w->tone, from + (double) i * step, from + (double) (i + 1) * step));
  w->at = end < (double) now ? (double) now : from + (double) n * step;
}

static bool
is_moving (const ToneWav *w, int64_t now)
{
  return still_from (&w->tone) > now;
}

/* --- the interface ---------------------------------------------------------------------------- */

static void
bring_up_to (ToneWav *w, int64_t now)
{
  if (w->begun)
    render (w, now);
  if (w->out && w->begun && !write_header (w))
    give_up (w);
}

static void
on_flush (void *user)
{
  ToneWav *w = user;
  int64_t now = bp_clock_now (bp_object_machine (w), BP_CLOCK_VIRTUAL);
  bring_up_to (w, now);
  if (w->out && is_moving (w, now))
    bp_timer_arm (w->flush, now + FLUSH_NS);
}

static void
wav_set (void *self, int64_t now, const BpTone *tone)
{
  ToneWav *w = self;
  if (!w->out)
    return;
  if (w->begun)
    render (w, now);
  memcpy (&w->tone, tone, MIN (tone->struct_size, sizeof w->tone));
  w->tone.hz = MAX (w->tone.hz, 1);
  w->since = now;
  if (!w->begun && (is_moving (w, now) || w->tone.level)) {
    w->begun = true;
    w->at = (double) now;
  }
  if (w->begun && !bp_timer_is_armed (w->flush))
    bp_timer_arm (w->flush, now + FLUSH_NS);
}

static const BpToneIface wav_iface = { .struct_size = sizeof wav_iface, .set = wav_set };

/* --- life cycle: realize ------------------------------------------------------------------------ */

static bool
wav_realize (void *self, GError **error)
{
  ToneWav *w = self;
  w->flush = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_flush, w);
  w->tone = (BpTone) { .struct_size = sizeof w->tone, .hz = 1, .first = UINT64_MAX };
  if (!w->file)
    return true;
  w->out = fopen (w->file, "wb");
  if (w->out && write_header (w))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", w->file, g_strerror (errno));
  return false;
}

static void
wav_unrealize (void *self)
{
  ToneWav *w = self;
  if (w->flush && w->out)
    bring_up_to (w, bp_clock_now (bp_object_machine (w), BP_CLOCK_VIRTUAL));
  if (w->out)
    fclose (w->out);
  w->out = NULL;
  bp_timer_free (w->flush);
  w->flush = NULL;
}

/* --- tables: properties, type ---------------------------------------------------------------------- */

static const BpProperty wav_properties[] = {
  BP_PROP_STRING ("file", ToneWav, file, NULL, "The WAV file, which is written anew, relative to the current directory; none: nothing is heard."),
  BP_PROP_U32_RANGE ("rate", ToneWav, rate, 48000, 8000, 192000, "Samples a second."),
  BP_PROP_U32_RANGE ("gap", ToneWav, gap_ms, 1000, 0, 3600000, "Of a longer silence so many milliseconds are kept; that before the first sound is left out."),
  BP_PROP_END
};

static const BpInterfaceDesc wav_interfaces[] = { { BP_TONE_ID, &wav_iface }, { NULL, NULL } };

const BpTypeDesc tone_wav_type = {
  BP_TYPE ("tone-wav", BP_KIND_BACKEND, ToneWav),
  .description = "The loudspeaker's sound as a WAV file",
  .properties = wav_properties,
  .interfaces = wav_interfaces,
  .realize = wav_realize,
  .unrealize = wav_unrealize,
};
