//! `[LOCAL_PORT:]REMOTE_PORT`.

/// A port here and one there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Here; 0 takes a free one.
    pub local: u16,
    /// In the pod.
    pub remote: u16,
}

impl Ports {
    /// Reads `80`, `8080:80`, `:80`.
    ///
    /// # Errors
    /// What is no port, or none in the pod.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (local, remote) = text.split_once(':').unwrap_or((text, text));
        let port = |text: &str| {
            text.parse::<u16>().map_err(|_| format!("{text:?} is no port (1 to 65535)"))
        };
        let local = if local.is_empty() { 0 } else { port(local)? };
        match port(remote)? {
            0 => Err("a pod has no port 0".to_owned()),
            remote => Ok(Self { local, remote }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of kubectl's reference for `port-forward`.
    #[test]
    fn ports_are_read_in_every_form() {
        let ports = |local, remote| Ok(Ports { local, remote });
        assert_eq!(Ports::parse("80"), ports(80, 80));
        assert_eq!(Ports::parse("8080:80"), ports(8080, 80));
        assert_eq!(Ports::parse(":80"), ports(0, 80));
        assert_eq!(Ports::parse("0:80"), ports(0, 80));
        for wrong in ["", ":", "80:", "http", "70000", "80:0", "0", "1:2:3", "-1"] {
            assert!(Ports::parse(wrong).is_err(), "{wrong}");
        }
    }
}
