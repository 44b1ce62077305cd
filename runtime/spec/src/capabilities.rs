//! Capability sets: names, the default fourteen, and what `--cap-add`, `--cap-drop` and
//! `--privileged` make of them (capabilities(7); runtime-spec, config.md, "Linux Process").

use std::fmt;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

/// Every capability this crate can name, at the index the kernel gives it.
const TABLE: [(&str, Capability); 41] = [
    ("CAP_CHOWN", Capability::Chown),
    ("CAP_DAC_OVERRIDE", Capability::DacOverride),
    ("CAP_DAC_READ_SEARCH", Capability::DacReadSearch),
    ("CAP_FOWNER", Capability::Fowner),
    ("CAP_FSETID", Capability::Fsetid),
    ("CAP_KILL", Capability::Kill),
    ("CAP_SETGID", Capability::Setgid),
    ("CAP_SETUID", Capability::Setuid),
    ("CAP_SETPCAP", Capability::Setpcap),
    ("CAP_LINUX_IMMUTABLE", Capability::LinuxImmutable),
    ("CAP_NET_BIND_SERVICE", Capability::NetBindService),
    ("CAP_NET_BROADCAST", Capability::NetBroadcast),
    ("CAP_NET_ADMIN", Capability::NetAdmin),
    ("CAP_NET_RAW", Capability::NetRaw),
    ("CAP_IPC_LOCK", Capability::IpcLock),
    ("CAP_IPC_OWNER", Capability::IpcOwner),
    ("CAP_SYS_MODULE", Capability::SysModule),
    ("CAP_SYS_RAWIO", Capability::SysRawio),
    ("CAP_SYS_CHROOT", Capability::SysChroot),
    ("CAP_SYS_PTRACE", Capability::SysPtrace),
    ("CAP_SYS_PACCT", Capability::SysPacct),
    ("CAP_SYS_ADMIN", Capability::SysAdmin),
    ("CAP_SYS_BOOT", Capability::SysBoot),
    ("CAP_SYS_NICE", Capability::SysNice),
    ("CAP_SYS_RESOURCE", Capability::SysResource),
    ("CAP_SYS_TIME", Capability::SysTime),
    ("CAP_SYS_TTY_CONFIG", Capability::SysTtyConfig),
    ("CAP_MKNOD", Capability::Mknod),
    ("CAP_LEASE", Capability::Lease),
    ("CAP_AUDIT_WRITE", Capability::AuditWrite),
    ("CAP_AUDIT_CONTROL", Capability::AuditControl),
    ("CAP_SETFCAP", Capability::Setfcap),
    ("CAP_MAC_OVERRIDE", Capability::MacOverride),
    ("CAP_MAC_ADMIN", Capability::MacAdmin),
    ("CAP_SYSLOG", Capability::Syslog),
    ("CAP_WAKE_ALARM", Capability::WakeAlarm),
    ("CAP_BLOCK_SUSPEND", Capability::BlockSuspend),
    ("CAP_AUDIT_READ", Capability::AuditRead),
    ("CAP_PERFMON", Capability::Perfmon),
    ("CAP_BPF", Capability::Bpf),
    ("CAP_CHECKPOINT_RESTORE", Capability::CheckpointRestore),
];

/// What a container gets unless told otherwise.
const DEFAULT: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// Why a capability request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CapabilityError {
    /// No such name.
    #[error("unknown capability {0:?}")]
    Unknown(String),
    /// The runtime cannot give what it does not hold.
    #[error("capability {0} cannot be added: the runtime does not hold it itself")]
    NotHeld(&'static str),
}

/// A set of capabilities, one bit each, numbered as the kernel numbers them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct CapabilitySet(u64);

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(iter: I) -> Self {
        iter.into_iter().fold(Self::default(), Self::with)
    }
}

