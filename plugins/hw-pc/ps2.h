/* ps2.h -- a PS/2 port: what a keyboard or mouse and the controller give each other. */
/* SPDX-License-Identifier: MIT */
/*
 * A device of a port has a Ps2Device as its first member.  Bytes for the guest go into it with ps2_reply and ps2_send; the controller takes them with
 * ps2_take, one at a time and no faster than the wire, while it does not hold the port's clock.  All of it runs under the machine lock.
 */
#ifndef HW_PC_PS2_H
#define HW_PC_PS2_H

#include <backplane/state.h>

#define PS2_WIRE_NS INT64_C (660000)    /* 11 bits at 16.7 kHz, the fastest that a device may send */
#define PS2_TEST_NS INT64_C (10000000)  /* of a self test; real ones take half a second, which nobody relies on */

#define PS2_REPLIES 32
#define PS2_DATA 24

enum { PS2_ACK = 0xfa, PS2_NAK = 0xfe, PS2_ERROR = 0xfc, PS2_TEST_PASSED = 0xaa };

typedef struct Ps2Device Ps2Device;

typedef struct Ps2Ops {
  void (*receive) (Ps2Device *dev, uint8_t byte);       /* from the guest */
  void (*taken) (Ps2Device *dev);       /* a byte has left: there is room */
} Ps2Ops;

struct Ps2Device {
  /* saved */
  uint8_t replies[PS2_REPLIES], reply_count;
  uint8_t data[PS2_DATA], data_count;
  uint8_t last;                 /* the byte that the controller took last */
  bool testing;                 /* the self test begins when the acknowledgement has left */
  bool in_sequence;             /* the last byte of data was a prefix: no reply comes between it and what follows */
  uint64_t not_before;          /* virtual time in ns from which on the device sends; a self test takes its time */
  /* wiring */
  const Ps2Ops *ops;
  void *object;                 /* whose device it is */
  void (*wake) (void *object);  /* there is something to take */
};

/* Acknowledges a reset; the test's result follows in `taken` when ps2_test_ends says so. */
void ps2_test (Ps2Device *dev);
bool ps2_test_ends (Ps2Device *dev);
void ps2_abort_test (Ps2Device *dev);
/* Replies go before data. */
void ps2_reply (Ps2Device *dev, uint8_t byte);
void ps2_send (Ps2Device *dev, uint8_t byte);
void ps2_clear_data (Ps2Device *dev);
void ps2_clear (Ps2Device *dev);
static inline bool ps2_is_empty (const Ps2Device *dev) { return !dev->reply_count && !dev->data_count; }
uint8_t ps2_take (Ps2Device *dev);
void ps2_post_load (Ps2Device *dev);
int64_t ps2_now (const Ps2Device *dev);

extern const BpStateField ps2_state[];

/* --- the keyboard ----------------------------------------------------------------------------- */

#define PS2_KEYS 256            /* codes of Linux that it looks at */
#define PS2_WAITING 128
#define PS2_SET3_CODES 0x90

typedef struct Ps2Keyboard {
  Ps2Device dev;
  /* saved */
  uint8_t command;              /* whose parameter comes next; 0: none */
  uint8_t leds, rate, set;
  bool scanning, overrun;
  uint8_t modes[PS2_SET3_CODES];        /* of set 3, by code */
  uint8_t held[PS2_KEYS / 8];
  bool print_is_sysrq;          /* PrintScreen went down while Alt was */
  uint16_t waiting[PS2_WAITING];        /* keys that the buffer has no room for: code, STROKE_UP */
  uint8_t waiting_count;
  uint16_t repeating;           /* Linux's code; 0: none */
  BpTimer *repeat;
} Ps2Keyboard;

void ps2_keyboard_init (Ps2Keyboard *k, void *object, void (*wake) (void *object));
void ps2_keyboard_finish (Ps2Keyboard *k);
void ps2_keyboard_reset (Ps2Keyboard *k);
void ps2_keyboard_post_load (Ps2Keyboard *k);
void ps2_keyboard_key (Ps2Keyboard *k, unsigned code, bool down);
void ps2_keyboard_release (Ps2Keyboard *k);     /* every key that is held */
/* The code of set 1 for one of set 2. */
uint8_t ps2_set1_of (uint8_t set2);

extern const BpStateField ps2_keyboard_state[];

/* --- the mouse ----------------------------------------------------------------------------------- */

typedef enum Ps2MouseModel { PS2_MOUSE_NONE, PS2_MOUSE_STANDARD, PS2_MOUSE_WHEEL, PS2_MOUSE_EXPLORER } Ps2MouseModel;

#define PS2_MOVES 16

typedef struct Ps2Move {
  uint32_t dx, dy, wheel;       /* signed */
  uint8_t buttons;
} Ps2Move;

typedef struct Ps2Mouse {
  Ps2Device dev;
  /* saved */
  uint8_t command, id, resolution, rate, knock[2];
  bool reporting, remote, wrap, doubled, wrong_before;
  uint8_t held, buttons;        /* now, and as last reported */
  uint8_t last[4], last_count;  /* what 0xfe sends again */
  Ps2Move moves[PS2_MOVES];     /* not reported yet: a new one begins where the buttons change */
  uint8_t move_count;
  BpTimer *sample;
  /* wiring */
  int model;                    /* Ps2MouseModel */
} Ps2Mouse;

void ps2_mouse_init (Ps2Mouse *m, void *object, void (*wake) (void *object));
void ps2_mouse_finish (Ps2Mouse *m);
void ps2_mouse_reset (Ps2Mouse *m);
void ps2_mouse_post_load (Ps2Mouse *m);
/* Whether somebody would hear of it. */
bool ps2_mouse_listens (const Ps2Mouse *m);
void ps2_mouse_move (Ps2Mouse *m, int dx, int dy, int wheel, uint32_t buttons);

extern const BpStateField ps2_mouse_state[];

#endif
