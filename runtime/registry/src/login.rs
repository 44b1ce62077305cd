//! Whether a registry takes a credential, asked before it is kept (distribution-spec, "Checking if the
//! registry supports the specification": `GET /v2/`).

use isopod_image::Reference;
use reqwest::StatusCode;

use crate::client::{Ask, Client, Inner};
use crate::endpoint::Endpoint;
use crate::error::Error;

impl Client {
    /// Asks `registry` (`host[:port]`, or `docker.io`) whether the credential that the configuration has
    /// for it is right. Only the registry itself is asked, no mirror.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] where it is not; else see [`Error`].
    #[tracing::instrument(skip(self))]
    pub async fn log_in(&self, registry: &str) -> Result<(), Error> {
        let endpoint = self.inner.home_of(registry)?;
        let url = self.inner.transport.root(&endpoint)?;
        let what = "a login";
        let exchange = self.inner.exchange(&endpoint, Ask::get(url, what, "*/*"));
        let idle = self.inner.config().timeouts.document;
        let answer = tokio::time::timeout(idle, exchange).await.map_err(|_| Error::Stalled {
            what: what.to_owned(),
            host: endpoint.host.clone(),
            idle,
        })??;
        answer.one_of(what, &[StatusCode::OK]).await.map(drop)
    }
}

impl Inner {
    /// The server of a registry itself, with what is configured for it and without a repository.
    fn home_of(&self, registry: &str) -> Result<Endpoint, Error> {
        let unusable = || Error::NoEndpoint { registry: registry.to_owned(), operation: "log in" };
        // Hosts are configured for references; which repository plays no part.
        let any = Reference::parse(&format!("{registry}/a/b")).map_err(|_| unusable())?;
        if any.registry() != registry {
            return Err(unusable());
        }
        let endpoints = self.all_endpoints(&any)?;
        let own = endpoints.into_iter().rev().find(|endpoint| endpoint.namespace.is_none());
        let mut endpoint = own.ok_or_else(unusable)?;
        endpoint.repository.clear();
        Ok(endpoint)
    }
}