impl CapabilitySet {
    /// The set a mask like `CapBnd` of `/proc/PID/status` means; bits this crate cannot
    /// name are dropped.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & ((1 << TABLE.len()) - 1))
    }

    /// The mask, as in `/proc/PID/status`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Everything up to the kernel's last capability, `/proc/sys/kernel/cap_last_cap`.
    #[must_use]
    pub const fn up_to(last: u32) -> Self {
        if last >= 63 { Self::from_bits(u64::MAX) } else { Self::from_bits((1 << (last + 1)) - 1) }
    }

    /// The fourteen a container gets unless told otherwise.
    #[must_use]
    pub fn container_default() -> Self {
        DEFAULT.into_iter().collect()
    }

    /// Whether `capability` is in the set.
    #[must_use]
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & Self::bit(capability) != 0
    }

    /// The set and `capability`.
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | Self::bit(capability))
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this one only.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The names, in the kernel's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        TABLE.iter().enumerate().filter(move |(i, _)| self.0 & (1 << i) != 0).map(|(_, (n, _))| *n)
    }

    fn bit(capability: Capability) -> u64 {
        let index = TABLE.iter().position(|(_, known)| *known == capability);
        1 << index.expect("the table holds every capability of oci-spec")
    }

    fn to_oci(self) -> Capabilities {
        TABLE
            .iter()
            .enumerate()
            .filter(|(i, _)| self.0 & (1 << i) != 0)
            .map(|(_, (_, capability))| *capability)
            .collect()
    }
}

/// One word of `--cap-add` or `--cap-drop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapabilityName {
    /// `ALL`.
    All,
    /// One of them.
    One(Capability),
}

/// Reads `NET_ADMIN`, `cap_net_admin` or `all`.
///
/// # Errors
/// [`CapabilityError::Unknown`].
pub fn parse(text: &str) -> Result<CapabilityName, CapabilityError> {
    let upper = text.trim().to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(CapabilityName::All);
    }
    TABLE
        .iter()
        .find(|(name, _)| upper == *name || name.strip_prefix("CAP_") == Some(&upper))
        .map(|(_, capability)| CapabilityName::One(*capability))
        .ok_or_else(|| CapabilityError::Unknown(text.to_owned()))
}

/// What a container may hold, from its request and what the runtime holds itself.
///
/// Dropping `ALL` leaves what is added by name, adding `ALL` leaves what is not dropped by
/// name, as docker has it; `privileged` adds `ALL`. `ALL` and the default are cut to what
/// the runtime holds; a capability asked for by name and not held is an error.
///
/// # Errors
/// An unknown name, or a named capability the runtime lacks.
pub fn grant(
    privileged: bool,
    add: &[String],
    drop: &[String],
    held: CapabilitySet,
) -> Result<CapabilitySet, CapabilityError> {
    let (add_all, added) = parse_list(add)?;
    let (drop_all, dropped) = parse_list(drop)?;
    let lacking = added.difference(held);
    if let Some(name) = lacking.names().next() {
        return Err(CapabilityError::NotHeld(name));
    }
    let granted = match (add_all || privileged, drop_all) {
        (true, _) => held.difference(dropped),
        (false, true) => added,
        (false, false) => {
            CapabilitySet::container_default().intersection(held).difference(dropped).union(added)
        }
    };
    Ok(granted)
}

fn parse_list(words: &[String]) -> Result<(bool, CapabilitySet), CapabilityError> {
    let mut all = false;
    let mut set = CapabilitySet::default();
    for word in words {
        match parse(word)? {
            CapabilityName::All => all = true,
            CapabilityName::One(capability) => set = set.with(capability),
        }
    }
    Ok((all, set))
}

/// The five sets of a process: inheritable and ambient always empty (security.md, row 6),
/// permitted and effective empty for everyone but uid 0, which is what execve(2) would
/// leave them without ambient capabilities anyway.
#[must_use]
pub fn for_process(granted: CapabilitySet, uid: u32) -> LinuxCapabilities {
    let active = if uid == 0 { granted } else { CapabilitySet::default() };
    LinuxCapabilitiesBuilder::default()
        .bounding(granted.to_oci())
        .effective(active.to_oci())
        .permitted(active.to_oci())
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()
        .expect("no field of this builder is required")
}

