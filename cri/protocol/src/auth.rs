//! Credentials are never shown: requests are logged.

use std::fmt;

use crate::v1::AuthConfig;

impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |text: &str| if text.is_empty() { "" } else { "[hidden]" };
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("password", &secret(&self.password))
            .field("auth", &secret(&self.auth))
            .field("server_address", &self.server_address)
            .field("identity_token", &secret(&self.identity_token))
            .field("registry_token", &secret(&self.registry_token))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::{AuthConfig, PullImageRequest};

    #[test]
    fn a_request_that_is_shown_hides_its_secrets() {
        let auth = AuthConfig {
            username: "ann".into(),
            password: "s3cret".into(),
            auth: "s3cret".into(),
            server_address: "registry.example".into(),
            identity_token: "s3cret".into(),
            registry_token: "s3cret".into(),
        };
        let request = PullImageRequest { auth: Some(auth), ..PullImageRequest::default() };
        let shown = format!("{request:?}");
        assert!(shown.contains("ann") && !shown.contains("s3cret"), "{shown}");
    }
}
