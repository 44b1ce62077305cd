//! Asking a runtime: connections that are made when they are needed, and calls that end in time.

use std::cell::OnceCell;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use isopod_cri_client::v1::image_service_client::ImageServiceClient;
use isopod_cri_client::v1::runtime_service_client::RuntimeServiceClient;
use isopod_cri_client::v1::{VersionRequest, VersionResponse};
use isopod_cri_client::{CallError, Connection, Endpoint, within};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::settings::{self, Settings};
use crate::commands;
use crate::context::Context;
use crate::error::Error;

/// The version that is asked for.
pub const CRI_VERSION: &str = "v1";
/// The first pause before connecting again, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];

/// See the module.
pub struct Session<'a> {
    /// The command's.
    pub context: &'a Context,
    /// What was settled.
    pub settings: Settings,
    executor: tokio::runtime::Runtime,
    runtime: OnceCell<Connection>,
    images: OnceCell<Connection>,
}

impl<'a> Session<'a> {
    /// Settles where and how; nothing is connected yet.
    ///
    /// # Errors
    /// See [`Settings::of`].
    pub fn new(context: &'a Context) -> Result<Self, Error> {
        let settings = Settings::of(context)?;
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Terminal { action: "cannot wait for answers", source })?;
        Ok(Self { context, settings, executor, runtime: OnceCell::new(), images: OnceCell::new() })
    }

    /// Pods and containers. What runs in [`Session::wait`] asks for it once before: connecting waits too.
    ///
    /// # Errors
    /// Nobody answers there.
    pub fn runtime(&self) -> Result<RuntimeServiceClient<Channel>, Error> {
        Ok(self.runtime_connection()?.runtime())
    }

    /// Images.
    ///
    /// # Errors
    /// Nobody answers there.
    pub fn images(&self) -> Result<ImageServiceClient<Channel>, Error> {
        let Some(endpoint) = &self.settings.images else {
            return Ok(self.runtime_connection()?.images());
        };
        if let Some(connection) = self.images.get() {
            return Ok(connection.images());
        }
        let connection = self.connect(endpoint)?;
        Ok(self.images.get_or_init(|| connection).images())
    }

    fn runtime_connection(&self) -> Result<&Connection, Error> {
        if let Some(connection) = self.runtime.get() {
            return Ok(connection);
        }
        let connection = match &self.settings.runtime {
            Some(endpoint) => self.connect(endpoint)?,
            None => self.find()?,
        };
        Ok(self.runtime.get_or_init(|| connection))
    }

    fn connect(&self, endpoint: &Endpoint) -> Result<Connection, Error> {
        let mut pause = PAUSES[0];
        let mut tried = 0;
        loop {
            tracing::debug!(%endpoint, "connecting");
            let error = match self.wait(Connection::open(endpoint, self.settings.read)) {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if self.settings.retries.is_some_and(|retries| tried >= retries) {
                return Err(error.into());
            }
            tracing::debug!(%error, ?pause, "trying again");
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSES[1]);
            tried += 1;
        }
    }

    /// The first of the usual places where a runtime answers; said aloud where it isn't ours.
    fn find(&self) -> Result<Connection, Error> {
        let places = settings::usual(self.context);
        let mut failures = Vec::new();
        for (index, endpoint) in places.iter().enumerate() {
            let answer = self.wait(async {
                let connection = Connection::open(endpoint, self.settings.read).await?;
                version(&connection, self.settings.read).await?;
                Ok(connection)
            });
            match answer {
                Ok(connection) => {
                    if index > 0 {
                        self.context.printer.warn(format_args!(
                            "no runtime endpoint is set: using {endpoint}, the first usual one that answers"
                        ));
                    }
                    return Ok(connection);
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "not there");
                    failures.push(error);
                }
            }
        }
        let listed: Vec<String> = places.iter().map(Endpoint::to_string).collect();
        let doing =
            format!("no runtime endpoint is set, and none of {} answers", listed.join(", "));
        let first: CallError = failures.swap_remove(0);
        Err(Error::doing(doing)(first))
    }

    /// Waits for anything.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.executor.block_on(future)
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// The call's.
    pub fn ask<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        self.wait(within(Some(self.settings.read), call))
    }

    /// The answer to a call that changes something.
    ///
    /// # Errors
    /// The call's.
    pub fn change<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        self.wait(within(Some(self.settings.change), call))
    }

    /// Does the same to each of several objects, all at once; what fails is said and the others go on.
    ///
    /// # Errors
    /// Output that can't be written.
    pub fn all_at_once<F>(
        &self,
        ids: &[String],
        act: impl Fn(String) -> F,
    ) -> Result<commands::Status, Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let outcomes = self.wait(futures_util::future::join_all(ids.iter().cloned().map(act)));
        let mut status = 0;
        for outcome in outcomes {
            match outcome {
                Ok(()) => {}
                Err(error @ Error::Output(_)) => return Err(error),
                Err(error) => {
                    self.context.report(&error);
                    status = error.status(1, 1);
                }
            }
        }
        Ok(status)
    }

    /// Says something that is no data.
    pub fn note(&self, text: impl Display) {
        self.context.printer.note(text);
    }
}

async fn version(connection: &Connection, limit: Duration) -> Result<VersionResponse, CallError> {
    let request = VersionRequest { version: CRI_VERSION.to_owned() };
    within(Some(limit), connection.runtime().version(request)).await
}
