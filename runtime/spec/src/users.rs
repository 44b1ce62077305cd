//! Who a process runs as: `user[:group]` against `/etc/passwd` and `/etc/group` of an image.
//!
//! The files are hostile: they are read as regular files inside the root up to a cap
//! (security.md, row 8), lines that do not parse are skipped, and every number is parsed
//! once as 32 bits with nothing accepted beside (row 7). The rules follow moby's
//! `user.GetExecUser`; passwd(5), group(5).

use std::io;
use std::path::Path;

use isopod_sys::root::Root;

/// The largest `/etc/passwd` or `/etc/group` that is read, in bytes.
pub const FILE_CAP: u64 = 16 * 1024 * 1024;

/// Why a user cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// A file of the image cannot be read, is no regular file, or is too large.
    #[error("cannot read {path} of the image")]
    File {
        /// The path inside the image.
        path: &'static str,
        /// What reading it returned.
        source: io::Error,
    },
    /// Neither a name in the file nor a number.
    #[error("user {0:?} is not in the image's /etc/passwd")]
    UnknownUser(String),
    /// Neither a name in the file nor a number.
    #[error("group {0:?} is not in the image's /etc/group")]
    UnknownGroup(String),
    /// All digits, but no 32-bit id; 4294967295 means "unchanged" to the kernel and is none.
    #[error("id {0:?} is outside 0 to 4294967294")]
    OutOfRange(String),
    /// More than one colon, or a NUL or newline.
    #[error("user {0:?} is not of the form user[:group]")]
    Malformed(String),
}

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedUser {
    /// The user's number.
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// Supplementary groups, the primary one first, none twice.
    pub additional_gids: Vec<u32>,
    /// The home folder `/etc/passwd` names, else `/`.
    pub home: String,
    /// The name, where `/etc/passwd` has one.
    pub name: Option<String>,
}

struct PasswdEntry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct GroupEntry<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Resolves `user` (`name`, `uid`, either with `:group` or `:gid`; empty for uid 0) and the
/// names or numbers of `group_add` inside `root`.
///
/// A number that `/etc/passwd` does not know gets gid 0 and home `/`. Supplementary groups
/// of `/etc/group` apply when the user is known and no group is given. The primary group is
/// always among the additional ones, so that negative group permissions keep their meaning.
///
/// # Errors
/// See [`UserError`].
pub fn resolve(root: &Root, user: &str, group_add: &[String]) -> Result<ResolvedUser, UserError> {
    if user.matches(':').count() > 1 || user.contains(['\0', '\n']) {
        return Err(UserError::Malformed(user.to_owned()));
    }
    let (user_part, group_part) = match user.split_once(':') {
        Some((user, group)) => (user, group),
        None => (user, ""),
    };
    let passwd = read(root, "/etc/passwd")?;
    let mut resolved = find_user(&passwd, user_part)?;

    let group_file = if group_part.is_empty() && resolved.name.is_none() && group_add.is_empty() {
        Vec::new()
    } else {
        read(root, "/etc/group")?
    };
    let mut additional = Vec::new();
    if !group_part.is_empty() {
        resolved.gid = find_group(&group_file, group_part)?;
    } else if let Some(name) = &resolved.name {
        additional.extend(
            groups(&group_file)
                .filter(|group| group.members.split(',').any(|member| member == name))
                .map(|group| group.gid),
        );
    }
    for group in group_add {
        additional.push(find_group(&group_file, group)?);
    }
    resolved.additional_gids = vec![resolved.gid];
    for gid in additional {
        if !resolved.additional_gids.contains(&gid) {
            resolved.additional_gids.push(gid);
        }
    }
    Ok(resolved)
}

fn find_user(passwd: &[u8], wanted: &str) -> Result<ResolvedUser, UserError> {
    let number = if wanted.is_empty() { Some(0) } else { parse_id(wanted)? };
    let known = entries(passwd)
        .filter_map(parse_passwd)
        .find(|entry| (!wanted.is_empty() && entry.name == wanted) || Some(entry.uid) == number);
    match (known, number) {
        (Some(entry), _) => Ok(ResolvedUser {
            uid: entry.uid,
            gid: entry.gid,
            additional_gids: Vec::new(),
            // With a NUL in it no process could be given it.
            home: if entry.home.starts_with('/') && !entry.home.contains('\0') {
                entry.home
            } else {
                "/"
            }
            .to_owned(),
            name: Some(entry.name.to_owned()),
        }),
        (None, Some(uid)) => Ok(ResolvedUser {
            uid,
            gid: 0,
            additional_gids: Vec::new(),
            home: "/".to_owned(),
            name: None,
        }),
        (None, None) => Err(UserError::UnknownUser(wanted.to_owned())),
    }
}

fn find_group(file: &[u8], wanted: &str) -> Result<u32, UserError> {
    let number = parse_id(wanted)?;
    groups(file)
        .find(|group| group.name == wanted)
        .map(|group| group.gid)
        .or(number)
        .ok_or_else(|| UserError::UnknownGroup(wanted.to_owned()))
}

/// A number (`None` when the text is a name): only ASCII digits, at most 4294967294.
fn parse_id(text: &str) -> Result<Option<u32>, UserError> {
    let signed = text.strip_prefix(['+', '-']).is_some_and(is_digits);
    if !signed && !is_digits(text) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if !signed && id != u32::MAX => Ok(Some(id)),
        _ => Err(UserError::OutOfRange(text.to_owned())),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read(root: &Root, path: &'static str) -> Result<Vec<u8>, UserError> {
    match root.read(Path::new(path), FILE_CAP) {
        Ok(bytes) => Ok(bytes),
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(source) => Err(UserError::File { path, source }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn entries(file: &[u8]) -> impl Iterator<Item = &str> {
    file.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn parse_passwd(line: &str) -> Option<PasswdEntry<'_>> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = parse_id(fields.next()?).ok()??;
    let gid = parse_id(fields.next()?).ok()??;
    let _comment = fields.next();
    let home = fields.next().unwrap_or("");
    Some(PasswdEntry { name, uid, gid, home })
}

fn groups(file: &[u8]) -> impl Iterator<Item = GroupEntry<'_>> {
    entries(file).filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let gid = parse_id(fields.next()?).ok()??;
        Some(GroupEntry { name, gid, members: fields.next().unwrap_or("") })
    })
}

#[cfg(test)]
mod tests;
