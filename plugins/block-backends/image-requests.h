/* image-requests.h -- requests of a device: the kernel does those that are simple, a few threads the others. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_REQUESTS_H
#define BLOCK_BACKENDS_IMAGE_REQUESTS_H

#include "image.h"
#include <backplane/iface/block.h>
#include <backplane/loop.h>
#include <backplane/object.h>

typedef struct Requests Requests;

/* self: whose warnings they are, and whose machine.  [main] */
Requests *requests_new (const void *self, bool write_through);
/* The kernel does what it can by itself, from now on.  false: the host cannot; threads do it all. [main] */
bool requests_use_ring (Requests *r, GError **error);
/* Where what the kernel has done is answered; NULL: on a thread of the backend's own.  It is called before the first request is submitted, and with `attached`
 * false when there will be none any more. [main] */
void requests_attach (Requests *r, bool attached, BpLoop *loop);
/* Waits for what is under way; all calls of `done` are made by then.  [main] */
void requests_free (Requests *r);
/* The image to work on from now on, NULL: no medium.  What waits is given back with ECANCELED, what is under way is waited for.  The old one
 * is the caller's to close.  [main] */
void requests_set_image (Requests *r, Image *image);
/* The image's new size, between requests: 0 or an errno. [main] */
int requests_resize (Requests *r, uint64_t size);
void requests_submit (Requests *r, BpBlockRequest *request);            /* [any] */
void requests_batch (Requests *r, bool begin);                          /* [any][locked] */
/* Done without waiting for anything, or not at all. [any] */
bool requests_try (Requests *r, const BpBlockRequest *request, int *error);
/* Until nothing is left, what `done` submits included. [main] */
void requests_drain (Requests *r);
void requests_counters (Requests *r, uint64_t bytes[2], uint64_t n[2]); /* [any] */

#endif
