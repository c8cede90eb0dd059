/* ide-request.h -- a drive's requests to its block backend: begin and end of their life. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_IDE_REQUEST_H
#define HW_PC_IDE_REQUEST_H

#include "ide-drive.h"

void ide_requests_init (IdeDrive *d);           /* [main] */
void ide_requests_finish (IdeDrive *d);         /* waits for what is under way [main] */

#endif
