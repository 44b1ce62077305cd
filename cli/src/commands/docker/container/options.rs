//! The options that `run` and `create` share, as docker spells them.

/// How the container is made.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Add an annotation to the container (KEY=VALUE)
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Attach to stdin, stdout or stderr only
    #[arg(short, long, value_name = "STREAM")]
    pub attach: Vec<String>,
    /// Share of the disks' time among containers that compete for it (10 to 1000)
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,
    /// Add a Linux capability, or ALL
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    pub cap_add: Vec<String>,
    /// Drop a Linux capability, or ALL
    #[arg(long, value_name = "CAP", value_delimiter = ',')]
    pub cap_drop: Vec<String>,
    /// Cgroup below which the container's is made, instead of the instance's
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
    /// Cgroup namespace: host or private
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Write the container's id to a file that does not exist yet
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<std::path::PathBuf>,
    /// Period of the CPU quota in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU in each period
    #[arg(long, value_name = "MICROSECONDS", allow_negative_numbers = true)]
    pub cpu_quota: Option<i64>,
    /// Weight among containers that compete for the CPU (1024 is usual)
    #[arg(short = 'c', long, value_name = "SHARES")]
    pub cpu_shares: Option<u64>,
    /// Number of CPUs, as in 1.5
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// CPUs that may be used, as in 0-3,5
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, as in 0-1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Give the container a device of the host (PATH[:PATH[:rwm]])
    #[arg(long, value_name = "DEVICE")]
    pub device: Vec<String>,
    /// Allow a device that no file stands for yet (TYPE MAJOR:MINOR RIGHTS)
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// The container's NIS domain name
    #[arg(long, value_name = "NAME")]
    pub domainname: Option<String>,
    /// Program that the command's words are arguments of; empty takes away the image's
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Set a variable (NAME=VALUE), or take it from here (NAME)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<std::path::PathBuf>,
    /// Add a group, by name or number
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// Shell command that tells whether the container works
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between two checks, as in 1m30s (30s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub health_interval: Option<String>,
    /// Failures in a row that make it unhealthy (3)
    #[arg(long, value_name = "NUMBER")]
    pub health_retries: Option<u32>,
    /// Time between two checks in the start period (5s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub health_start_interval: Option<String>,
    /// Time after a start in which failures don't count (0s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub health_start_period: Option<String>,
    /// Time that a check may take (30s)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub health_timeout: Option<String>,
    /// The container's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Run a small init as the first process, which reaps and passes signals on
    #[arg(long)]
    pub init: bool,
    /// Keep standard input open even if nobody is attached
    #[arg(short, long)]
    pub interactive: bool,
    /// IPC namespace: private, host, or container:NAME
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// Set a label (KEY=VALUE)
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Read labels from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub label_file: Vec<std::path::PathBuf>,
    /// Log driver: json-file, local or none
    #[arg(long, value_name = "DRIVER")]
    pub log_driver: Option<String>,
    /// Option of the log driver (max-size=10m, max-file=3, labels=, env=, tag=)
    #[arg(long, value_name = "KEY=VALUE")]
    pub log_opt: Vec<String>,
    /// Most memory, as in 64m
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Memory that is left to the container when the host runs short
    #[arg(long, value_name = "BYTES")]
    pub memory_reservation: Option<String>,
    /// Most memory and swap together; -1 for any amount of swap
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,
    /// How readily memory is swapped out (0 to 100; cgroup v1)
    #[arg(long, value_name = "PERCENT")]
    pub memory_swappiness: Option<u64>,
    /// Mount something (type=bind|volume|tmpfs,source=…,target=…)
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<String>,
    /// The container's name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub networking: super::networking::Networking,
    /// Don't check its health, whatever the image says
    #[arg(long)]
    pub no_healthcheck: bool,
    /// Let processes wait for memory instead of killing one (cgroup v1)
    #[arg(long)]
    pub oom_kill_disable: bool,
    /// Preference of the kernel's out-of-memory killer (-1000 to 1000)
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub oom_score_adj: Option<i32>,
    /// Process id namespace: private, host, or container:NAME
    #[arg(long, value_name = "MODE")]
    pub pid: Option<String>,
    /// Most processes; -1 for any number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// Platform of the image (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Give the container every right and device
    #[arg(long)]
    pub privileged: bool,
    /// When to pull the image: always, missing or never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub pull: String,
    /// Show no progress of a pull
    #[arg(short, long)]
    pub quiet: bool,
    /// Mount the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// When to start it again: no, on-failure[:NUMBER], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Remove the container and its unnamed volumes when it has ended
    #[arg(long)]
    pub rm: bool,
    /// no-new-privileges, seccomp=FILE|unconfined, apparmor=PROFILE, systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Size of /dev/shm, as in 64m
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// Signal that `stop` sends
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds that `stop` waits before it kills; -1 for ever
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub stop_timeout: Option<i64>,
    /// Set a namespaced kernel parameter (NAME=VALUE)
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
    /// Mount a tmpfs (PATH[:OPTIONS])
    #[arg(long, value_name = "PATH")]
    pub tmpfs: Vec<String>,
    /// Give the container a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Limit of a resource (nofile=1024:2048)
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// User, and group, by name or number (USER[:GROUP])
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// User namespace: host (default), or auto[:size=N] for one with ids of its own
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// UTS namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Mount a folder or volume (SOURCE:TARGET[:OPTIONS])
    #[arg(short, long, value_name = "VOLUME")]
    pub volume: Vec<String>,
    /// Mount what another container mounts (CONTAINER[:ro|rw])
    #[arg(long, value_name = "CONTAINER")]
    pub volumes_from: Vec<String>,
    /// Working directory
    #[arg(short, long, value_name = "PATH")]
    pub workdir: Option<String>,
}

impl Options {
    /// Takes what is given and empty for not given, as docker does: scripts write `--name "$NAME"`.
    pub fn forget_empty(&mut self) {
        for value in [
            &mut self.domainname,
            &mut self.hostname,
            &mut self.log_driver,
            &mut self.name,
            &mut self.networking.mac_address,
            &mut self.platform,
            &mut self.stop_signal,
            &mut self.workdir,
        ] {
            value.take_if(|value| value.is_empty());
        }
    }
}
