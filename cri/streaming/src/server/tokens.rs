//! What addresses are made of: 128 random bits that stand for a request, once and not for long.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::Instant;

use super::request::RequestError;

/// Requests that wait for their client.
pub(crate) struct Tokens<T> {
    lifetime: Duration,
    most: usize,
    waiting: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    requests: HashMap<String, (Instant, T)>,
    /// Oldest first. Has those that are taken too, until their time is over.
    order: VecDeque<(Instant, String)>,
}

impl<T> Tokens<T> {
    pub fn new(lifetime: Duration, most: usize) -> Self {
        let waiting = Waiting { requests: HashMap::new(), order: VecDeque::new() };
        Self { lifetime, most, waiting: Mutex::new(waiting) }
    }

    /// A token for a request.
    pub fn insert(&self, request: T) -> Result<String, RequestError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|_| RequestError::Random)?;
        let token = URL_SAFE_NO_PAD.encode(bits);
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((expires, token)) = waiting.order.front() {
            if *expires > now && waiting.requests.contains_key(token) {
                break;
            }
            if let Some((_, token)) = waiting.order.pop_front() {
                waiting.requests.remove(&token);
            }
        }
        if waiting.requests.len() >= self.most {
            return Err(RequestError::TooMany);
        }
        // Taken ones between older and newer ones that wait.
        if waiting.order.len() >= 2 * self.most.max(8) {
            let Waiting { requests, order } = &mut *waiting;
            order.retain(|(_, token)| requests.contains_key(token));
        }
        let expires = now + self.lifetime;
        waiting.order.push_back((expires, token.clone()));
        waiting.requests.insert(token.clone(), (expires, request));
        Ok(token)
    }

    /// The request behind a token that `fits`: no one gets it again.
    pub fn take(&self, token: &str, fits: impl FnOnce(&T) -> bool) -> Option<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (expires, request) = waiting.requests.remove(token)?;
        (expires > Instant::now() && fits(&request)).then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_works_once_and_for_its_time() {
        let tokens = Tokens::new(Duration::from_secs(60), 10);
        let (first, second) = (tokens.insert(1).unwrap(), tokens.insert(2).unwrap());
        assert!(first != second && first.len() == 22, "{first}");
        assert_eq!(tokens.take(&first, |_| true), Some(1));
        assert_eq!(tokens.take(&first, |_| true), None);
        assert_eq!(tokens.take("", |_| true), None);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(tokens.take(&second, |_| true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn row_09_only_so_many_wait_and_memory_is_bounded_too() {
        let tokens = Tokens::new(Duration::from_secs(60), 10);
        let held = tokens.insert(0).unwrap();
        for round in 0..1000 {
            let token = tokens.insert(round).unwrap();
            assert_eq!(tokens.take(&token, |_| true), Some(round));
        }
        assert!(tokens.waiting.lock().unwrap().order.len() <= 20);
        for number in 1..10 {
            tokens.insert(number).unwrap();
        }
        assert_eq!(tokens.insert(11), Err(RequestError::TooMany));
        assert_eq!(tokens.take(&held, |_| true), Some(0));
        tokens.insert(11).unwrap();
        tokio::time::sleep(Duration::from_secs(61)).await;
        for number in 0..10 {
            tokens.insert(number).unwrap();
        }
    }
}
