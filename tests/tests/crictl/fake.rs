//! A CRI server on a socket, that answers what a test says and keeps what it was asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream, StreamExt as _};
use isopod_cri_protocol::v1::image_service_server::{ImageService, ImageServiceServer};
use isopod_cri_protocol::v1::runtime_service_server::{RuntimeService, RuntimeServiceServer};
use isopod_cri_protocol::v1::*;
use isopod_tests::passable;
use prost::Message;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use crate::client::{Told, crictl, told};

type Bytes = Vec<u8>;
type Answer = Box<dyn Fn(&[u8]) -> Result<Vec<Bytes>, Status> + Send + Sync>;
type Future<'a, T> =
    Pin<Box<dyn std::future::Future<Output = Result<Response<T>, Status>> + Send + 'a>>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Default)]
struct Script {
    answers: HashMap<&'static str, Answer>,
    /// Calls that never have an answer.
    hanging: Vec<&'static str>,
    asked: Mutex<Vec<(&'static str, Bytes)>>,
}

/// What the server will say.
#[derive(Default)]
pub struct Fake(Script);

/// The server, until it is dropped.
pub struct Running {
    folder: TempDir,
    script: Arc<Script>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Fake {
    /// Answers a call (by its name in Rust) with this.
    pub fn with<R: Message>(self, call: &'static str, answer: R) -> Self {
        let bytes = answer.encode_to_vec();
        self.on(call, move |_| Ok(vec![bytes.clone()]))
    }

    /// Answers a call with a failure.
    pub fn failing(self, call: &'static str, status: Status) -> Self {
        self.on(call, move |_| Err(status.clone()))
    }

    /// Answers a call with several messages, one after the other.
    pub fn streaming<R: Message>(self, call: &'static str, answers: &[R]) -> Self {
        let bytes: Vec<Bytes> = answers.iter().map(Message::encode_to_vec).collect();
        self.on(call, move |_| Ok(bytes.clone()))
    }

    /// Leaves a call without an answer.
    pub fn hanging(mut self, call: &'static str) -> Self {
        self.0.hanging.push(call);
        self
    }

    fn on(
        mut self,
        call: &'static str,
        answer: impl Fn(&[u8]) -> Result<Vec<Bytes>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.0.answers.insert(call, Box::new(answer));
        self
    }

    /// Starts it.
    pub fn start(self) -> Running {
        let folder = passable::folder("isopod-fake-cri-");
        let socket = folder.path().join("cri.sock");
        let script = Arc::new(self.0);
        let (served, (end, ended)) = (Arc::clone(&script), oneshot::channel::<()>());
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let thread = std::thread::spawn(move || {
            let executor =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            executor.block_on(async {
                let listener = tokio::net::UnixListener::from_std(listener).unwrap();
                let incoming = stream::unfold(listener, |listener| async {
                    let accepted = listener.accept().await.map(|(stream, _)| stream);
                    Some((accepted, listener))
                });
                let server = tonic::transport::Server::builder()
                    .add_service(RuntimeServiceServer::new(Served(Arc::clone(&served))))
                    .add_service(ImageServiceServer::new(Served(served)))
                    .serve_with_incoming(incoming);
                tokio::select! {
                    result = server => result.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Running { folder, script, end: Some(end), thread: Some(thread) }
    }
}

impl Running {
    pub fn socket(&self) -> PathBuf {
        self.path("cri.sock")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs a command of ours against it.
    pub fn run(&self, arguments: &[&str]) -> Told {
        told(&mut crictl(&self.socket(), arguments))
    }

    /// The last request of a call.
    #[track_caller]
    pub fn asked<M: Message + Default>(&self, call: &str) -> M {
        let asked = self.script.asked.lock().unwrap();
        let (_, bytes) = asked.iter().rev().find(|(name, _)| *name == call).expect("it was asked");
        M::decode(bytes.as_slice()).unwrap()
    }

    /// How often a call came.
    pub fn count(&self, call: &str) -> usize {
        self.script.asked.lock().unwrap().iter().filter(|(name, _)| *name == call).count()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.take().map(|end| end.send(()));
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

struct Served(Arc<Script>);

impl Served {
    async fn answers<M: Message, R: Message + Default>(
        &self,
        call: &'static str,
        request: M,
    ) -> Result<Vec<R>, Status> {
        self.0.asked.lock().unwrap().push((call, request.encode_to_vec()));
        if self.0.hanging.contains(&call) {
            std::future::pending::<()>().await;
        }
        let answer = self.0.answers.get(call);
        let answer =
            answer.ok_or_else(|| Status::unimplemented(format!("unknown method {call}")))?;
        let answers = answer(&request.encode_to_vec())?;
        Ok(answers.iter().map(|bytes| R::decode(bytes.as_slice()).unwrap()).collect())
    }
}

/// What `async_trait` makes of `async fn`, for each of these.
macro_rules! calls {
    ($($name:ident($request:ident) -> $response:ident;)*) => {$(
        fn $name<'life0, 'async_trait>(
            &'life0 self,
            request: Request<$request>,
        ) -> Future<'async_trait, $response>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                let mut answers = self.answers(stringify!($name), request.into_inner()).await?;
                Ok(Response::new(answers.swap_remove(0)))
            })
        }
    )*};
}

macro_rules! streams {
    ($($name:ident($request:ident) -> $kind:ident of $response:ident;)*) => {$(
        type $kind = Answers<$response>;

        fn $name<'life0, 'async_trait>(
            &'life0 self,
            request: Request<$request>,
        ) -> Future<'async_trait, Self::$kind>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                let answers = self.answers(stringify!($name), request.into_inner()).await?;
                Ok(Response::new(stream::iter(answers.into_iter().map(Ok)).boxed()))
            })
        }
    )*};
}

impl RuntimeService for Served {
    calls! {
        version(VersionRequest) -> VersionResponse;
        run_pod_sandbox(RunPodSandboxRequest) -> RunPodSandboxResponse;
        stop_pod_sandbox(StopPodSandboxRequest) -> StopPodSandboxResponse;
        remove_pod_sandbox(RemovePodSandboxRequest) -> RemovePodSandboxResponse;
        pod_sandbox_status(PodSandboxStatusRequest) -> PodSandboxStatusResponse;
        list_pod_sandbox(ListPodSandboxRequest) -> ListPodSandboxResponse;
        create_container(CreateContainerRequest) -> CreateContainerResponse;
        start_container(StartContainerRequest) -> StartContainerResponse;
        stop_container(StopContainerRequest) -> StopContainerResponse;
        remove_container(RemoveContainerRequest) -> RemoveContainerResponse;
        list_containers(ListContainersRequest) -> ListContainersResponse;
        container_status(ContainerStatusRequest) -> ContainerStatusResponse;
        update_container_resources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse;
        reopen_container_log(ReopenContainerLogRequest) -> ReopenContainerLogResponse;
        exec_sync(ExecSyncRequest) -> ExecSyncResponse;
        exec(ExecRequest) -> ExecResponse;
        attach(AttachRequest) -> AttachResponse;
        port_forward(PortForwardRequest) -> PortForwardResponse;
        container_stats(ContainerStatsRequest) -> ContainerStatsResponse;
        list_container_stats(ListContainerStatsRequest) -> ListContainerStatsResponse;
        pod_sandbox_stats(PodSandboxStatsRequest) -> PodSandboxStatsResponse;
        list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse;
        update_runtime_config(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse;
        status(StatusRequest) -> StatusResponse;
        checkpoint_container(CheckpointContainerRequest) -> CheckpointContainerResponse;
        list_metric_descriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse;
        list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse;
        runtime_config(RuntimeConfigRequest) -> RuntimeConfigResponse;
        update_pod_sandbox_resources(UpdatePodSandboxResourcesRequest) -> UpdatePodSandboxResourcesResponse;
    }
    streams! {
        stream_pod_sandboxes(StreamPodSandboxesRequest) -> StreamPodSandboxesStream of StreamPodSandboxesResponse;
        stream_containers(StreamContainersRequest) -> StreamContainersStream of StreamContainersResponse;
        stream_container_stats(StreamContainerStatsRequest) -> StreamContainerStatsStream of StreamContainerStatsResponse;
        stream_pod_sandbox_stats(StreamPodSandboxStatsRequest) -> StreamPodSandboxStatsStream of StreamPodSandboxStatsResponse;
        get_container_events(GetEventsRequest) -> GetContainerEventsStream of ContainerEventResponse;
        stream_pod_sandbox_metrics(StreamPodSandboxMetricsRequest) -> StreamPodSandboxMetricsStream of StreamPodSandboxMetricsResponse;
    }
}

impl ImageService for Served {
    calls! {
        list_images(ListImagesRequest) -> ListImagesResponse;
        image_status(ImageStatusRequest) -> ImageStatusResponse;
        pull_image(PullImageRequest) -> PullImageResponse;
        remove_image(RemoveImageRequest) -> RemoveImageResponse;
        image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
    }
    streams! {
        stream_images(StreamImagesRequest) -> StreamImagesStream of StreamImagesResponse;
    }
}
