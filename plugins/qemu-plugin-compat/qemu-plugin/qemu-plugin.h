/* qemu-plugin.h -- the plugin interface of QEMU's translator, versions 1 to 7, as qemu-plugin-compat serves it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  What a plugin written for QEMU includes.  Names, types and layouts are those that QEMU documents
 * (https://www.qemu.org/docs/master/devel/tcg-plugins.html); how Backplane serves each of them is told in the manual, qemu-plugin-compat.md.
 * Compile with `pkg-config --cflags backplane-qemu-plugin`; <qemu-plugin.h>, <qemu/qemu-plugin.h> and <plugins/qemu-plugin.h> all work.
 *
 * VERSIONS.  A plugin says which version it was written for with
 *     QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
 * and is served according to that.  The newest version is the default here; for source written for an earlier one, define the version before the
 * include, or compile with -DQEMU_PLUGIN_VERSION=N:
 *     1   QEMU 4.2 to 8.2         inline additions to memory of the plugin's own, qemu_plugin_n_vcpus, qemu_plugin_insn_data gives a pointer
 *     2   9.0                     scoreboards, conditional calls, registers; what is above is gone
 *     3   9.1                     qemu_plugin_insn_data copies
 *     4   9.2 to 10.0             guest memory by virtual address, values of accesses
 *     5   10.1, 10.2              guest memory is written too, by physical address too; registers are written; interrupts and exceptions are told
 *     6   11.0                    registers are read and written with bool as the result; qemu_plugin_set_pc; filters of system calls
 *     7   11.1                    every call-back has user data, none the plugin's id
 */
#ifndef BACKPLANE_QEMU_PLUGIN_H
#define BACKPLANE_QEMU_PLUGIN_H

#ifndef QEMU_PLUGIN_VERSION
#define QEMU_PLUGIN_VERSION 7
#endif
#if QEMU_PLUGIN_VERSION < 1 || QEMU_PLUGIN_VERSION > 7
#error "QEMU_PLUGIN_VERSION: this header describes the versions 1 to 7"
#endif

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#if QEMU_PLUGIN_VERSION >= 2
#include <glib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define QEMU_PLUGIN_EXPORT __attribute__ ((visibility ("default")))
#define QEMU_PLUGIN_LOCAL __attribute__ ((visibility ("hidden")))
#define QEMU_PLUGIN_API __attribute__ ((visibility ("default")))

/* --- what the plugin defines ----------------------------------------------------------------------------- */

typedef uint64_t qemu_plugin_id_t;      /* which plugin: given to qemu_plugin_install */

typedef struct qemu_info_t {
  const char *target_name;              /* "x86_64", "i386" */
  struct {
    int min, cur;
  } version;                            /* which are served */
  bool system_emulation;                /* here: always */
  union {
    struct {
      int smp_vcpus, max_vcpus;
    } system;
  };
} qemu_info_t;

extern QEMU_PLUGIN_EXPORT int qemu_plugin_version;

/* Called when the plugin is loaded.  info lives for the call, argv as long as the plugin.  0: go on; anything else: the machine is not built. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install (qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

/* --- types ------------------------------------------------------------------------------------------------ */

struct qemu_plugin_tb;                  /* a block that is being translated; these two live for the call-back */
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;              /* an access; for the call-back */
typedef uint32_t qemu_plugin_meminfo_t; /* likewise */

enum qemu_plugin_cb_flags {             /* what a call-back does with registers */
  QEMU_PLUGIN_CB_NO_REGS,
  QEMU_PLUGIN_CB_R_REGS,
  QEMU_PLUGIN_CB_RW_REGS,
#if QEMU_PLUGIN_VERSION >= 6
  QEMU_PLUGIN_CB_RW_REGS_PC             /* and it may call qemu_plugin_set_pc */
#endif
};

enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W = 2, QEMU_PLUGIN_MEM_RW = 3 };

enum qemu_plugin_op {
  QEMU_PLUGIN_INLINE_ADD_U64,
#if QEMU_PLUGIN_VERSION >= 2
  QEMU_PLUGIN_INLINE_STORE_U64
#endif
};

