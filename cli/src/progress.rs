//! What a pull shows while it runs: bars on a terminal, a line for each change elsewhere,
//! nothing where quiet was asked for. All of it on standard error.

mod bars;
mod lines;

use std::time::Instant;

use isopod_image::Digest;
use isopod_runtime::image::{LayerState, NoProgress, PullProgress};

use crate::output::printer::{self, Printer};
use crate::output::units;

/// Whose words and sizes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `a3ed95caeb02: Pull complete`, sizes by 1000.
    Docker,
    /// `layer-sha256:a3ed…:  done  |++++|`, sizes by 1024.
    Ctr,
}

/// A watcher of one pull.
pub struct Watcher {
    watched: Box<dyn Watch>,
    style: Style,
    begun: Instant,
}

/// A watcher that knows at the end how much arrived.
trait Watch: PullProgress {
    /// Ends the drawing: the bytes that arrived in this pull, those of earlier ones not
    /// counted; `None` where nobody is to be told.
    fn finish(&self) -> Option<u64>;
    /// For the library.
    fn progress(&self) -> &dyn PullProgress;
}

impl Watcher {
    /// For a pull that begins now.
    #[must_use]
    pub fn new(printer: Printer, style: Style, quiet: bool) -> Self {
        let watched: Box<dyn Watch> = if quiet {
            Box::new(Silent)
        } else if printer::stderr_is_terminal() {
            Box::new(bars::Bars::new(style))
        } else {
            Box::new(lines::Lines::new(printer, style))
        };
        Self { watched, style, begun: Instant::now() }
    }

    /// For the library.
    #[must_use]
    pub fn progress(&self) -> &dyn PullProgress {
        self.watched.progress()
    }

    /// Stops drawing; ctr's closing line, in its style.
    pub fn finish(&self, printer: Printer) {
        let bytes = self.watched.finish();
        if let Some(bytes) = bytes.filter(|_| self.style == Style::Ctr) {
            let seconds = self.begun.elapsed().as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a rate for people"
            )]
            let rate = (bytes as f64 / seconds.max(0.001)) as u64;
            printer.note(format_args!(
                "elapsed: {seconds:.1} s  total: {} ({}/s)",
                units::ctr(bytes),
                units::ctr(rate)
            ));
        }
    }
}

/// Quiet.
struct Silent;

impl PullProgress for Silent {
    fn event(&self, event: isopod_runtime::image::PullEvent<'_>) {
        NoProgress.event(event);
    }
}

impl Watch for Silent {
    fn finish(&self) -> Option<u64> {
        None
    }

    fn progress(&self) -> &dyn PullProgress {
        self
    }
}

/// What a layer is called in a line.
fn label(style: Style, digest: &Digest) -> String {
    match style {
        Style::Docker => digest.short().to_string(),
        Style::Ctr => format!("layer-{digest}"),
    }
}

/// What a state is called.
fn word(style: Style, state: LayerState) -> String {
    let word = match (style, state) {
        (Style::Docker, LayerState::Waiting) => "Waiting",
        (Style::Docker, LayerState::Exists) => "Already exists",
        (Style::Docker, LayerState::WaitingForOther) => "Waiting for another pull",
        (Style::Docker, LayerState::Downloading) => "Downloading",
        (Style::Docker, LayerState::Resumed { offset }) => {
            return format!("Resuming at {}", units::decimal(offset));
        }
        (Style::Docker, LayerState::Unpacking) => "Extracting",
        (Style::Docker, LayerState::Done) => "Pull complete",
        (Style::Docker, LayerState::Preparing) => "Preparing",
        (Style::Docker, LayerState::Uploading) => "Pushing",
        (Style::Docker, LayerState::ExistsThere) => "Layer already exists",
        (Style::Docker, LayerState::Mounted) => "Mounted",
        (Style::Docker, LayerState::Uploaded) => "Pushed",
        (Style::Ctr, LayerState::Preparing) => "waiting",
        (Style::Ctr, LayerState::Uploading) => "uploading",
        (Style::Ctr, LayerState::ExistsThere) => "exists",
        (Style::Ctr, LayerState::Mounted) => "mounted",
        (Style::Ctr, LayerState::Uploaded) => "done",
        (Style::Ctr, LayerState::Waiting) => "waiting",
        (Style::Ctr, LayerState::Exists) => "exists",
        (Style::Ctr, LayerState::WaitingForOther) => "waiting for another pull",
        (Style::Ctr, LayerState::Downloading) => "downloading",
        (Style::Ctr, LayerState::Resumed { offset }) => {
            return format!("resumed at {}", units::ctr(offset));
        }
        (Style::Ctr, LayerState::Unpacking) => "extracting",
        (Style::Ctr, LayerState::Done) => "done",
    };
    word.to_owned()
}
