/* report.h -- named values and tables, printed for people or as JSON. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <stdbool.h>

typedef struct Report Report;

Report *report_new (void);
void report_free (Report *report);
/* A line "key  value", or a member of the JSON object; a NULL value is left out.  Both are copied. */
void report_value (Report *report, const char *key, const char *value);
/* Begins a table; columns: NULL-terminated names, which become the members of each row's JSON object. */
void report_table (Report *report, const char *name, const char *const *columns);
/* Adds a row to the table begun last: as many const char * as it has columns; NULL: nothing to say. */
void report_row (Report *report, ...);
/* Puts a report into another, which then owns it; those of one name become an array of JSON objects. */
void report_add (Report *report, const char *name, Report *inner);
/* Tables without rows are left out. */
char *report_text (const Report *report);
char *report_json (const Report *report);       /* NULL when the program was built without json-glib */

#endif
