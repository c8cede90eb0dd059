/* vga-registers.c -- the VGA's ports: sequencer, CRTC, graphics and attribute controllers, DAC, status and its timing. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "vga.h"

/* The bits that are there. */
static const uint8_t sr_bits[N_SR] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff };
static const uint8_t gr_bits[N_GR] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };

static uint8_t
ar_bits (unsigned index)
{
  static const uint8_t bits[N_AR - AR_MODE] = { 0xef, 0xff, 0x3f, 0x0f, 0x0f };
  return index < AR_MODE ? 0x3f : bits[index - AR_MODE];
}

/* --- timing -------------------------------------------------------------------------- */

/* What no monitor would show is timed like the VGA's text. */
static void
default_timing (Vga *v)
{
  v->line_ns = 31778;
  v->lines = 449;
  v->displayed = 400;
  v->retrace = 412;
  v->retrace_end = 414;
}

static unsigned
with_overflow (const Vga *v, unsigned reg, unsigned bit8, unsigned bit9)
{
  return v->cr[reg] | (v->cr[CR_OVERFLOW] >> bit8 & 1u) << 8 | (v->cr[CR_OVERFLOW] >> bit9 & 1u) << 9;
}

static void
follow_timing (Vga *v)
{
  int64_t clock = (v->misc >> 2 & 3) == 1 ? 28322000 : 25175000;
  unsigned dots = (v->cr[CR_H_TOTAL] + 5u) * (v->sr[SR_CLOCKING] & SR1_8_DOTS ? 8 : 9) << (v->sr[SR_CLOCKING] & SR1_HALF_CLOCK ? 1 : 0);
  v->line_ns = dots * BP_NS_PER_SECOND / clock;
  v->lines = with_overflow (v, CR_V_TOTAL, 0, 5) + 2;
  v->displayed = with_overflow (v, CR_V_DISPLAYED, 1, 6) + 1;
  v->retrace = with_overflow (v, CR_V_RETRACE, 2, 7);
  v->retrace_end = v->retrace + ((v->cr[CR_V_RETRACE_END] - v->retrace - 1) & 15) + 1;
  int64_t frame = v->line_ns * v->lines;
  if (frame < 4000000 || frame > 50000000 || v->retrace >= v->lines || v->displayed >= v->lines)
    default_timing (v);
  vga_retrace_follow (v);
}

static int64_t now (Vga *v) { return bp_clock_now (bp_object_machine (v), BP_CLOCK_VIRTUAL); }

bool
vga_blinks_off (Vga *v, unsigned frames)
{
  int64_t frame = now (v) / (v->line_ns * v->lines);
  return frame % frames >= frames / 2;
}

/* Input status 1: bit 0 outside the picture, bit 3 vertical retrace. */
static uint8_t
status (Vga *v)
{
  int64_t in_frame = now (v) % (v->line_ns * v->lines), in_line = in_frame % v->line_ns;
  uint32_t line = (uint32_t) (in_frame / v->line_ns), total = v->cr[CR_H_TOTAL] + 5u;
  bool outside = line >= v->displayed || in_line * total >= v->line_ns * (v->cr[CR_H_DISPLAYED] + INT64_C (1));
  bool retrace = line >= v->retrace && line < v->retrace_end;
  return (uint8_t) (outside | retrace | retrace << 3);
}

/* --- CRTC ------------------------------------------------------------------------------- */

static uint8_t
cr_read (const Vga *v)
{
  if (v->cr_index < N_CR)
    return v->cr[v->cr_index];
  switch (v->cr_index) {
  case 0x22:                    /* undocumented, but in every VGA: the latch, the attribute controller's flip-flop and index */
    return (uint8_t) (v->latch >> 8 * (v->gr[GR_READ_MAP] & 3));
  case 0x24:
    return (uint8_t) (v->ar_takes_data << 7);
  case 0x26:
    return v->ar_index;
  default:
    return 0xff;
  }
}

static void
cr_write (Vga *v, uint8_t value)
{
  unsigned index = v->cr_index;
  if (index >= N_CR)
    return;
  if (v->cr[CR_V_RETRACE_END] & CR11_PROTECT && index <= CR_OVERFLOW) {
    if (index != CR_OVERFLOW)
      return;
    value = (uint8_t) ((v->cr[index] & ~0x10) | (value & 0x10));        /* line compare is not protected */
  }
  if (index == CR_H_BLANK_END && !(value & 0x80))
    bp_log_unimp (v, "no light pen: 10h and 11h stay the vertical retrace's");
  v->cr[index] = value;
  follow_timing (v);
}

/* --- attribute controller, DAC ------------------------------------------------------------- */

static void
ar_write (Vga *v, uint8_t value)
{
  unsigned index = v->ar_index & 0x1f;
  if (!v->ar_takes_data)
    v->ar_index = value & 0x3f;
  else if (index < N_AR)
    v->ar[index] = value & ar_bits (index);
  v->ar_takes_data = !v->ar_takes_data;
}

static uint8_t ar_read (const Vga *v) { return (v->ar_index & 0x1f) < N_AR ? v->ar[v->ar_index & 0x1f] : 0; }

static uint8_t
dac_read (Vga *v)
{
  uint8_t value = v->dac[3 * v->dac_read + v->dac_component];
  if (++v->dac_component == 3) {
    v->dac_component = 0;
    v->dac_read++;
  }
  return value;
}

/* The three take effect together. */
static void
dac_write (Vga *v, uint8_t value)
{
  v->dac_latch[v->dac_component] = v->vbe[VBE_ENABLE] & VBE_8BIT_DAC ? value : value & 0x3f;
  if (++v->dac_component < 3)
    return;
  v->dac_component = 0;
  memcpy (v->dac + 3 * v->dac_write, v->dac_latch, 3);
  v->dac_write++;
}

