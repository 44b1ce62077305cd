//! Properties of limits against those that systemd.resource-control(5) and runc have for them.

use super::*;
use serde_json::{Value as Json, json};

fn of(resources: Json) -> Vec<Property> {
    properties(&serde_json::from_value(resources).unwrap()).unwrap()
}

fn named(all: &[(&str, Value)]) -> Vec<Property> {
    all.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Names and conversions are in runc's docs/systemd.md, "Resource limits".
#[test]
fn limits_are_properties() {
    let all = of(json!({
        "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20},
        "cpu": {"shares": 1024, "quota": 20_000, "period": 50_000, "cpus": "0-1,9", "mems": "0"},
        "pids": {"limit": 17},
        "blockIO": {"weight": 100, "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}]},
    }));
    let expected = named(&[
        ("MemoryMax", Value::U64(64 << 20)),
        ("MemoryLow", Value::U64(32 << 20)),
        ("MemorySwapMax", Value::U64(32 << 20)),
        // The one default for the other.
        ("CPUWeight", Value::U64(100)),
        ("CPUQuotaPeriodUSec", Value::U64(50_000)),
        ("CPUQuotaPerSecUSec", Value::U64(400_000)),
        ("AllowedCPUs", Value::Bytes(vec![0b11, 0b10])),
        ("AllowedMemoryNodes", Value::Bytes(vec![1])),
        ("TasksMax", Value::U64(17)),
        // 1 + (100 - 10) * 9999 / 990
        ("IOWeight", Value::U64(910)),
        ("IOWriteBandwidthMax", Value::Rates(vec![("/dev/block/8:0".to_owned(), 1024)])),
    ]);
    assert_eq!(all, expected);
}

#[test]
fn no_limit_is_said_and_nothing_is_left_out() {
    let all = of(
        json!({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}),
    );
    let expected = named(&[
        ("MemoryMax", Value::U64(u64::MAX)),
        ("MemorySwapMax", Value::U64(u64::MAX)),
        ("CPUQuotaPerSecUSec", Value::U64(u64::MAX)),
        ("TasksMax", Value::U64(u64::MAX)),
    ]);
    assert_eq!(all, expected);
    let nothing =
        json!({"memory": {"limit": 0, "swap": 0}, "cpu": {"shares": 0}, "pids": {"limit": 0}});
    assert!(of(nothing).is_empty());
    // systemd has hundredths: what is less is rounded up, or the container would have less.
    let odd = of(json!({"cpu": {"quota": 12_345}}));
    assert_eq!(odd, named(&[("CPUQuotaPerSecUSec", Value::U64(130_000))]));
}

#[test]
fn files_of_version_2_by_their_names_win() {
    let all = of(json!({"memory": {"limit": 1 << 20}, "unified": {
        "memory.max": "2097152", "memory.high": "max", "cpu.max": "max 50000", "io.weight": "default 70",
        "hugetlb.2MB.max": "0",
    }}));
    let expected = named(&[
        ("CPUQuotaPeriodUSec", Value::U64(50_000)),
        ("CPUQuotaPerSecUSec", Value::U64(u64::MAX)),
        ("IOWeight", Value::U64(70)),
        ("MemoryHigh", Value::U64(u64::MAX)),
        ("MemoryMax", Value::U64(2 << 20)),
    ]);
    assert_eq!(all, expected);
}

#[test]
fn malformed_lists_are_refused() {
    for list in ["x", "3-1", "1-", "99999"] {
        let resources = serde_json::from_value(json!({"cpu": {"cpus": list}})).unwrap();
        assert!(properties(&resources).is_err(), "{list}");
    }
}

#[test]
fn what_is_no_longer_limited_is_reset() {
    let read = |value| serde_json::from_value(value).unwrap();
    let before = read(json!({
        "memory": {"limit": 1 << 20, "reservation": 1 << 19}, "cpu": {"cpus": "0"}, "pids": {"limit": 3},
    }));
    let after = read(json!({"pids": {"limit": 4}}));
    let expected = named(&[
        ("TasksMax", Value::U64(4)),
        ("MemoryMax", Value::U64(u64::MAX)),
        ("MemoryLow", Value::U64(0)),
        ("AllowedCPUs", Value::Bytes(Vec::new())),
    ]);
    assert_eq!(changes(&before, &after).unwrap(), expected);
}

/// The ends and the defaults are the specification's; 512 is what libcontainer writes to the kernel.
#[test]
fn shares_are_weights() {
    for (shares, weight) in
        [(0, 1), (2, 1), (512, 59), (1024, 100), (262_144, 10_000), (1 << 40, 10_000)]
    {
        assert_eq!(weight_of_shares(shares), weight, "{shares}");
    }
}
