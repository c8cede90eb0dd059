/* iface/screen.h -- you implement this in a display adapter: what is on the screen, for whoever shows it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The adapter provides it; displays (VNC, a terminal), monitors and screenshots link to the adapter or find it with bp_machine_next.  Each of them
 * has a frame of its own and asks at its own pace; nothing is drawn while nobody asks.  An adapter may have several heads, each with a picture of its own and
 * its own serials; who knows of none looks at head 0.
 */
#ifndef BACKPLANE_IFACE_SCREEN_H
#define BACKPLANE_IFACE_SCREEN_H

#include <backplane/common.h>
#include <string.h>
BP_BEGIN_DECLS

#define BP_SCREEN_ID "bp.screen/1"

/* The asker's; zeroed at first, finished with bp_screen_frame_clear. */
typedef struct BpScreenFrame {
  uint32_t struct_size;
  uint32_t width, height;       /* pixels; 0 while there is no picture */
  uint32_t *pixels;             /* XRGB, 8 bits each, X is 0; width * height, rows without gaps; NULL when that is 0.  The adapter replaces it by another one of
                                   g_malloc when the size is another */
  uint64_t serial;              /* of the picture that the pixels show; the adapter's, from 1.  0: they show none */
  /* Out: what has changed since the last time. */
  bool resized;                 /* pixels is another buffer, and all of it is new */
  uint32_t first_row, end_row;  /* rows in [first_row, end_row) changed; both 0: nothing did */
} BpScreenFrame;

/* A text screen as characters. */
typedef struct BpScreenText {
  uint32_t struct_size;
  uint32_t columns, rows;
  const uint16_t *cells;        /* character in code page 437, attribute << 8; the adapter's, until it is asked again or the lock is left */
  uint32_t cursor_column, cursor_row;
  bool cursor_visible;
  bool blinks;                  /* attribute bit 7 means blinking, not a bright background */
  uint32_t cursor_height;       /* of a character's height, in percent; 0: not known */
} BpScreenText;

typedef struct BpScreenIface {
  uint32_t struct_size;
  /* Brings the frame up to date. [main][locked] */
  void (*update) (void *self, BpScreenFrame *frame);
  /* false: a graphics mode, or no picture.  NULL: always. [main][locked] */
  bool (*text) (void *self, BpScreenText *text);
  /* How many heads there are; an adapter without this and the next has one. [main][configured] */
  uint32_t (*heads) (void *self);
  /* Like update, of one of them. [main][locked] */
  void (*update_head) (void *self, uint32_t head, BpScreenFrame *frame);
  /* Somebody would like the picture of a head to have this size.  true: the guest is told, and may do so.  false: there is no such size, or head.  NULL, or not there:
   * guests choose alone. [main][locked] */
  bool (*want_size) (void *self, uint32_t head, uint32_t width, uint32_t height);
} BpScreenIface;

static inline void bp_screen_frame_clear (BpScreenFrame *frame)
{
  g_free (frame->pixels);
  memset (frame, 0, sizeof *frame);
  frame->struct_size = sizeof *frame;
}

static inline uint32_t bp_screen_heads (const BpScreenIface *screen, void *self)
{
  return BP_TABLE_HAS (screen, heads) && BP_TABLE_HAS (screen, update_head) ? screen->heads (self) : 1;
}
/* Of a head that there is. */
static inline void bp_screen_update (const BpScreenIface *screen, void *self, uint32_t head, BpScreenFrame *frame)
{
  if (head)
    screen->update_head (self, head, frame);
  else if (BP_TABLE_HAS (screen, update))
    screen->update (self, frame);
}

#define BP_SCREEN_EDID_SIZE 128u
/* What a monitor that likes a picture of this size best says of itself (VESA E-EDID 1.4); width and height 1 to 4095.  Adapters tell their driver. [any] */
BP_EXPORT void bp_screen_edid (uint8_t edid[BP_SCREEN_EDID_SIZE], unsigned width, unsigned height, unsigned head);

BP_END_DECLS
#endif