#if QEMU_PLUGIN_VERSION >= 2
enum qemu_plugin_cond {                 /* the counter ... the number, unsigned */
  QEMU_PLUGIN_COND_NEVER,
  QEMU_PLUGIN_COND_ALWAYS,
  QEMU_PLUGIN_COND_EQ,
  QEMU_PLUGIN_COND_NE,
  QEMU_PLUGIN_COND_LT,
  QEMU_PLUGIN_COND_LE,
  QEMU_PLUGIN_COND_GT,
  QEMU_PLUGIN_COND_GE
};

struct qemu_plugin_scoreboard;          /* memory of each vCPU's own */

typedef struct {                        /* a word in it */
  struct qemu_plugin_scoreboard *score;
  size_t offset;
} qemu_plugin_u64;

#define qemu_plugin_scoreboard_u64(score_) (qemu_plugin_u64) { score_, 0 }
#define qemu_plugin_scoreboard_u64_in_struct(score_, type_, member_) (qemu_plugin_u64) { score_, offsetof (type_, member_) }

struct qemu_plugin_register;            /* a register, for as long as the plugin lives */

typedef struct {
  struct qemu_plugin_register *handle;
  const char *name;                     /* "rax", as gdb has it */
  const char *feature;                  /* "org.gnu.gdb.i386.core"; may be NULL */
#if QEMU_PLUGIN_VERSION >= 6
  bool is_readonly;
#endif
} qemu_plugin_reg_descriptor;
#endif

#if QEMU_PLUGIN_VERSION >= 3
enum qemu_plugin_mem_value_type {
  QEMU_PLUGIN_MEM_VALUE_U8,
  QEMU_PLUGIN_MEM_VALUE_U16,
  QEMU_PLUGIN_MEM_VALUE_U32,
  QEMU_PLUGIN_MEM_VALUE_U64,
  QEMU_PLUGIN_MEM_VALUE_U128
};

typedef struct {
  enum qemu_plugin_mem_value_type type;
  union {
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct {
      uint64_t low, high;
    } u128;
  } data;                               /* a number of the host's */
} qemu_plugin_mem_value;
#endif

#if QEMU_PLUGIN_VERSION >= 5
enum qemu_plugin_hwaddr_operation_result {
  QEMU_PLUGIN_HWADDR_OPERATION_OK,
  QEMU_PLUGIN_HWADDR_OPERATION_ERROR,
  QEMU_PLUGIN_HWADDR_OPERATION_DEVICE_ERROR,
  QEMU_PLUGIN_HWADDR_OPERATION_ACCESS_DENIED,
  QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS,
  QEMU_PLUGIN_HWADDR_OPERATION_INVALID_ADDRESS_SPACE
};

enum qemu_plugin_discon_type {          /* why control went elsewhere than by an instruction */
  QEMU_PLUGIN_DISCON_INTERRUPT = 1,
  QEMU_PLUGIN_DISCON_EXCEPTION = 2,
  QEMU_PLUGIN_DISCON_HOSTCALL = 4,
  QEMU_PLUGIN_DISCON_ALL = -1
};
#endif

/* --- call-backs of the plugin ------------------------------------------------------------------------------- */

typedef void (*qemu_plugin_vcpu_udata_cb_t) (unsigned int vcpu_index, void *userdata);
typedef void (*qemu_plugin_vcpu_mem_cb_t) (unsigned int vcpu_index, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata);

#if QEMU_PLUGIN_VERSION >= 7
typedef void (*qemu_plugin_udata_cb_t) (void *userdata);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t) (struct qemu_plugin_tb *tb, void *userdata);
typedef void (*qemu_plugin_vcpu_discon_cb_t) (unsigned int vcpu_index, enum qemu_plugin_discon_type type, uint64_t from_pc, uint64_t to_pc,
                                              void *userdata);
