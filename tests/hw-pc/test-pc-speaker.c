/* test-pc-speaker.c -- counter 2 and port B as a loudspeaker, and what a WAV file has of it. */
/* SPDX-License-Identifier: MIT */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include "audio-backends/audio-backends.h"
#include "hw-pc-test.h"

#define MS INT64_C (1000000)

static char *file;

/* A PIT whose loudspeaker goes to a WAV file. */
static Harness *
speaker (const char *more)
{
  static const BpTypeDesc *types[64] = { &tone_wav_type };
  unsigned n = 1;
  for (const BpTypeDesc *const *t = hw_pc (); *t && n < G_N_ELEMENTS (types) - 1; t++)
    types[n++] = *t;
  file = g_strdup_printf ("%s/speaker-%u.wav", g_get_tmp_dir (), g_random_int ());
  char *text = g_strdup_printf ("[device pit]\ntype = i8254\npio0 = io@0x40\npio1 = io@0x61\nspeaker = wav\n"
                                "[backend wav]\ntype = tone-wav\nfile = %s\nrate = 48000\n%s", file, more);
  Harness *h = harness_new (types, text);
  g_free (text);
  return h;
}

/* As a BIOS beeps. */
static void
tone (Harness *h, unsigned divisor)
{
  out8 (h, 0x43, 0xb6);
  out8 (h, 0x42, (uint8_t) divisor);
  out8 (h, 0x42, (uint8_t) (divisor >> 8));
  out8 (h, 0x61, 3);
}

typedef struct Wav {
  char *bytes;
  const int16_t *samples;
  size_t n;
} Wav;

static uint32_t get32 (const char *at) { return GUINT32_FROM_LE (*(const uint32_t *) (const void *) at); }

/* Ends the machine. */
static Wav
wav_of (Harness *h)
{
  Wav w;
  size_t size;
  harness_free (h);
  ck_assert (g_file_get_contents (file, &w.bytes, &size, NULL));
  ck_assert_uint_ge (size, 44);
  ck_assert_mem_eq (w.bytes, "RIFF", 4);
  ck_assert_mem_eq (w.bytes + 8, "WAVEfmt ", 8);
  ck_assert_uint_eq (get32 (w.bytes + 4), size - 8);
  ck_assert_uint_eq (get32 (w.bytes + 24), 48000);
  ck_assert_uint_eq (get32 (w.bytes + 40), size - 44);
  w.samples = (const int16_t *) (const void *) (w.bytes + 44);
  w.n = (size - 44) / 2;
  g_unlink (file);
  g_free (file);
  return w;
}

/* How often it goes through the middle upwards. */
static unsigned
cycles (const Wav *w, size_t from, size_t to)
{
  unsigned n = 0;
  for (size_t i = MAX (from, 1); i < MIN (to, w->n); i++)
    n += w->samples[i - 1] < 0 && w->samples[i] >= 0;
  return n;
}

static int
loudest (const Wav *w, size_t from, size_t to)
{
  int most = 0;
  for (size_t i = from; i < MIN (to, w->n); i++)
    most = MAX (most, ABS (w->samples[i]));
  return most;
}

START_TEST (a_beep_has_its_pitch_and_length)
{
  Harness *h = speaker ("");
  harness_advance (h, 5000 * MS);
  tone (h, 1193);               /* 1000 Hz */
  harness_advance (h, 500 * MS);
  out8 (h, 0x61, 0);
  harness_advance (h, 100 * MS);
  tone (h, 2711);               /* 440 Hz */
  harness_advance (h, 500 * MS);
  out8 (h, 0x61, 0);
  Wav w = wav_of (h);
  ck_assert_uint_ge (w.n, 52700);
  ck_assert_uint_le (w.n, 52801);
  ck_assert_uint_ge (cycles (&w, 0, 24000), 499);
  ck_assert_uint_le (cycles (&w, 0, 24000), 501);
  ck_assert_uint_le (cycles (&w, 24050, 28750), 1);
  ck_assert_uint_ge (cycles (&w, 28800, 52800), 219);
  ck_assert_uint_le (cycles (&w, 28800, 52800), 221);
  ck_assert_int_ge (loudest (&w, 10000, 20000), 4000);
  g_free (w.bytes);
}
END_TEST

