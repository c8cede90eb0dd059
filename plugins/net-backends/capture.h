/* capture.h -- packets written to a file for tcpdump and Wireshark. */
/* SPDX-License-Identifier: MIT */
#ifndef NET_BACKENDS_CAPTURE_H
#define NET_BACKENDS_CAPTURE_H

#include <backplane/iface/net.h>

typedef struct Capture Capture;

/* Makes the file anew; `snap': bytes of a packet that are kept at most.  NULL with error. */
Capture *capture_new (const char *file, uint32_t snap, GError **error);
void capture_free (Capture *capture);   /* NULL is fine */
/* time: ns since 1970.  false: the file could not take it; it ends with the packet before, and takes no more. */
bool capture_packet (Capture *capture, const BpNetPacket *packet, int64_t time);

#endif
