/* vcpu.c -- a vCPU as the kernel has it: made, kicked, ended. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <backplane/machine.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* (accel-tcg has SIGUSR1) */
#define KICK_SIGNAL SIGUSR2

/* --- kicks ----------------------------------------------------------------------------------- */

/* That it came is all: it ends KVM_RUN. */
static void
on_kick (int signal)
{
}

bool
kvm_signals_install (GError **error)
{
  struct sigaction action;
  memset (&action, 0, sizeof action);
  action.sa_flags = SA_RESTART;
  sigemptyset (&action.sa_mask);
  action.sa_handler = on_kick;
  if (sigaction (KICK_SIGNAL, &action, NULL) == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "cannot install the vCPU signal: %s", g_strerror (errno));
  return false;
}

/* A vCPU's thread is about to take kicks. */
void
kvm_signals_thread (void)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, KICK_SIGNAL);
  pthread_sigmask (SIG_UNBLOCK, &set, NULL);
}

/* The flag is for a thread that is about to go in, the signal for one that is inside.  The loop clears the flag before it looks at what kicks are about. */
void
kvm_vcpu_kick (KvmVcpu *v, GThread *thread, uint64_t pthread_id)
{
  __atomic_store_n (&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
  pthread_kill ((pthread_t) pthread_id, KICK_SIGNAL);
}

/* --- making ---------------------------------------------------------------------------------- */

KvmVcpu *
kvm_vcpu_at (Kvm *k, const BpVcpu *vcpu)
{
  for (unsigned i = 0; k->vcpus && i < k->vcpus->len; i++)
    if (((KvmVcpu *) k->vcpus->pdata[i])->vcpu == vcpu)
      return k->vcpus->pdata[i];
  return NULL;
}

static bool
has_text (const void *cpu, const char *property, const char *wanted)
{
  g_autofree char *text = bp_object_get (cpu, property, NULL);
  return text && strcmp (text, wanted) == 0;
}

static bool
is_bootstrap (const void *cpu, const BpVcpu *vcpu)
{
  return has_text (cpu, "bsp", "on") || (bp_vcpu_index (vcpu) == 0 && !has_text (cpu, "bsp", "off"));
}

static bool
take_object (KvmVcpu *v, GError **error)
{
  v->cpu = bp_vcpu_cpu (v->vcpu);
  v->x86 = bp_object_interface (v->cpu, BP_X86_CPU_ID);
  if (!BP_TABLE_HAS (v->x86, get_state) || !BP_TABLE_HAS (v->x86, set_state) || !BP_TABLE_HAS (v->x86, reset_registers)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "KVM runs x86 processors, and CPU type %s is none that shows its registers (%s)",
                 bp_object_type_name (v->cpu), BP_X86_CPU_ID);
    return false;
  }
  if (BP_TABLE_HAS (v->x86, controller))
    v->intc = v->x86->controller (v->cpu, &v->intc_instance);
  v->exits_on_halt = has_text (v->cpu, "on-halt", "exit");
  v->is_bootstrap = is_bootstrap (v->cpu, v->vcpu);
  return true;
}

/* The kernel's local APICs are known by their vCPU's number. */
static unsigned
apic_id (const KvmVcpu *v)
{
  uint32_t out[4] = { 0 };
  if (BP_TABLE_HAS (v->x86, cpuid))
    v->x86->cpuid (v->cpu, 1, 0, out);
  return out[1] >> 24;
}

static bool
make (KvmVcpu *v, GError **error)
{
  Kvm *k = v->kvm;
  unsigned index = bp_vcpu_index (v->vcpu), id = apic_id (v);
  if (v->is_bootstrap && id != 0)
    kvm_ioctl (k->vm, KVM_SET_BOOT_CPU_ID, (void *) (uintptr_t) id);
  v->fd = kvm_ioctl (k->vm, KVM_CREATE_VCPU, (void *) (uintptr_t) id);
  if (v->fd < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "KVM makes no vCPU %u with APIC ID %u: %s (it takes %d vCPUs)", index, id, g_strerror (-v->fd),
                 MAX (kvm_has (k, KVM_CAP_MAX_VCPUS), 1));
    return false;
  }
  int size = kvm_ioctl (k->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
  void *run = size > 0 ? mmap (NULL, (size_t) size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0) : MAP_FAILED;
  if (run == MAP_FAILED) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot map vCPU %u of KVM: %s", index, g_strerror (size < 0 ? -size : errno));
    return false;
  }
  v->run = run;
  v->run_size = (size_t) size;
  return true;
}

bool
kvm_vcpu_init (Kvm *k, BpVcpu *vcpu, GError **error)
{
  KvmVcpu *v = g_new0 (KvmVcpu, 1);
  v->kvm = k;
  v->vcpu = vcpu;
  v->fd = -1;
  v->dirty = true;
  g_ptr_array_add (k->vcpus, v);
  if (take_object (v, error) && make (v, error) && kvm_cpuid_set (v, error)) {
    kvm_late_map (v);
    return true;
  }
  kvm_vcpu_finish (v);
  return false;
}

void
kvm_vcpu_finish (KvmVcpu *v)
{
  g_ptr_array_remove (v->kvm->vcpus, v);
  kvm_late_unmap (v);
  if (v->run)
    munmap (v->run, v->run_size);
  if (v->fd >= 0)
    close (v->fd);
  g_free (v);
}
