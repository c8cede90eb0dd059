/* aml-build.h -- writes ACPI machine language: names, scopes, devices, methods, packages, resources. */
/* SPDX-License-Identifier: MIT */
/*
 * Bytes are appended in the order of the source that they stand for.  What has a length is begun and ended; ends go with begins like braces.  A path is
 * written as in ASL ("\\_SB.PCI0", "^ISA.PRQA"); its segments have up to four characters.  (ACPI 6.4, chapter 20.)
 */
#ifndef HW_PC_AML_BUILD_H
#define HW_PC_AML_BUILD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define AML_MAX_DEPTH 16

typedef struct Aml Aml;
struct Aml {
  GByteArray *bytes;
  struct { guint at; bool resources; } open[AML_MAX_DEPTH];     /* where the lengths go that are not known yet */
  unsigned depth;
};

Aml aml_new (void);
/* The bytes, which are the caller's then; everything that was begun has been ended. */
GByteArray *aml_finish (Aml *a);

/* --- terms ---------------------------------------------------------------------------------- */
void aml_path (Aml *a, const char *path);
void aml_integer (Aml *a, uint64_t value);
void aml_eisa_id (Aml *a, const char *id);                      /* "PNP0A03" */
enum { AML_LOCAL0 = 0x60, AML_LOCAL1 = 0x61, AML_ARG0 = 0x68 };
void aml_byte (Aml *a, uint8_t byte);                           /* an operation without name, or a local, or an argument */

/* --- names -------------------------------------------------------------------------------------- */
void aml_name (Aml *a, const char *path);                       /* the object follows */
void aml_name_integer (Aml *a, const char *path, uint64_t value);
void aml_name_eisa_id (Aml *a, const char *path, const char *id);
void aml_name_string (Aml *a, const char *path, const char *text);

/* --- what has a length ----------------------------------------------------------------------------- */
void aml_begin_scope (Aml *a, const char *path);
void aml_begin_device (Aml *a, const char *path);
void aml_begin_method (Aml *a, const char *path, unsigned flags);        /* the number of arguments, AML_SERIALIZED */
enum { AML_SERIALIZED = 8 };                                    /* for methods that create names */
void aml_begin_package (Aml *a, uint8_t n_elements);
void aml_begin_if (Aml *a);                                     /* the condition follows, then the terms */
void aml_begin_while (Aml *a);                                  /* likewise */
void aml_end (Aml *a);

/* --- operations: operands follow ---------------------------------------------------------------- */
enum {
  AML_STORE = 0x70, AML_ADD = 0x72, AML_SUBTRACT = 0x74, AML_INCREMENT = 0x75, AML_AND = 0x7b, AML_OR = 0x7d, AML_NOTIFY = 0x86, AML_CREATE_DWORD_FIELD = 0x8a,
  AML_CREATE_QWORD_FIELD = 0x8f, AML_EQUAL = 0x93, AML_LESS = 0x95, AML_RETURN = 0xa4
};
void aml_mutex (Aml *a, const char *path);
void aml_acquire (Aml *a, const char *path);                    /* however long it takes */
void aml_release (Aml *a, const char *path);
void aml_nothing (Aml *a);                                      /* a target that takes no result */

/* --- registers --------------------------------------------------------------------------------------- */
enum { AML_SYSTEM_IO = 1, AML_PCI_CONFIG = 2 };
/* Bytes from `offset` on, each a field of its own. */
void aml_byte_fields (Aml *a, const char *region, uint8_t space, uint64_t offset, const char *const *names, unsigned n);

void aml_region (Aml *a, const char *region, uint8_t space, uint64_t offset, uint64_t size);
/* Fields of a region, in their order: a name (NULL: a gap) and how many bits. */
typedef struct AmlField { const char *name; uint16_t bits; } AmlField;
enum { AML_BYTES = 1, AML_DWORDS = 3, AML_PRESERVE = 0 << 5, AML_WRITE_ZEROS = 2 << 5 };
void aml_fields (Aml *a, const char *region, uint8_t flags, const AmlField *fields, unsigned n);

/* --- resources: begin after a name ---------------------------------------------------------------- */
void aml_begin_resources (Aml *a);                              /* ends with aml_end */
void aml_io (Aml *a, uint16_t base, uint8_t length);
void aml_irq (Aml *a, unsigned irq);                            /* ISA's: edge, active high, exclusive */
void aml_dma (Aml *a, unsigned channel);
void aml_memory_fixed (Aml *a, uint32_t base, uint32_t length, bool writable);
void aml_pci_interrupts (Aml *a, const uint32_t *numbers, unsigned n);  /* level, active low, shared */
void aml_interrupt (Aml *a, uint32_t number);                   /* level, active high, exclusive */
enum { AML_INTERRUPT_NUMBER = 5 };                              /* where the first of them is, when it is the first resource */
void aml_bus_numbers (Aml *a, uint16_t first, uint16_t last);
void aml_io_window (Aml *a, uint16_t first, uint16_t last);
/* Where the numbers of the first resource are, when it is one of these. */
enum { AML_MEMORY64_FIRST = 14, AML_MEMORY64_LAST = 22, AML_MEMORY64_LENGTH = 38 };
void aml_memory64 (Aml *a, uint64_t first, uint64_t last);      /* cacheable, of this device's own */
void aml_memory_window (Aml *a, uint32_t first, uint32_t last, bool cacheable);

#endif