START_TEST (long_silence_is_cut)
{
  Harness *h = speaker ("gap = 200\n");
  for (unsigned i = 0; i < 3; i++) {
    tone (h, 1193);
    harness_advance (h, 100 * MS);
    out8 (h, 0x61, 0);
    harness_advance (h, 60000 * MS);
  }
  Wav w = wav_of (h);
  ck_assert_uint_ge (w.n, 3 * 14400 - 10);
  ck_assert_uint_le (w.n, 3 * 14400 + 10);
  ck_assert_uint_ge (cycles (&w, 0, w.n), 297);
  g_free (w.bytes);
}
END_TEST

START_TEST (software_can_move_the_cone)
{
  Harness *h = speaker ("");
  for (unsigned i = 0; i < 100; i++) {          /* the counter's gate closed, its output up: bit 1 is the line */
    out8 (h, 0x61, i & 1 ? 0 : 2);
    harness_advance (h, MS);
  }
  Wav w = wav_of (h);
  ck_assert_uint_ge (cycles (&w, 0, w.n), 48);
  ck_assert_uint_le (cycles (&w, 0, w.n), 51);
  g_free (w.bytes);
}
END_TEST

/* Programs that play samples: a one-shot pulse whose width is the sample. */
START_TEST (pulses_have_their_width)
{
  Harness *h = speaker ("");
  out8 (h, 0x43, 0x90);         /* low byte only, mode 0 */
  out8 (h, 0x61, 3);
  for (unsigned i = 0; i < 1600; i++) {         /* 16000 a second: 250 Hz */
    out8 (h, 0x42, (uint8_t) (37 + 30 * sin (i * 2 * G_PI / 64)));
    harness_advance (h, 62500);
  }
  Wav w = wav_of (h);
  int64_t with = 0, against = 0;                /* averages over the two halves of each cycle */
  for (size_t i = 960; i < w.n; i++)
    *(i % 192 < 96 ? &with : &against) += w.samples[i];
  ck_assert_int_ge (ABS (with - against) / (int64_t) (w.n - 960), 1000);
  g_free (w.bytes);
}
END_TEST

START_TEST (what_no_ear_hears_is_quiet)
{
  Harness *h = speaker ("");
  tone (h, 12);                 /* 99 kHz */
  harness_advance (h, 500 * MS);
  Wav w = wav_of (h);
  ck_assert_int_le (loudest (&w, 12000, w.n), 3000);
  g_free (w.bytes);
}
END_TEST

START_TEST (the_file_is_there_while_it_sounds)
{
  Harness *h = speaker ("");
  GStatBuf before, after;
  tone (h, 1193);
  harness_advance (h, 300 * MS);
  ck_assert_int_eq (g_stat (file, &before), 0);
  ck_assert_int_ge (before.st_size, 2 * 48 * 250);
  harness_round_trip (h);
  harness_advance (h, 300 * MS);
  ck_assert_int_eq (g_stat (file, &after), 0);
  ck_assert_int_ge (after.st_size, before.st_size + 2 * 48 * 250);
  Wav w = wav_of (h);
  ck_assert_uint_ge (cycles (&w, 0, w.n), 595);
  g_free (w.bytes);
}
END_TEST

START_TEST (a_file_that_cannot_be_written_is_refused)
{
  static const BpTypeDesc *const types[] = { &tone_wav_type, NULL };
  char *text = harness_refusal (types, "[backend wav]\ntype = tone-wav\nfile = /nowhere/at/all.wav\n");
  ck_assert_msg (strstr (text, "/nowhere/at/all.wav"), "%s", text);
  g_free (text);
}
END_TEST

HARNESS_MAIN ("pc-speaker", a_beep_has_its_pitch_and_length, long_silence_is_cut, software_can_move_the_cone, pulses_have_their_width,
              what_no_ear_hears_is_quiet, the_file_is_there_while_it_sounds, a_file_that_cannot_be_written_is_refused)
