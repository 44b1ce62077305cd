//! What libcontainer 0.7 reads differently from the runtime specification, put so that it
//! does what the specification says.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArgBuilder, LinuxSeccompOperator, Spec};

/// Takes the filter out of `spec`, for whoever assembles and loads it with
/// [`crate::seccomp::bpf`] instead of libcontainer: that saves milliseconds a start, and
/// libcontainer leaves the filter out of an exec anyway.
///
/// Loading one takes CAP_SYS_ADMIN or no-new-privileges, and libcontainer's executor runs
/// after it gave capabilities up: it must be told to keep them, and the loader drop them.
pub fn take_filter(spec: &mut Spec) -> Option<LinuxSeccomp> {
    let mut linux = spec.linux().clone()?;
    let filter = linux.seccomp().clone();
    linux.set_seccomp(None);
    spec.set_linux(Some(linux));
    filter
}

/// Rewrites `spec` for libcontainer 0.7, which for `SCMP_CMP_MASKED_EQ` takes `value` for
/// what is compared and `valueTwo` for the mask, where the specification (and runc) has
/// them the other way round. Without this the filter lets `clone(2)` make any namespace.
///
/// To be applied once, to the document libcontainer reads, and to no other.
pub fn adapt(spec: &mut Spec) {
    let Some(mut linux) = spec.linux().clone() else { return };
    if let Some(mut filter) = linux.seccomp().clone() {
        swap_masks(&mut filter);
        linux.set_seccomp(Some(filter));
    }
    spec.set_linux(Some(linux));
}

fn swap_masks(filter: &mut LinuxSeccomp) {
    let mut rules = filter.syscalls().clone().unwrap_or_default();
    for rule in &mut rules {
        let Some(mut arguments) = rule.args().clone() else { continue };
        for argument in &mut arguments {
            if argument.op() != LinuxSeccompOperator::ScmpCmpMaskedEq {
                continue;
            }
            *argument = LinuxSeccompArgBuilder::default()
                .index(argument.index())
                .value(argument.value_two().unwrap_or(0))
                .value_two(argument.value())
                .op(argument.op())
                .build()
                .expect("every field without a default is set");
        }
        rule.set_args(Some(arguments));
    }
    filter.set_syscalls(Some(rules));
}
