//! Flags of `create`, `run` and `exec` that say what connects the new process with the caller.

use std::path::PathBuf;

use isopod_oci::request::Ends;

use super::Failure;
use crate::env;

/// The flags.
#[derive(Debug, clap::Args)]
pub struct EndsArgs {
    /// Socket that gets the master of the process's terminal
    #[arg(long, value_name = "PATH")]
    console_socket: Option<PathBuf>,
    /// File to write the process id to
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Pass on so many descriptors beside the standard streams and those of LISTEN_FDS
    #[arg(long, value_name = "N", default_value = "0")]
    preserve_fds: u32,
}

impl EndsArgs {
    /// What they mean; checks the descriptors, so it comes before any file is opened.
    pub fn check(self, detach: bool) -> Result<Ends, Failure> {
        // Those of somebody else are not to be passed on.
        let own = std::process::id().to_string();
        let given = env::text(env::LISTEN_PID).filter(|pid| *pid == own);
        let given = given.and_then(|_| env::text(env::LISTEN_FDS));
        let listen_fds = given
            .map_or(Ok(0), |text| text.parse())
            .map_err(|_| Failure::new(format!("{} is no number", env::LISTEN_FDS)))?;
        let absolute = |path: Option<PathBuf>| path.map(std::path::absolute).transpose();
        let some = |path: Option<PathBuf>| path.filter(|path| !path.as_os_str().is_empty());
        let ends = Ends {
            detach,
            console_socket: absolute(some(self.console_socket))?,
            pid_file: absolute(some(self.pid_file))?,
            preserve_fds: self.preserve_fds,
            listen_fds,
        };
        for number in 3..3 + u64::from(ends.inherited()) {
            let open = std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
            if !open || number > 1 << 20 {
                let of = ends.preserve_fds;
                return Err(Failure::new(format!(
                    "unable to pass on descriptor {number} (of {of}): it is not open"
                )));
            }
        }
        Ok(ends)
    }
}
