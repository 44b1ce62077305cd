//! Signals by name or number, as `kill` and `--stop-signal` take them; signal(7).

/// The real-time signals of the C library's numbering: glibc keeps 32 and 33 to itself.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

/// The standard signals of x86 and ARM Linux, with their second names.
const TABLE: [(&str, u8); 36] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("RTMIN", RTMIN),
    ("RTMAX", RTMAX),
];

/// Why a signal is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown signal {0:?}")]
pub struct SignalError(pub String);

/// A signal's number, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

impl Signal {
    /// SIGTERM, what stopping sends unless told otherwise.
    pub const TERM: Self = Self(15);
    /// SIGKILL.
    pub const KILL: Self = Self(9);

    /// The number kill(2) takes.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// The name with its prefix, `SIGTERM`; `SIGRTMIN+n` for real-time signals.
    #[must_use]
    pub fn name(self) -> String {
        match TABLE.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => format!("SIG{name}"),
            None if self.0 >= RTMIN => format!("SIGRTMIN+{}", self.0 - RTMIN),
            None => self.0.to_string(),
        }
    }
}

/// Reads `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-1`.
///
/// # Errors
/// [`SignalError`]; 0 is none, it asks about a process and signals nothing.
pub fn parse(text: &str) -> Result<Signal, SignalError> {
    let unknown = || SignalError(text.to_owned());
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse() {
            Ok(number @ 1..=RTMAX) => Ok(Signal(number)),
            _ => Err(unknown()),
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = TABLE.iter().find(|(known, _)| *known == name) {
        return Ok(Signal(*number));
    }
    let offset = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<u8>().ok().filter(|n| *n <= RTMAX - RTMIN),
        false => None,
    };
    if let Some(offset) = name.strip_prefix("RTMIN+").and_then(offset) {
        return Ok(Signal(RTMIN + offset));
    }
    if let Some(offset) = name.strip_prefix("RTMAX-").and_then(offset) {
        return Ok(Signal(RTMAX - offset));
    }
    Err(unknown())
}

/// What stopping a container sends first: the request's signal, else the image's, else TERM.
///
/// # Errors
/// [`SignalError`] for whichever of the two is used.
pub fn for_stopping(request: Option<&str>, image: Option<&str>) -> Result<Signal, SignalError> {
    request.or(image.filter(|text| !text.is_empty())).map_or(Ok(Signal::TERM), parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_those_the_shell_lists() {
        // bash's own table, printed by its `kill -l`.
        let output = std::process::Command::new("bash").args(["-c", "kill -l"]).output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        let words: Vec<_> = listed.split_whitespace().collect();
        assert!(words.len() >= 62 * 2, "{listed}");
        for pair in words.chunks(2) {
            let number: i32 = pair[0].trim_end_matches(')').parse().unwrap();
            assert_eq!(parse(pair[1]).unwrap().number(), number, "{}", pair[1]);
        }
    }

    #[test]
    fn any_case_with_and_without_prefix_is_read() {
        for text in ["KILL", "kill", "SIGKILL", "sigKill", "9", "09"] {
            assert_eq!(parse(text), Ok(Signal::KILL), "{text}");
        }
        assert_eq!(parse("RTMIN+3").unwrap().number(), 37);
        assert_eq!(parse("sigrtmax-1").unwrap().number(), 63);
        for text in
            ["", "0", "65", "-9", "+9", "SIG", "SIGSIGKILL", "RTMIN+31", "RTMIN+", "RTMIN++1"]
        {
            assert_eq!(parse(text), Err(SignalError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn stopping_prefers_the_request_to_the_image() {
        assert_eq!(for_stopping(Some("INT"), Some("QUIT")).unwrap().name(), "SIGINT");
        assert_eq!(for_stopping(None, Some("QUIT")).unwrap().name(), "SIGQUIT");
        assert_eq!(for_stopping(None, Some("")), Ok(Signal::TERM));
        assert_eq!(for_stopping(None, None), Ok(Signal::TERM));
        assert!(for_stopping(None, Some("SIGNOTHING")).is_err());
    }

    proptest! {
        #[test]
        fn every_signal_is_read_back_from_its_name(number in 1u8..=64) {
            prop_assert_eq!(parse(&Signal(number).name()), Ok(Signal(number)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            if let Ok(signal) = parse(&text) {
                prop_assert!((1..=64).contains(&signal.number()));
            }
        }
    }
}
