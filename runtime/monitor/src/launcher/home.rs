//! `HOME` for a program that isn't given one: the user's folder in the container's `/etc/passwd`, as other runtimes
//! find it. Read as a file: asking NSS would load libraries of the container's.

use std::path::Path;

use isopod_sys::root::Root;

/// More than this is no list of users (security.md, row 8).
const CAP: u64 = 1 << 20;

/// Adds `HOME` to the variables if there is none that says something. Called inside the container.
pub fn ensure(mut env: Vec<String>, uid: u32) -> Vec<String> {
    if env.iter().any(|variable| variable.strip_prefix("HOME=").is_some_and(|h| !h.is_empty())) {
        return env;
    }
    let passwd =
        Root::open(Path::new("/")).and_then(|root| root.read(Path::new("/etc/passwd"), CAP));
    let passwd = passwd.unwrap_or_default();
    let home = find(&String::from_utf8_lossy(&passwd), uid).unwrap_or_else(|| "/".to_owned());
    env.retain(|variable| variable != "HOME=");
    env.push(format!("HOME={home}"));
    env
}

/// The home folder of `uid` in the text of a passwd(5) file.
fn find(passwd: &str, uid: u32) -> Option<String> {
    let home = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields.get(5).map(|home| (*home).to_owned()))
    })??;
    (!home.is_empty()).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_of_the_user_counts() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33:www:/srv\nweb2:x:33:33::/no:\n";
        assert_eq!(find(passwd, 0).as_deref(), Some("/root"));
        assert_eq!(find(passwd, 33).as_deref(), Some("/srv"));
        assert_eq!(find(passwd, 34), None);
        assert_eq!(ensure(vec!["HOME=/x".to_owned()], 0), ["HOME=/x"]);
    }
}
