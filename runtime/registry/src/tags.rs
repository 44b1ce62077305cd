//! A repository's tags (OCI distribution-spec, "Listing Tags"): pages, each with a `Link` to the next.

use std::collections::{BTreeSet, HashSet};

use isopod_image::Reference;
use isopod_image::document::MAX_MANIFEST;
use serde::Deserialize;
use url::Url;

use crate::attempts::Attempts;
use crate::client::{Ask, Client, Operation};
use crate::endpoint::Endpoint;
use crate::error::Error;

/// What a page may weigh is not said anywhere; the limit of manifests is enough for some 30,000 tags.
const MAX_PAGE: u64 = MAX_MANIFEST;
/// More than any repository has; a server that goes on is not serious.
const MAX_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    /// Some servers say `null` for none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// The tags of `reference`'s repository, sorted, each once. Its own tag does not matter.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Protocol`] for a page that is none, a tag that breaks the grammar, or a next page
    /// that is on another server or has been there before.
    #[tracing::instrument(skip_all, fields(repository = %reference.name()))]
    pub async fn tags(&self, reference: &Reference) -> Result<Vec<String>, Error> {
        let mut attempts = Attempts::new(&self.inner, reference, Operation::Resolve, Vec::new())?;
        loop {
            match self.tags_at(attempts.endpoint(), reference).await {
                Ok(tags) => return Ok(tags),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    async fn tags_at(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
    ) -> Result<Vec<String>, Error> {
        let broken = |problem| Error::Protocol { host: endpoint.host.clone(), problem };
        let first = self.inner.transport.url(endpoint, "tags", "list")?;
        let mut all = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut next = Some(first.clone());
        while let Some(url) = next {
            if seen.len() == MAX_PAGES || !seen.insert(url.clone()) {
                return Err(broken("its list of tags never ends".to_owned()));
            }
            let (page, link) = self.page(endpoint, reference, url.clone()).await?;
            for tag in page.tags.unwrap_or_default() {
                reference
                    .with_tag(&tag)
                    .map_err(|_| broken(format!("it lists the tag {tag:?}, which can't be one")))?;
                all.insert(tag);
            }
            next = match link.as_deref().and_then(next_page) {
                None => None,
                Some(link) => Some(following(&url, link, endpoint).ok_or_else(|| {
                    broken("its list of tags goes on in a place that is not its own".to_owned())
                })?),
            };
        }
        Ok(all.into_iter().collect())
    }

    async fn page(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        url: Url,
    ) -> Result<(Page, Option<String>), Error> {
        let timeouts = self.inner.config().timeouts;
        let what = format!("the tags of {}", reference.name());
        let exchange = async {
            let ask = Ask::get(url, &what, "application/json");
            let answer = self.inner.get(endpoint, ask).await?;
            let (host, link) = (answer.host.clone(), answer.header("link").map(str::to_owned));
            let bytes = answer.body(&what, MAX_PAGE, timeouts.idle).await?;
            let page = serde_json::from_slice(&bytes).map_err(|source| Error::Protocol {
                host,
                problem: format!("its list of tags can't be read ({source})"),
            })?;
            Ok((page, link))
        };
        tokio::time::timeout(timeouts.document, exchange).await.map_err(|_| Error::Stalled {
            what: what.clone(),
            host: endpoint.host.clone(),
            idle: timeouts.document,
        })?
    }
}

/// What `<…>; rel="next"` leads to (RFC 8288).
fn next_page(header: &str) -> Option<&str> {
    header.split(",").find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(str::trim);
        parameters.any(|one| matches!(one, "rel=\"next\"" | "rel=next")).then_some(target)
    })
}

/// The next page's URL: of the very server that was asked, so that what belongs to it goes nowhere else.
fn following(from: &Url, link: &str, endpoint: &Endpoint) -> Option<Url> {
    let mut url = from.join(link).ok().filter(|url| url.origin() == from.origin())?;
    if let Some(namespace) = &endpoint.namespace
        && !url.query_pairs().any(|(name, _)| name == "ns")
    {
        url.query_pairs_mut().append_pair("ns", namespace);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        let next = "</v2/a/tags/list?n=2&last=b>; rel=\"next\"";
        assert_eq!(next_page(next), Some("/v2/a/tags/list?n=2&last=b"));
        assert_eq!(next_page(&format!("</x>; rel=\"prev\", {next}")), next_page(next));
        for none in ["", "</x>", "</x>; rel=\"prev\"", "/x; rel=\"next\""] {
            assert_eq!(next_page(none), None, "{none}");
        }
    }

    #[test]
    fn a_page_of_another_server_is_none() {
        let from = Url::parse("https://a.io/v2/b/tags/list").unwrap();
        let mut endpoint = Endpoint::upstream("a.io", "b");
        let page = |endpoint: &Endpoint, link| following(&from, link, endpoint).map(String::from);
        assert_eq!(
            page(&endpoint, "/v2/b/tags/list?last=x").as_deref(),
            Some("https://a.io/v2/b/tags/list?last=x")
        );
        for elsewhere in ["https://b.io/", "http://a.io/v2/b/tags/list", "//a.io:1/", "data:x"] {
            assert_eq!(page(&endpoint, elsewhere), None, "{elsewhere}");
        }
        endpoint.namespace = Some("docker.io".to_owned());
        let mirrored = page(&endpoint, "?last=x");
        assert_eq!(mirrored.as_deref(), Some("https://a.io/v2/b/tags/list?last=x&ns=docker.io"));
    }
}
