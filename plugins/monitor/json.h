/* json.h -- JSON as QMP speaks it: messages out of a stream of bytes, and values as text. */
/* SPDX-License-Identifier: MIT */
/*
 * The values are json-glib's.  Its parser wants a whole text and takes more than JSON (comments, octal numbers, integers that overflow to -1), and its
 * generator leaves a control character as it is; what strangers send and get goes through these.
 */
#ifndef MONITOR_JSON_H
#define MONITOR_JSON_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

/* --- json-stream.c, json-parse.c ---------------------------------------------------------- */

/* What one message may have; more is an error, and the rest of the line is skipped. */
#define JSON_STREAM_BYTES (1u << 20)
#define JSON_STREAM_TOKENS (1u << 17)
#define JSON_STREAM_DEPTH 1024

typedef struct JsonStreamClient {
  void (*message) (void *user, JsonNode *message);      /* the callee's */
  void (*error) (void *user, const char *why);
} JsonStreamClient;

typedef struct JsonStream JsonStream;

JsonStream *json_stream_new (const JsonStreamClient *client, void *user);
void json_stream_free (JsonStream *stream);
/* Messages and errors in their order.  After an error reading goes on at the next bracket, comma, colon or control character. */
void json_stream_feed (JsonStream *stream, const char *bytes, size_t size);

typedef enum JsonTokenKind { JSON_PUNCTUATION, JSON_STRING, JSON_NUMBER, JSON_KEYWORD } JsonTokenKind;

typedef struct JsonToken {
  JsonTokenKind kind;
  unsigned start, length;       /* in the text of all tokens; a string's without its quotes, with its escapes */
} JsonToken;

/* A balanced run of tokens as a value; NULL: *why is the caller's. */
JsonNode *json_parse_tokens (const char *text, const JsonToken *tokens, unsigned n, char **why);

/* --- json-print.c ------------------------------------------------------------------------- */

/* On one line, in ASCII. */
void json_print (const JsonNode *node, GString *out);

#endif
