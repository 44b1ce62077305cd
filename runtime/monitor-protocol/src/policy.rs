//! docker's restart policies: whether a container that has ended is started again, and after how long.
//!
//! The rules are those of docker's engine (`--restart` in its reference, and its restart manager): the pause
//! begins at [`FIRST`], doubles up to [`LONGEST`], and begins anew after a run of [`STABLE`] or more.

use std::time::Duration;

use crate::launch::Restart;

/// The first pause.
pub const FIRST: Duration = Duration::from_millis(100);
/// No pause is longer.
pub const LONGEST: Duration = Duration::from_secs(60);
/// A run that lasted this long makes the next pause the first again.
pub const STABLE: Duration = Duration::from_secs(10);

/// The end of a container, as far as policies ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status.
    pub code: i32,
    /// How long it ran.
    pub ran: Duration,
    /// How often a policy has started it since somebody did so by hand.
    pub restarts: u32,
    /// The pause before the last of these; zero if there was none.
    pub pause: Duration,
    /// Whether it was stopped by hand.
    pub is_stopped_by_hand: bool,
}

impl Restart {
    /// The pause before it is started again; `None`: it stays down.
    #[must_use]
    pub fn pause_after(self, ended: &Ended) -> Option<Duration> {
        let applies = match self {
            _ if ended.is_stopped_by_hand => false,
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure { max } => {
                ended.code != 0 && max.is_none_or(|max| max == 0 || ended.restarts < max)
            }
        };
        applies.then(|| match ended.pause {
            pause if pause.is_zero() || ended.ran >= STABLE => FIRST,
            pause => (pause * 2).min(LONGEST),
        })
    }

    /// Whether a boot starts it, if it has ever been started.
    #[must_use]
    pub fn applies_at_boot(self, is_stopped_by_hand: bool) -> bool {
        match self {
            Self::No | Self::OnFailure { .. } => false,
            Self::Always => true,
            Self::UnlessStopped => !is_stopped_by_hand,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: Ended = Ended {
        code: 1,
        ran: Duration::from_secs(1),
        restarts: 0,
        pause: Duration::ZERO,
        is_stopped_by_hand: false,
    };

    #[test]
    fn the_pause_doubles_from_100_ms_to_a_minute_and_begins_anew_after_ten_seconds() {
        let mut ended = ENDED;
        let mut pauses = Vec::new();
        for _ in 0..12 {
            ended.pause = Restart::Always.pause_after(&ended).unwrap();
            pauses.push(ended.pause.as_millis());
        }
        let expected =
            [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000];
        assert_eq!(pauses, expected);
        ended.ran = Duration::from_millis(9_999);
        assert_eq!(Restart::Always.pause_after(&ended), Some(LONGEST));
        ended.ran = Duration::from_secs(10);
        assert_eq!(Restart::Always.pause_after(&ended), Some(FIRST));
    }

    #[test]
    fn each_policy_asks_for_what_docker_says() {
        let restarts = |policy: Restart, change: fn(&mut Ended)| {
            let mut ended = ENDED;
            change(&mut ended);
            policy.pause_after(&ended).is_some()
        };
        let thrice = Restart::OnFailure { max: Some(3) };
        let failing = Restart::OnFailure { max: None };
        for (policy, on_failure, on_success) in [
            (Restart::No, false, false),
            (failing, true, false),
            (Restart::OnFailure { max: Some(0) }, true, false),
            (thrice, true, false),
            (Restart::Always, true, true),
            (Restart::UnlessStopped, true, true),
        ] {
            assert_eq!(restarts(policy, |_| ()), on_failure, "{policy:?}");
            assert_eq!(restarts(policy, |ended| ended.code = 0), on_success, "{policy:?}");
            assert!(!restarts(policy, |ended| ended.is_stopped_by_hand = true), "{policy:?}");
        }
        assert!(restarts(thrice, |ended| ended.restarts = 2));
        assert!(!restarts(thrice, |ended| ended.restarts = 3));
        assert!(restarts(failing, |ended| ended.restarts = 1000));
    }

    #[test]
    fn a_boot_starts_always_and_what_was_not_stopped() {
        assert!(Restart::Always.applies_at_boot(true));
        assert!(Restart::UnlessStopped.applies_at_boot(false));
        assert!(!Restart::UnlessStopped.applies_at_boot(true));
        assert!(!Restart::OnFailure { max: None }.applies_at_boot(false));
        assert!(!Restart::No.applies_at_boot(false));
    }
}
