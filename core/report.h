/* report.h -- the host's side of reports: made, filled with less writing, and printed in four forms. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <backplane/report.h>

/* --- report-model.c ------------------------------------------------------------------------- */

BpReport *report_new (void);
/* A report may be a section of several. */
BpReport *report_ref (BpReport *report);
void report_free (BpReport *report);
BpReport *report_adopt (BpReport *report, const char *key, const char *title, BpReport *section);      /* refers to it */
bool report_is_empty (const BpReport *report);
/* As bp_report_text, but a NULL is left out. */
void report_value (BpReport *report, const char *key, const char *text);
/* A table of texts, which needs no heading when it stands alone; columns: NULL-terminated keys. */
BpReportTable *report_table (BpReport *report, const char *key, const char *const *columns);
/* A row of it: as many const char * as it has columns; NULL: nothing to say. */
void report_row (BpReportTable *table, ...);
/* A section that is a member of the array `key`: those that follow each other are one array in JSON. */
BpReport *report_item (BpReport *report, const char *key);

/* --- forms; the texts are the caller's -------------------------------------------------------- */

/* For a terminal.  max_rows: of a table, then says how many more there are; 0: all of them, as wide as they are. */
char *report_text (const BpReport *report, unsigned max_rows);          /* report-text.c */
char *report_json (const BpReport *report);                             /* report-json.c; ends in a newline */
/* A page of its own; its subtitle may be NULL. */
char *report_html (const BpReport *report, const char *title, const char *subtitle);    /* report-html.c */

#endif
