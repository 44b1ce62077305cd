//! Pulling and pushing as the command lines ask for it: names expanded by the machine's configuration,
//! registries and credentials gathered from flags, environment and files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isopod_image::{Platform, Reference};
use isopod_registry::Config;
use isopod_registry::auth::Credential;
use isopod_runtime::image::{Image, PullOptions, Push, PushOptions, PushedPlatforms};

use crate::context::Context;
use crate::env;
use crate::error::Error;
use crate::progress::Watcher;

/// Layers downloaded at once unless told otherwise: enough for two cores and a network.
const CONCURRENCY: usize = 6;

/// What a command line says about one pull, beyond the instance's configuration.
#[derive(Debug, Clone)]
pub struct Request {
    /// The platform to unpack.
    pub platform: Platform,
    /// Fetch every platform of an index.
    pub all_platforms: bool,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Layers at once.
    pub max_concurrent: Option<usize>,
    /// Whether an image that loses its last name to the new one stays without a name, as with docker.
    pub keep_replaced: bool,
    /// How to talk to the reference's own registry.
    pub access: Access,
}

/// ctr's flags about a registry.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// `user[:password]`.
    pub user: Option<String>,
    /// Plain HTTP.
    pub plain_http: bool,
    /// No check of certificates.
    pub skip_verify: bool,
    /// Folders with `hosts.toml`, instead of the configured ones.
    pub hosts_dirs: Vec<PathBuf>,
}

impl Request {
    /// docker's usual one.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            all_platforms: false,
            labels: BTreeMap::new(),
            max_concurrent: None,
            keep_replaced: true,
            access: Access::default(),
        }
    }
}

/// The images that a name as typed may mean, in the order in which to try them.
///
/// # Errors
/// The name breaks the grammar; `registries.conf` can't be used.
pub fn expand(context: &Context, typed: &str) -> Result<Vec<Reference>, Error> {
    config(context)?.hosts.registries.expand(typed).map_err(Error::argument)
}

/// Pulls the first of `references` that its registry has.
///
/// # Errors
/// The last one's, or the first that says more than that the image is not there.
pub fn pull(
    context: &Context,
    references: &[Reference],
    request: &Request,
    watcher: &Watcher,
) -> Result<Image, Error> {
    let runtime = context.runtime()?;
    let mut last = None;
    for reference in references {
        let options = options(context, request, reference)?;
        match runtime.images().pull(reference, &options, watcher.progress()) {
            Err(error) if error.kind() == isopod_runtime::ErrorKind::NotFound => last = Some(error),
            other => return Ok(other?),
        }
    }
    Err(last.expect("a name expands to one reference or more").into())
}

/// Every tag of the first of `references`' repositories that its registry has.
///
/// # Errors
/// As [`pull`].
pub fn all_tags(
    context: &Context,
    references: &[Reference],
    request: &Request,
) -> Result<Vec<Reference>, Error> {
    let images = context.runtime()?.images();
    let mut last = None;
    for reference in references {
        let registry = for_registry(context, &request.access, reference.registry())?;
        match images.tags_at_registry(reference, registry) {
            Err(error) if error.kind() == isopod_runtime::ErrorKind::NotFound => last = Some(error),
            tags => {
                let tagged = tags?.into_iter().map(|tag| reference.with_tag(&tag));
                return tagged.collect::<Result<_, _>>().map_err(Error::argument);
            }
        }
    }
    Err(last.expect("a name expands to one reference or more").into())
}

/// Sends an image to the registry of `to`.
///
/// # Errors
/// Something of it is not here; the registry's.
pub fn push(
    context: &Context,
    image: &Image,
    to: &Reference,
    request: &PushRequest,
    watcher: &Watcher,
) -> Result<Push, Error> {
    let options = PushOptions {
        platforms: request.platforms.clone(),
        max_concurrent: request.max_concurrent.unwrap_or(CONCURRENCY),
        registry: for_registry(context, &request.access, to.registry())?,
    };
    Ok(context.runtime()?.images().push(image, to, &options, watcher.progress())?)
}

/// What a command line says about one push.
#[derive(Debug, Clone, Default)]
pub struct PushRequest {
    /// Which platforms.
    pub platforms: PushedPlatforms,
    /// Blobs at once.
    pub max_concurrent: Option<usize>,
    /// How to talk to the registry.
    pub access: Access,
}

fn options(
    context: &Context,
    request: &Request,
    reference: &Reference,
) -> Result<PullOptions, Error> {
    Ok(PullOptions {
        platform: request.platform.clone(),
        all_platforms: request.all_platforms,
        unpack: true,
        max_concurrent: request
            .max_concurrent
            .or(context.max_concurrent_downloads)
            .unwrap_or(CONCURRENCY),
        labels: request.labels.clone(),
        keep_replaced: request.keep_replaced,
        registry: for_registry(context, &request.access, reference.registry())?,
    })
}

/// The configuration, with what the command line says about `host`.
fn for_registry(context: &Context, access: &Access, host: &str) -> Result<Config, Error> {
    let Access { user, plain_http, skip_verify, hosts_dirs } = access;
    let mut registry = config(context)?;
    let host = host.to_owned();
    if *plain_http {
        registry.hosts.plain_http.push(host.clone());
    }
    if *skip_verify {
        registry.hosts.skip_verify.push(host.clone());
    }
    if !hosts_dirs.is_empty() {
        registry.hosts.roots.clone_from(hosts_dirs);
    }
    if let Some(user) = user {
        registry.credentials.explicit.push((host, credential(user)?));
    }
    Ok(registry)
}

/// Registries as flags, environment and files describe them.
///
/// # Errors
/// A file or variable can't be used.
pub fn config(context: &Context) -> Result<Config, Error> {
    let mut config =
        Config::from_environment(env::of_registries, Path::new("/etc")).map_err(Error::argument)?;
    if let Some(dirs) = &context.hosts_dirs {
        config.hosts.roots.clone_from(dirs);
    }
    if let Some(idle) = context.download_idle_timeout {
        config.timeouts.idle = idle;
    }
    Ok(config)
}

/// How many servers would be asked for `reference`, in the order of the configuration.
///
/// # Errors
/// The configuration can't be read or understood.
pub fn servers(context: &Context, reference: &Reference) -> Result<usize, Error> {
    let endpoints = config(context)?.hosts.endpoints(reference).map_err(Error::argument)?;
    Ok(endpoints.len())
}

/// `user:password`; a password that is not given is read from nobody, unlike ctr, which asks.
fn credential(user: &str) -> Result<Credential, Error> {
    match user.split_once(':') {
        Some((user, password)) => {
            Ok(Credential::Password { user: user.to_owned(), password: password.to_owned() })
        }
        None => Err(Error::Value {
            what: "--user",
            value: user.to_owned(),
            reason: "give user:password".to_owned(),
        }),
    }
}
