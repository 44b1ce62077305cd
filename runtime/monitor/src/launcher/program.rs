//! Finding the program that a process is to execute, inside the container.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::message::ErrorKind;
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Where programs are looked for when the environment doesn't say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program can't be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("exec: {name:?}: {reason}")]
pub struct ProgramError {
    /// As it was asked for.
    pub name: String,
    /// In words.
    pub reason: String,
    /// Not found, not executable, or something else.
    pub kind: ErrorKind,
}

impl ProgramError {
    /// What the kernel said when it was asked to execute `name`.
    pub fn from_errno(name: &str, errno: Errno) -> Self {
        let (kind, reason) = match errno {
            Errno::NOENT => (ErrorKind::CommandNotFound, "no such file or directory".to_owned()),
            Errno::NOTDIR => (ErrorKind::CommandNotFound, "not a directory".to_owned()),
            Errno::ACCESS | Errno::PERM => {
                (ErrorKind::CommandNotExecutable, "permission denied".to_owned())
            }
            Errno::ISDIR => (ErrorKind::CommandNotExecutable, "is a directory".to_owned()),
            Errno::NOEXEC => (ErrorKind::CommandNotExecutable, "exec format error".to_owned()),
            other => (ErrorKind::Failed, other.to_string()),
        };
        Self { name: name.to_owned(), reason, kind }
    }
}

/// The path to execute for `name`: itself if it has a slash, else the first executable file of that
/// name in `PATH` of `env`.
pub fn find(name: &str, env: &[String]) -> Result<PathBuf, ProgramError> {
    if name.contains('/') {
        return check(Path::new(name))
            .map(|()| name.into())
            .map_err(|e| ProgramError::from_errno(name, e));
    }
    let path = env.iter().find_map(|variable| variable.strip_prefix("PATH="));
    let mut best = None;
    for folder in std::env::split_paths(OsStr::new(path.unwrap_or(DEFAULT_PATH))) {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let candidate = folder.join(name);
        match check(&candidate) {
            Ok(()) if !name.is_empty() => return Ok(candidate),
            // A file that may not be executed hides nothing, but says more than "not found".
            Err(errno @ Errno::ACCESS) => best = Some(errno),
            _ => {}
        }
    }
    Err(match best {
        Some(errno) => ProgramError::from_errno(name, errno),
        None => ProgramError {
            name: name.to_owned(),
            reason: "executable file not found in $PATH".to_owned(),
            kind: ErrorKind::CommandNotFound,
        },
    })
}

fn check(path: &Path) -> Result<(), Errno> {
    let about = stat(path)?;
    if FileType::from_raw_mode(about.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn file(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_first_executable_in_the_path_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir_all(a.join("tool")).unwrap();
        fs::create_dir(&b).unwrap();
        file(&b.join("tool"), 0o755);
        file(&a.join("plain"), 0o644);
        let env = [format!("PATH={}:{}", a.display(), b.display())];
        assert_eq!(find("tool", &env).unwrap(), b.join("tool"));
        let error = find("plain", &env).unwrap_err();
        assert_eq!(error.kind, ErrorKind::CommandNotExecutable);
        assert_eq!(error.to_string(), "exec: \"plain\": permission denied");
        let error = find("absent", &env).unwrap_err();
        assert_eq!(error.kind, ErrorKind::CommandNotFound);
        assert_eq!(error.to_string(), "exec: \"absent\": executable file not found in $PATH");
        assert_eq!(find("", &env).unwrap_err().kind, ErrorKind::CommandNotFound);
        let slash = find(&a.to_string_lossy(), &env).unwrap_err();
        assert_eq!(slash.kind, ErrorKind::CommandNotExecutable);
    }
}
