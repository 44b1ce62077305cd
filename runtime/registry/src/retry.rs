//! How often and after which waits a request is tried again.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::error::Error;

/// Bounds of trying again. The wait doubles from `first_wait` to `longest_wait`, each
/// shortened at random by up to a half, so that many clients do not return at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often one server is asked in all, at least once.
    pub attempts: u32,
    /// Before the second attempt.
    pub first_wait: Duration,
    /// Between any two attempts.
    pub longest_wait: Duration,
    /// The longest `Retry-After` that is waited for.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
            longest_retry_after: Duration::from_secs(60),
        }
    }
}

/// The attempts at one server.
#[derive(Debug)]
pub(crate) struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Waits before the next attempt; `false` where there is to be none.
    pub(crate) async fn after(&mut self, error: &Error) -> bool {
        let Some(wait) = self.next_wait(error) else { return false };
        tracing::debug!(error = %error.in_one_line(), ?wait, "trying again");
        tokio::time::sleep(wait).await;
        true
    }

    /// Progress was made: what follows is a new trouble, not the old one.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    fn next_wait(&mut self, error: &Error) -> Option<Duration> {
        self.failures += 1;
        if !error.is_transient() || self.failures >= self.policy.attempts {
            return None;
        }
        if let Error::RateLimited { retry_after: Some(asked), .. } = error {
            return (*asked <= self.policy.longest_retry_after).then_some(*asked);
        }
        let doubled = 1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
        let wait = self.policy.first_wait.saturating_mul(doubled).min(self.policy.longest_wait);
        Some(wait.mul_f64(1.0 - 0.5 * random_fraction()))
    }
}

/// Between 0 and 1, from the keys that the standard library draws for its maps.
fn random_fraction() -> f64 {
    let bits = RandomState::new().hash_one(0u8) >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Error {
        Error::Unreachable { host: "h".into(), source: "gone".into() }
    }

    fn limited(seconds: u64) -> Error {
        let retry_after = Some(Duration::from_secs(seconds));
        Error::RateLimited { host: "h".into(), retry_after, message: Default::default() }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_end() {
        let policy = RetryPolicy { attempts: 9, ..RetryPolicy::default() };
        let mut backoff = Backoff::new(policy);
        let mut bound = policy.first_wait;
        for _ in 0..8 {
            let wait = backoff.next_wait(&broken()).unwrap();
            assert!(wait <= bound && wait >= bound / 2, "{wait:?} {bound:?}");
            bound = (bound * 2).min(policy.longest_wait);
        }
        assert_eq!(backoff.next_wait(&broken()), None);
    }

    #[test]
    fn a_final_answer_is_not_asked_for_again() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        let error = Error::Protocol { host: "h".into(), problem: "x".into() };
        assert_eq!(backoff.next_wait(&error), None);
    }

    #[test]
    fn the_servers_own_wait_is_kept_if_it_is_bearable() {
        let mut backoff = Backoff::new(RetryPolicy::default());
        assert_eq!(backoff.next_wait(&limited(7)), Some(Duration::from_secs(7)));
        assert_eq!(backoff.next_wait(&limited(61)), None);
    }
}
