/* vnc-test.h -- a VNC server under test: a screen and an input device of the test's own, and a small RFB client. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The test's main thread is the machine's; a client runs in a thread beside it (aside), so that both block as they like.
 */
#ifndef TESTS_VNC_TEST_H
#define TESTS_VNC_TEST_H

#include <check.h>
#include "build.h"
#include "display-vnc/display-vnc.h"

/* --- the machine ---------------------------------------------------------------------------- */

typedef struct TestScreen {
  uint32_t width, height, *pixels;      /* change them and call screen_changed */
  uint64_t serial;
  uint32_t first, end;
  unsigned updates;             /* how often somebody asked */
  bool follows;                 /* takes the size that somebody wants */
  bool has_second;              /* a head that shows two green dots */
} TestScreen;

extern TestScreen screen;       /* of the machine; atomically or by the main thread */
extern GString *typed;          /* what the input device was told: "+30 -30 rel 1,2,0,0" */
extern uint32_t input_kinds;
extern unsigned port;

void vnc_start (const char *properties);        /* of [display vnc]; port = auto */
char *vnc_refusal (const char *properties);     /* what realize says */
void vnc_stop (void);
BpMachine *vnc_machine (void);
void screen_size (uint32_t width, uint32_t height);
void screen_changed (uint32_t first, uint32_t end);
/* Runs f (user) in a thread, and the main loop until it is done. */
void aside (void (*f) (void *user), void *user);
void run_main (unsigned milliseconds);

/* --- a client: each of these blocks, 10 seconds at most ---------------------------------------- */

typedef struct Client {
  int fd;
  uint32_t width, height, *pixels;
  char name[128];
  unsigned rectangles;          /* of the last update */
  uint32_t left, top, right, bottom;            /* around them */
  bool saw_scan_codes, resized;
  unsigned reason, status;      /* of the last size, as ExtendedDesktopSize has it */
} Client;

int client_connect (const char *host);
bool client_write (int fd, const void *bytes, size_t size);
bool client_read (int fd, void *bytes, size_t size);    /* false: the connection has ended */
bool client_has_ended (int fd);                         /* within two seconds */
/* Protocol 3.8; password NULL: none is expected.  false: refused. */
bool client_open (Client *c, const char *password, bool shared);
void client_close (Client *c);
void client_encodings (Client *c, unsigned n, const int32_t *encodings);
void client_request (Client *c, bool incremental);
bool client_update (Client *c);                         /* takes one update, raw */
void client_key (Client *c, uint32_t keysym, bool down);
void client_scan (Client *c, uint32_t scan, bool down);
void client_size (Client *c, unsigned width, unsigned height, unsigned n_screens);
void client_pointer (Client *c, unsigned x, unsigned y, unsigned mask);

#endif
