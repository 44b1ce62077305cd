//! What libcontainer 0.7 reads differently from the runtime specification, put so that it
//! does what the specification says.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArgBuilder, LinuxSeccompOperator, Spec};

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