static void
dac_index (Vga *v, uint8_t value, bool reads)
{
  *(reads ? &v->dac_read : &v->dac_write) = value;
  v->dac_component = 0;
  v->dac_reads = reads;
}

/* --- guest access -------------------------------------------------------------------- */

/*
 * The CRTC, the status and the feature register answer at 0x3bX or 0x3dX: the port as if it were colour, or 0 for the half that is off, and for all
 * but the switch itself while the adapter is off.
 */
static unsigned
canonical (const Vga *v, unsigned port)
{
  bool colour = port >= 0x3d0;
  if (!v->enable && port != 0x3c3)
    return 0;
  if (port >= 0x3c0 && port < 0x3d0)
    return port;
  return colour == (v->misc & MISC_COLOUR) ? 0x3d0 | (port & 15) : 0;
}

uint8_t
vga_port_read (Vga *v, unsigned port)
{
  switch (canonical (v, port)) {
  case 0x3c0:
    return v->ar_takes_data ? ar_read (v) : v->ar_index;
  case 0x3c1:
    return ar_read (v);
  case 0x3c2:
    return (uint8_t) (0x10 | v->retrace_pending << 7);  /* input status 0: a monitor is there, interrupt */
  case 0x3c3:
    return v->enable;
  case 0x3c4:
    return v->sr_index;
  case 0x3c5:
    return v->sr[v->sr_index];
  case 0x3c6:
    return v->pel_mask;
  case 0x3c7:
    return v->dac_reads ? 3 : 0;
  case 0x3c8:
    return v->dac_write;
  case 0x3c9:
    return dac_read (v);
  case 0x3ca:
    return v->feature;
  case 0x3cc:
    return v->misc;
  case 0x3ce:
    return v->gr_index;
  case 0x3cf:
    return v->gr[v->gr_index];
  case 0x3d0: case 0x3d2: case 0x3d4: case 0x3d6:       /* the CRTC is decoded at every pair below 0x3d8 */
    return v->cr_index;
  case 0x3d1: case 0x3d3: case 0x3d5: case 0x3d7:
    return cr_read (v);
  case 0x3da:
    v->ar_takes_data = false;
    return status (v);
  default:
    return 0xff;
  }
}

/* Registers that decide about timing or memory. */
static void
sr_write (Vga *v, uint8_t value)
{
  v->sr[v->sr_index] = value & sr_bits[v->sr_index];
  follow_timing (v);
  vga_memory_follow (v);
}

static void
gr_write (Vga *v, uint8_t value)
{
  v->gr[v->gr_index] = value & gr_bits[v->gr_index];
  vga_memory_follow (v);
}

static void
misc_write (Vga *v, uint8_t value)
{
  v->misc = value;
  follow_timing (v);
  vga_memory_follow (v);
}

void
vga_port_write (Vga *v, unsigned port, uint8_t value)
{
  switch (canonical (v, port)) {
  case 0x3c0:
    ar_write (v, value);
    break;
  case 0x3c2:
    misc_write (v, value);
    break;
  case 0x3c3:
    v->enable = value & 1;
    vga_memory_follow (v);
    break;
  case 0x3c4:
    v->sr_index = value & (N_SR - 1);
    break;
  case 0x3c5:
    sr_write (v, value);
    break;
  case 0x3c6:
    v->pel_mask = value;
    break;
  case 0x3c7:
    dac_index (v, value, true);
    break;
  case 0x3c8:
    dac_index (v, value, false);
    break;
  case 0x3c9:
    dac_write (v, value);
    break;
  case 0x3ce:
    v->gr_index = value & (N_GR - 1);
    break;
  case 0x3cf:
    gr_write (v, value);
    break;
  case 0x3d0: case 0x3d2: case 0x3d4: case 0x3d6:
    v->cr_index = value;
    break;
  case 0x3d1: case 0x3d3: case 0x3d5: case 0x3d7:
    cr_write (v, value);
    break;
  case 0x3da:
    v->feature = value & 0x0b;
    break;
  default:
    break;                      /* read-only, or not there */
  }
}

/* --- life cycle: reset ---------------------------------------------------------------------- */

void
vga_registers_reset (Vga *v)
{
  v->misc = v->feature = v->sr_index = v->gr_index = v->cr_index = v->ar_index = 0;
  v->enable = 1;
  v->ar_takes_data = false;
  memset (v->sr, 0, sizeof v->sr);
  memset (v->gr, 0, sizeof v->gr);
  memset (v->cr, 0, sizeof v->cr);
  memset (v->ar, 0, sizeof v->ar);
  v->dac_read = v->dac_write = v->dac_component = v->dac_reads = 0;
  memset (v->dac_latch, 0, sizeof v->dac_latch);
  memset (v->dac, 0, sizeof v->dac);
  v->pel_mask = 0xff;
  v->latch = 0;
  v->retrace_pending = false;
  follow_timing (v);
}

void
vga_registers_loaded (Vga *v)
{
  v->enable &= 1;
  v->sr_index &= N_SR - 1;
  v->gr_index &= N_GR - 1;
  v->dac_component %= 3;
  for (unsigned i = 0; i < N_SR; i++)
    v->sr[i] &= sr_bits[i];
  for (unsigned i = 0; i < N_GR; i++)
    v->gr[i] &= gr_bits[i];
  for (unsigned i = 0; i < N_AR; i++)
    v->ar[i] &= ar_bits (i);
  follow_timing (v);
}
