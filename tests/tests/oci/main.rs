//! What the OCI runtime specification promises a bundle, asked of each runtime through its command line and
//! read back from inside the container or from the kernel.
//!
//! A case states facts and what each should be: the specification's words, or the kernel's own manual. Every
//! runtime of [`runtime::Runtime`] runs every case. Where one sees something else, a line of `tests/oci/differences.tsv`
//! says what and why; a difference without a line fails, and so does a line without a difference.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod bundle;
mod cgroups;
mod cgroups_v2;
mod confinement;
mod devices;
mod facts;
mod files;
mod hooks;
mod lifecycle;
mod mounts;
mod namespaces;
mod process;
mod runtime;
mod seccomp;
mod terminals;

/// A test of every case for every runtime, and the names of all.
macro_rules! cases {
    ($($group:ident: $($case:ident)*;)*) => {
        cases!(@runtime crun Crun: $($group: $($case)*;)*);
        cases!(@runtime runc Runc: $($group: $($case)*;)*);
        cases!(@runtime isopod Isopod: $($group: $($case)*;)*);

        const CASES: &[&str] =
            &[$($(concat!(stringify!($group), "::", stringify!($case)),)*)*];
    };
    (@runtime $name:ident $runtime:ident: $($group:ident: $($case:ident)*;)*) => {
        mod $name {
            $(mod $group {
                $(#[test]
                fn $case() {
                    crate::facts::hold(
                        crate::runtime::Runtime::$runtime,
                        concat!(stringify!($group), "::", stringify!($case)),
                        crate::$group::$case,
                    );
                })*
            })*
        }
    };
}

cases! {
    namespaces: own joined_network joined_pid the_hosts users_are_mapped users_and_their_mounts mounts_mapped_by_a_word
        mounts_mapped_for_the_hosts_users mounts_mapped_recursively mounts_that_cannot_be_mapped hostname_and_domainname sysctls;
    mounts: options tmpfs binds propagation recursive_read_only rootfs_read_only rootfs_propagation order links_stay_inside missing_source;
    cgroups: memory swap_and_reservation cpu cpus pids block_io path update freezer devices
        by_file;
    seccomp: errno_and_its_number arguments kill_and_log allow_list;
    confinement: capabilities capabilities_of_a_user ambient no_new_privileges masked_and_read_only_paths;
    devices: usual asked_for;
    process: user_and_groups umask working_directory missing_working_directory environment rlimits
        oom_score personality arguments_as_they_are exit_status;
    files: descriptors_kept descriptors_closed;
    hooks: order_and_state failing_before_start failing_after_start environment_and_timeout;
    lifecycle: states pid_file kill_and_signals delete_needs_an_end ids exec exec_process out_of_memory bad_bundles;
    terminals: console_socket size exec_with_a_terminal;
}

#[test]
fn each_line_of_the_table_is_about_a_case() {
    facts::check_table(CASES);
}
