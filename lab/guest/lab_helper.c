// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * What this emulated machine lacks for kvm.ko and vfio_ap.ko to load.
 *
 * kvm.ko asks SCLP whether SIE has its second format, and vfio_ap.ko needs symbols of kvm.ko. No guest of this guest
 * is ever started, so it does no harm to say yes.
 *
 * Newer kernels export one function of kvm.ko only where vfio_ap is configured, which it is not in Debian's. It is
 * called for the interrupts of a running guest, so here it may always say no.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <asm/sclp.h>

#ifdef LAB_NEEDS_MEMSLOT
bool kvm_s390_is_gpa_in_memslot(struct kvm *kvm, gpa_t gpa)
{
	return false;
}
EXPORT_SYMBOL_GPL(kvm_s390_is_gpa_in_memslot);
#endif

static int __init lab_helper_init(void)
{
	sclp.has_sief2 = 1;
	return 0;
}

static void __exit lab_helper_exit(void)
{
	sclp.has_sief2 = 0;
}

module_init(lab_helper_init);
module_exit(lab_helper_exit);
MODULE_DESCRIPTION("Kernel lab: SIEF2 is there");
MODULE_LICENSE("Dual MIT/GPL");