/// The bounding set of a process of a specification: what it was granted.
#[must_use]
pub fn granted_to(capabilities: Option<&LinuxCapabilities>) -> CapabilitySet {
    capabilities
        .and_then(|sets| sets.bounding().as_ref())
        .map(|bounding| bounding.iter().copied().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|w| (*w).to_owned()).collect()
    }

    fn everything() -> CapabilitySet {
        CapabilitySet::up_to(40)
    }

    #[test]
    fn the_table_is_in_the_order_of_the_kernel() {
        // linux/capability.h
        for (name, number) in [
            ("CAP_CHOWN", 0),
            ("CAP_SETPCAP", 8),
            ("CAP_SYS_ADMIN", 21),
            ("CAP_SETFCAP", 31),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(TABLE[number].0, name);
        }
        for (name, capability) in TABLE {
            assert_eq!(format!("CAP_{capability}"), name);
        }
    }

    #[test]
    fn the_default_is_the_mask_docker_containers_show() {
        // CapBnd of a process in a docker container with default settings.
        assert_eq!(CapabilitySet::container_default().bits(), 0x0000_0000_a804_25fb);
    }

    #[test]
    fn names_are_read_in_any_case_with_and_without_prefix() {
        for text in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"] {
            assert_eq!(parse(text), Ok(CapabilityName::One(Capability::NetAdmin)), "{text}");
        }
        assert_eq!(parse("All"), Ok(CapabilityName::All));
        for text in ["", "CAP_", "NET ADMIN", "CAP_CAP_KILL", "41"] {
            assert_eq!(parse(text), Err(CapabilityError::Unknown(text.to_owned())));
        }
    }

    #[test]
    fn add_and_drop_combine_as_docker_has_them() {
        let default = CapabilitySet::container_default();
        let kill = CapabilitySet::default().with(Capability::Kill);
        let admin = CapabilitySet::default().with(Capability::NetAdmin);
        for (add, drop, expected) in [
            (vec![], vec![], default),
            (vec!["NET_ADMIN"], vec![], default.union(admin)),
            (vec![], vec!["KILL"], default.difference(kill)),
            (vec!["KILL"], vec!["KILL"], default),
            (vec![], vec!["ALL"], CapabilitySet::default()),
            (vec!["NET_ADMIN"], vec!["ALL"], admin),
            (vec!["ALL"], vec!["KILL"], everything().difference(kill)),
            (vec!["ALL"], vec!["ALL"], everything()),
        ] {
            let granted = grant(false, &words(&add), &words(&drop), everything()).unwrap();
            assert_eq!(granted, expected, "--cap-add {add:?} --cap-drop {drop:?}");
        }
    }

    #[test]
    fn nothing_is_granted_that_the_runtime_lacks() {
        let held = everything().difference(CapabilitySet::default().with(Capability::SysResource));
        assert_eq!(grant(true, &[], &[], held), Ok(held));
        assert_eq!(grant(false, &words(&["ALL"]), &[], held), Ok(held));
        assert_eq!(
            grant(false, &words(&["SYS_RESOURCE"]), &[], held),
            Err(CapabilityError::NotHeld("CAP_SYS_RESOURCE"))
        );
    }

    #[test]
    fn inheritable_and_ambient_capabilities_are_always_empty() {
        for uid in [0, 1000] {
            let sets = for_process(everything(), uid);
            assert_eq!(sets.inheritable(), &Some(Capabilities::new()));
            assert_eq!(sets.ambient(), &Some(Capabilities::new()));
            assert_eq!(granted_to(Some(&sets)), everything());
            let active = if uid == 0 { everything() } else { CapabilitySet::default() };
            assert_eq!(sets.effective(), &Some(active.to_oci()));
            assert_eq!(sets.permitted(), &Some(active.to_oci()));
        }
    }

    proptest! {
        #[test]
        fn a_grant_never_exceeds_what_is_held(
            held: u64, add in proptest::collection::vec(0usize..41, 0..5),
            drop in proptest::collection::vec(0usize..42, 0..5), privileged: bool,
        ) {
            let held = CapabilitySet::from_bits(held);
            let add: Vec<_> = add.iter().map(|i| TABLE[*i].0.to_owned()).collect();
            let drop: Vec<_> =
                drop.iter().map(|i| TABLE.get(*i).map_or("ALL", |c| c.0).to_owned()).collect();
            if let Ok(granted) = grant(privileged, &add, &drop, held) {
                prop_assert_eq!(granted.difference(held), CapabilitySet::default());
            }
        }
    }
}