typedef void (*qemu_plugin_vcpu_syscall_cb_t) (unsigned int vcpu_index, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                                               uint64_t a6, uint64_t a7, uint64_t a8, void *userdata);
typedef void (*qemu_plugin_vcpu_syscall_ret_cb_t) (unsigned int vcpu_index, int64_t num, int64_t ret, void *userdata);
typedef bool (*qemu_plugin_vcpu_syscall_filter_cb_t) (unsigned int vcpu_index, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                                      uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8, int64_t *sysret, void *userdata);
#else
typedef void (*qemu_plugin_simple_cb_t) (qemu_plugin_id_t id);
typedef void (*qemu_plugin_udata_cb_t) (qemu_plugin_id_t id, void *userdata);
typedef void (*qemu_plugin_vcpu_simple_cb_t) (qemu_plugin_id_t id, unsigned int vcpu_index);
typedef void (*qemu_plugin_vcpu_tb_trans_cb_t) (qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_vcpu_syscall_cb_t) (qemu_plugin_id_t id, unsigned int vcpu_index, int64_t num, uint64_t a1, uint64_t a2, uint64_t a3,
                                               uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
typedef void (*qemu_plugin_vcpu_syscall_ret_cb_t) (qemu_plugin_id_t id, unsigned int vcpu_index, int64_t num, int64_t ret);
#if QEMU_PLUGIN_VERSION >= 5
typedef void (*qemu_plugin_vcpu_discon_cb_t) (qemu_plugin_id_t id, unsigned int vcpu_index, enum qemu_plugin_discon_type type, uint64_t from_pc,
                                              uint64_t to_pc);
#endif
#if QEMU_PLUGIN_VERSION == 6
typedef bool (*qemu_plugin_vcpu_syscall_filter_cb_t) (qemu_plugin_id_t id, unsigned int vcpu_index, int64_t num, uint64_t a1, uint64_t a2,
                                                      uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8,
                                                      uint64_t *sysret);
#endif
#endif

/* --- the plugin as a whole, and its vCPUs: NULL takes a call-back back ----------------------------------------- */

#if QEMU_PLUGIN_VERSION >= 7
QEMU_PLUGIN_API void qemu_plugin_uninstall (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_reset (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_flush_cb (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_init_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_exit_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_idle_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_resume_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_discon_cb (qemu_plugin_id_t id, enum qemu_plugin_discon_type type, qemu_plugin_vcpu_discon_cb_t cb,
                                                          void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_trans_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_ret_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_ret_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_filter_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_filter_cb_t cb, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_vcpu_for_each (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata);
#else
QEMU_PLUGIN_API void qemu_plugin_uninstall (qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_reset (qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_flush_cb (qemu_plugin_id_t id, qemu_plugin_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_init_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_exit_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_idle_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_resume_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_trans_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_ret_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_ret_cb_t cb);
QEMU_PLUGIN_API void qemu_plugin_vcpu_for_each (qemu_plugin_id_t id, qemu_plugin_vcpu_simple_cb_t cb);
#if QEMU_PLUGIN_VERSION >= 5
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_discon_cb (qemu_plugin_id_t id, enum qemu_plugin_discon_type type, qemu_plugin_vcpu_discon_cb_t cb);
#endif
#if QEMU_PLUGIN_VERSION == 6
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_syscall_filter_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_filter_cb_t cb);
#endif
#endif

QEMU_PLUGIN_API void qemu_plugin_register_atexit_cb (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata);

#if QEMU_PLUGIN_VERSION >= 2
QEMU_PLUGIN_API int qemu_plugin_num_vcpus (void);       /* that have been started */
#else
QEMU_PLUGIN_API int qemu_plugin_n_vcpus (void);         /* that the machine has */
QEMU_PLUGIN_API int qemu_plugin_n_max_vcpus (void);
#endif

/* --- a block: within the call-back of its translation ------------------------------------------------------------ */

QEMU_PLUGIN_API size_t qemu_plugin_tb_n_insns (const struct qemu_plugin_tb *tb);
QEMU_PLUGIN_API uint64_t qemu_plugin_tb_vaddr (const struct qemu_plugin_tb *tb);
QEMU_PLUGIN_API struct qemu_plugin_insn *qemu_plugin_tb_get_insn (const struct qemu_plugin_tb *tb, size_t idx);

#if QEMU_PLUGIN_VERSION >= 3
QEMU_PLUGIN_API size_t qemu_plugin_insn_data (const struct qemu_plugin_insn *insn, void *dest, size_t len);     /* bytes that were copied */
#else
QEMU_PLUGIN_API const void *qemu_plugin_insn_data (const struct qemu_plugin_insn *insn);
#endif
QEMU_PLUGIN_API size_t qemu_plugin_insn_size (const struct qemu_plugin_insn *insn);
QEMU_PLUGIN_API uint64_t qemu_plugin_insn_vaddr (const struct qemu_plugin_insn *insn);
QEMU_PLUGIN_API void *qemu_plugin_insn_haddr (const struct qemu_plugin_insn *insn);     /* here: the guest-physical address as a pointer */
QEMU_PLUGIN_API char *qemu_plugin_insn_disas (const struct qemu_plugin_insn *insn);     /* free with g_free */
QEMU_PLUGIN_API const char *qemu_plugin_insn_symbol (const struct qemu_plugin_insn *insn);

QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_cb (struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb, enum qemu_plugin_cb_flags flags,
                                                           void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb,
                                                             enum qemu_plugin_cb_flags flags, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_mem_cb_t cb, enum qemu_plugin_cb_flags flags,
                                                       enum qemu_plugin_mem_rw rw, void *userdata);
#if QEMU_PLUGIN_VERSION >= 2
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_cond_cb (struct qemu_plugin_tb *tb, qemu_plugin_vcpu_udata_cb_t cb,
                                                                enum qemu_plugin_cb_flags flags, enum qemu_plugin_cond cond, qemu_plugin_u64 entry,
                                                                uint64_t imm, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_cond_cb (struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t cb,
                                                                  enum qemu_plugin_cb_flags flags, enum qemu_plugin_cond cond, qemu_plugin_u64 entry,
                                                                  uint64_t imm, void *userdata);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu (struct qemu_plugin_tb *tb, enum qemu_plugin_op op, qemu_plugin_u64 entry,
                                                                        uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu (struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
                                                                          qemu_plugin_u64 entry, uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_inline_per_vcpu (struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
                                                                    enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm);
#else
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_inline (struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *ptr, uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *ptr, uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, enum qemu_plugin_op op,
                                                           void *ptr, uint64_t imm);
#endif

/* --- an access: within its call-back ------------------------------------------------------------------------------- */

QEMU_PLUGIN_API unsigned int qemu_plugin_mem_size_shift (qemu_plugin_meminfo_t info);   /* 1 << that bytes */
QEMU_PLUGIN_API bool qemu_plugin_mem_is_sign_extended (qemu_plugin_meminfo_t info);
QEMU_PLUGIN_API bool qemu_plugin_mem_is_big_endian (qemu_plugin_meminfo_t info);
QEMU_PLUGIN_API bool qemu_plugin_mem_is_store (qemu_plugin_meminfo_t info);
#if QEMU_PLUGIN_VERSION >= 3
QEMU_PLUGIN_API qemu_plugin_mem_value qemu_plugin_mem_get_value (qemu_plugin_meminfo_t info);
#endif
QEMU_PLUGIN_API struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr (qemu_plugin_meminfo_t info, uint64_t vaddr);
QEMU_PLUGIN_API bool qemu_plugin_hwaddr_is_io (const struct qemu_plugin_hwaddr *haddr);
QEMU_PLUGIN_API uint64_t qemu_plugin_hwaddr_phys_addr (const struct qemu_plugin_hwaddr *haddr);
QEMU_PLUGIN_API const char *qemu_plugin_hwaddr_device_name (const struct qemu_plugin_hwaddr *haddr);

/* --- scoreboards ------------------------------------------------------------------------------------------------------ */

#if QEMU_PLUGIN_VERSION >= 2
QEMU_PLUGIN_API struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new (size_t element_size);
QEMU_PLUGIN_API void qemu_plugin_scoreboard_free (struct qemu_plugin_scoreboard *score);
QEMU_PLUGIN_API void *qemu_plugin_scoreboard_find (struct qemu_plugin_scoreboard *score, unsigned int vcpu_index);
QEMU_PLUGIN_API void qemu_plugin_u64_add (qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t added);
QEMU_PLUGIN_API uint64_t qemu_plugin_u64_get (qemu_plugin_u64 entry, unsigned int vcpu_index);
QEMU_PLUGIN_API void qemu_plugin_u64_set (qemu_plugin_u64 entry, unsigned int vcpu_index, uint64_t val);
QEMU_PLUGIN_API uint64_t qemu_plugin_u64_sum (qemu_plugin_u64 entry);

/* --- the vCPU whose call-back runs --------------------------------------------------------------------------------------- */

QEMU_PLUGIN_API GArray *qemu_plugin_get_registers (void);       /* of qemu_plugin_reg_descriptor; free with g_array_free */
/* The register's bytes are appended.  Versions 2 to 5: how many they are, -1: not possible. */
#if QEMU_PLUGIN_VERSION >= 6
QEMU_PLUGIN_API bool qemu_plugin_read_register (struct qemu_plugin_register *handle, GByteArray *buf);
QEMU_PLUGIN_API bool qemu_plugin_write_register (struct qemu_plugin_register *handle, GByteArray *buf);
QEMU_PLUGIN_API __attribute__ ((__noreturn__)) void qemu_plugin_set_pc (uint64_t vaddr);
#else
QEMU_PLUGIN_API int qemu_plugin_read_register (struct qemu_plugin_register *handle, GByteArray *buf);
#if QEMU_PLUGIN_VERSION == 5
QEMU_PLUGIN_API int qemu_plugin_write_register (struct qemu_plugin_register *handle, GByteArray *buf);
#endif
#endif
#endif
#if QEMU_PLUGIN_VERSION >= 4
QEMU_PLUGIN_API bool qemu_plugin_read_memory_vaddr (uint64_t addr, GByteArray *data, size_t len);
#endif
#if QEMU_PLUGIN_VERSION >= 5
QEMU_PLUGIN_API bool qemu_plugin_write_memory_vaddr (uint64_t addr, GByteArray *data);
QEMU_PLUGIN_API enum qemu_plugin_hwaddr_operation_result qemu_plugin_read_memory_hwaddr (uint64_t addr, GByteArray *data, size_t len);
QEMU_PLUGIN_API enum qemu_plugin_hwaddr_operation_result qemu_plugin_write_memory_hwaddr (uint64_t addr, GByteArray *data);
QEMU_PLUGIN_API bool qemu_plugin_translate_vaddr (uint64_t vaddr, uint64_t *hwaddr);
#endif

/* --- and the rest ----------------------------------------------------------------------------------------------------------- */

QEMU_PLUGIN_API void qemu_plugin_outs (const char *string);
QEMU_PLUGIN_API bool qemu_plugin_bool_parse (const char *name, const char *val, bool *ret);     /* on, yes, true; off, no, false */
#if QEMU_PLUGIN_VERSION >= 3
QEMU_PLUGIN_API const void *qemu_plugin_request_time_control (void);    /* here: NULL */
QEMU_PLUGIN_API void qemu_plugin_update_ns (const void *handle, int64_t time);
#endif
/* Of emulated programs; here, as for every emulated system: NULL and 0. */
QEMU_PLUGIN_API const char *qemu_plugin_path_to_binary (void);
QEMU_PLUGIN_API uint64_t qemu_plugin_start_code (void);
QEMU_PLUGIN_API uint64_t qemu_plugin_end_code (void);
QEMU_PLUGIN_API uint64_t qemu_plugin_entry_code (void);

#ifdef __cplusplus
}
#endif
#endif
