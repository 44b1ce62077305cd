//! Limits, and what is refused of them.

use proptest::prelude::*;

use super::*;
use crate::testing::host;

fn v2() -> Host {
    Host { cgroups: CgroupLayout::V2, ..host() }
}

fn built(resources: &Resources) -> LinuxResources {
    resources.to_oci(Vec::new(), &host()).unwrap()
}

fn refused(resources: &Resources) -> ResourceError {
    resources.to_oci(Vec::new(), &host()).unwrap_err()
}

#[test]
fn nothing_asked_for_limits_nothing() {
    let resources = built(&Resources::default());
    assert_eq!(resources.memory(), &None);
    assert_eq!(resources.cpu(), &None);
    assert_eq!(resources.pids(), &None);
    assert_eq!(resources.block_io(), &None);
}

#[test]
fn memory_alone_allows_as_much_swap_again() {
    let memory = Some(64 << 20);
    let limit = built(&Resources { memory, ..Default::default() }).memory().unwrap();
    assert_eq!((limit.limit(), limit.swap()), (Some(64 << 20), Some(128 << 20)));
    let swap = Resources { memory, memory_swap: Swap::Unlimited, ..Default::default() };
    assert_eq!(built(&swap).memory().unwrap().swap(), Some(-1));
    let swap = Resources { memory, memory_swap: Swap::Total(64 << 20), ..Default::default() };
    assert_eq!(built(&swap).memory().unwrap().swap(), Some(64 << 20));
}

#[test]
fn without_swap_accounting_a_swap_limit_is_refused_and_none_assumed() {
    let blind = Host { swap_accounting: false, ..host() };
    let memory = Resources { memory: Some(64 << 20), ..Default::default() };
    let limit = memory.to_oci(Vec::new(), &blind).unwrap().memory().unwrap();
    assert_eq!((limit.limit(), limit.swap()), (Some(64 << 20), None));
    let swap = Resources { memory_swap: Swap::Total(128 << 20), ..memory };
    assert_eq!(swap.to_oci(Vec::new(), &blind), Err(ResourceError::Unsupported("swap")));
}

#[test]
fn contradictions_and_values_the_kernel_refuses_are_refused_here() {
    let mib = 1 << 20;
    for resources in [
        Resources { memory: Some(6 * mib - 1), ..Default::default() },
        Resources { memory: Some(u64::MAX), ..Default::default() },
        Resources { memory_swap: Swap::Total(64 * mib), ..Default::default() },
        Resources {
            memory: Some(64 * mib),
            memory_swap: Swap::Total(63 * mib),
            ..Default::default()
        },
        Resources {
            memory: Some(64 * mib),
            memory_reservation: Some(65 * mib),
            ..Default::default()
        },
        Resources { memory_swappiness: Some(101), ..Default::default() },
        Resources { nano_cpus: Some(1), ..Default::default() },
        Resources { nano_cpus: Some(0), ..Default::default() },
        Resources { nano_cpus: Some(1), cpu_quota: Some(5000), ..Default::default() },
        Resources { cpu_quota: Some(-2), ..Default::default() },
        Resources { cpu_period: Some(999), ..Default::default() },
        Resources { cpu_shares: Some(1), ..Default::default() },
        Resources { blkio_weight: Some(9), ..Default::default() },
        Resources { hugetlb: vec![("2mb".into(), 1)], ..Default::default() },
        Resources { unified: vec![("memory.high".into(), "1".into())], ..Default::default() },
    ] {
        refused(&resources);
    }
}

#[test]
fn processors_become_a_quota_of_a_tenth_of_a_second() {
    let resources = built(&Resources { nano_cpus: Some(1_500_000_000), ..Default::default() });
    let cpu = resources.cpu().as_ref().unwrap();
    assert_eq!((cpu.quota(), cpu.period()), (Some(150_000), Some(100_000)));
}

#[test]
fn lists_of_processors_are_checked() {
    for (list, fine) in [
        ("0", true),
        ("0-3,7", true),
        ("0,1,2", true),
        ("3-1", false),
        ("0,", false),
        ("-1", false),
        ("0 1", false),
        ("a", false),
        ("99999", false),
        ("0\n", false),
    ] {
        let resources = Resources { cpuset_cpus: Some(list.to_owned()), ..Default::default() };
        assert_eq!(resources.to_oci(Vec::new(), &host()).is_ok(), fine, "{list:?}");
    }
}

#[test]
fn processors_that_are_not_there_are_refused_by_number() {
    let error = |cpus: &str, host: &Host| {
        let resources = Resources { cpuset_cpus: Some(cpus.to_owned()), ..Default::default() };
        resources.to_oci(Vec::new(), host).err().map(|error| error.to_string())
    };
    let two = Host { processors: Some("0-1".to_owned()), ..host() };
    let told = "processors 0,17 are not all there: this machine has 0-1";
    assert_eq!(error("0,17", &two).as_deref(), Some(told));
    assert_eq!(error("0-1", &two), None);
    let holes = Host { processors: Some("0,2-3".to_owned()), ..host() };
    assert!(error("0-2", &holes).is_some());
    assert_eq!(error("0,3", &holes), None);
    // What a kernel does not say is left to the kernel.
    assert_eq!(error("17", &Host { processors: None, ..host() }), None);
}

#[test]
fn files_of_cgroup_v2_are_allow_listed() {
    let resources = |key: &str| Resources {
        unified: vec![(key.to_owned(), "max".to_owned())],
        ..Default::default()
    };
    assert!(resources("memory.high").to_oci(Vec::new(), &v2()).is_ok());
    for key in [
        "cgroup.procs",
        "cgroup.kill",
        "memory",
        "memory/../cgroup.procs",
        "../memory.high",
        "memory..high",
        "devices.allow",
        "memory.high\n",
    ] {
        let error = resources(key).to_oci(Vec::new(), &v2()).unwrap_err();
        assert_eq!(error, ResourceError::Unified(key.to_owned()));
    }
}

proptest! {
    #[test]
    fn no_request_panics_and_swap_never_lies_below_memory(
        memory: Option<u64>, total: u64, reservation: Option<u64>, nano: Option<u64>,
        quota: Option<i64>, pids: Option<i64>, list in "[0-9,\\-]{0,8}",
    ) {
        let resources = Resources {
            memory, memory_swap: Swap::Total(total), memory_reservation: reservation,
            nano_cpus: nano, cpu_quota: quota, pids_limit: pids, cpuset_cpus: Some(list),
            ..Default::default()
        };
        if let Ok(built) = resources.to_oci(Vec::new(), &host()) {
            let memory = built.memory().unwrap();
            prop_assert!(memory.swap() >= memory.limit());
        }
    }
}

/// The specification's own name for it is `disableOOMKiller`; version 2 has no file that it could go to.
#[test]
fn the_out_of_memory_killer_is_switched_off_on_cgroup_v1_only() {
    let waits = Resources { oom_kill_disable: true, ..Default::default() };
    let text = serde_json::to_value(built(&waits)).unwrap();
    assert_eq!(text["memory"]["disableOOMKiller"], true);
    let error = waits.to_oci(Vec::new(), &v2()).unwrap_err().to_string();
    assert!(error.contains("cgroup v2"), "{error}");
}
