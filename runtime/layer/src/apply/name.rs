//! Names of entries: where they lead inside the layer, and which of them are whiteouts.

use super::trouble::Refusal;

/// The kernel's PATH_MAX, with the NUL.
pub(super) const LONGEST_PATH: usize = 4096;
/// The kernel's NAME_MAX.
const LONGEST_NAME: usize = 255;

/// The names a path consists of, from the layer's root.
///
/// A leading slash means the root; `.` and empty names are nothing; `..` takes back the
/// name before it, as containerd and umoci read it.
pub(super) fn names(path: &[u8]) -> Result<Vec<&[u8]>, Refusal> {
    if path.contains(&0) {
        return Err(Refusal::Nul);
    }
    if path.len() >= LONGEST_PATH {
        return Err(Refusal::TooLong);
    }
    let mut names = Vec::with_capacity(16);
    for name in path.split(|&byte| byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop().ok_or(Refusal::Escapes)?;
            }
            _ if name.len() > LONGEST_NAME => return Err(Refusal::TooLong),
            _ => names.push(name),
        }
    }
    Ok(names)
}

/// What an entry's names say about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// The layer's root itself.
    Root,
    /// A file or folder of this name.
    Entry(&'a [u8]),
    /// `.wh.name`: this name is gone from lower layers.
    Whiteout(&'a [u8]),
    /// `.wh..wh..opq`: everything lower layers have in the folder is gone.
    Opaque,
    /// `.wh..wh.*`: written by aufs for itself.
    Aufs,
}

/// Tells what the entry of these names is, by the conventions of layer.md, "Whiteouts".
pub(super) fn meaning<'a>(names: &[&'a [u8]]) -> Result<Meaning<'a>, Refusal> {
    let Some((&last, parents)) = names.split_last() else { return Ok(Meaning::Root) };
    if names.iter().any(|name| name.starts_with(b".wh..wh.")) {
        let opaque = last == b".wh..wh..opq" && !parents.iter().any(|n| n.starts_with(b".wh."));
        return Ok(if opaque { Meaning::Opaque } else { Meaning::Aufs });
    }
    if parents.iter().any(|name| name.starts_with(b".wh.")) {
        return Err(Refusal::WhiteoutFolder);
    }
    match last.strip_prefix(b".wh.") {
        None => Ok(Meaning::Entry(last)),
        Some(b"" | b"." | b"..") => Err(Refusal::ImpossibleWhiteout),
        Some(hidden) => Ok(Meaning::Whiteout(hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_above_the_root() {
        assert_eq!(names(b"/../etc/passwd"), Err(Refusal::Escapes));
        assert_eq!(names(b"a/../../b"), Err(Refusal::Escapes));
        assert_eq!(names(b"a/../b//./c/").unwrap(), [&b"b"[..], b"c"]);
        assert_eq!(names(b"//etc/passwd").unwrap(), [&b"etc"[..], b"passwd"]);
        assert_eq!(names(b"./").unwrap(), Vec::<&[u8]>::new());
        assert_eq!(names(b"a\0b"), Err(Refusal::Nul));
        assert_eq!(names(&[b'a'; 256]), Err(Refusal::TooLong));
        assert_eq!(names(&b"a/".repeat(2048)), Err(Refusal::TooLong));
    }

    #[test]
    fn a_whiteout_hides_one_possible_name() {
        assert_eq!(meaning(&[b"a", b".wh.b"]), Ok(Meaning::Whiteout(b"b")));
        assert_eq!(meaning(&[b"a", b".wh..wh..opq"]), Ok(Meaning::Opaque));
        assert_eq!(meaning(&[b".wh..wh.plnk", b"1.2"]), Ok(Meaning::Aufs));
        assert_eq!(meaning(&[b".wh."]), Err(Refusal::ImpossibleWhiteout));
        assert_eq!(meaning(&[b".wh..."]), Err(Refusal::ImpossibleWhiteout));
        assert_eq!(meaning(&[b".wh.a", b"b"]), Err(Refusal::WhiteoutFolder));
        assert_eq!(meaning(&[b".wh.a", b".wh..wh..opq"]), Ok(Meaning::Aufs));
        assert_eq!(meaning(&[b"a.wh.b"]), Ok(Meaning::Entry(b"a.wh.b")));
    }
}
