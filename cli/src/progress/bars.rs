//! A bar for each layer: its state, bytes and rate, drawn at most twenty times a second.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use isopod_image::Digest;
use isopod_runtime::image::{LayerState, PullEvent, PullProgress};

use super::lines::Arrived;
use super::{Style, Watch, label, word};
use crate::output::units;

/// See the module.
pub struct Bars {
    style: Style,
    all: MultiProgress,
    head: ProgressBar,
    layers: Mutex<HashMap<String, Layer>>,
}

struct Layer {
    bar: ProgressBar,
    arrived: Arrived,
}

impl Bars {
    /// Draws on standard error.
    pub fn new(style: Style) -> Self {
        let all = MultiProgress::new();
        let head = all.add(ProgressBar::new_spinner().with_style(plain("{msg}")));
        Self { style, all, head, layers: Mutex::new(HashMap::new()) }
    }

    fn layers(&self) -> MutexGuard<'_, HashMap<String, Layer>> {
        // A panic elsewhere is no reason to stop drawing.
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layer(&self, digest: &Digest, event: &PullEvent<'_>) {
        let mut layers = self.layers();
        let layer = layers.entry(digest.to_string()).or_insert_with(|| {
            // Dressed before it is added: from then on it is drawn.
            let bar = ProgressBar::new(0)
                .with_style(still(self.style))
                .with_prefix(short(self.style, digest));
            Layer { bar: self.all.add(bar), arrived: Arrived::default() }
        });
        layer.arrived.take(event);
        match *event {
            PullEvent::Layer { size, state, .. } => self.change(&layer.bar, size, state),
            PullEvent::Bytes { done, .. } => layer.bar.set_position(done),
            PullEvent::Resolving { .. } | PullEvent::Resolved { .. } => {}
        }
    }

    fn change(&self, bar: &ProgressBar, size: u64, state: LayerState) {
        bar.set_length(size);
        bar.set_message(word(self.style, state));
        bar.set_style(match state {
            LayerState::Downloading | LayerState::Resumed { .. } | LayerState::Uploading => {
                moving(self.style)
            }
            LayerState::Waiting
            | LayerState::WaitingForOther
            | LayerState::Unpacking
            | LayerState::Preparing
            | LayerState::Exists
            | LayerState::Done
            | LayerState::ExistsThere
            | LayerState::Mounted
            | LayerState::Uploaded => still(self.style),
        });
        if let LayerState::Resumed { offset } = state {
            bar.set_position(offset);
            // The rate is of what arrives now.
            bar.reset_eta();
        }
        if matches!(
            state,
            LayerState::Exists
                | LayerState::Done
                | LayerState::ExistsThere
                | LayerState::Mounted
                | LayerState::Uploaded
        ) {
            bar.finish();
        }
    }
}

impl PullProgress for Bars {
    fn event(&self, event: PullEvent<'_>) {
        match event {
            PullEvent::Resolving { reference } => {
                self.head.set_message(format!("{reference}: resolving"));
            }
            PullEvent::Resolved { digest } => {
                self.head.finish_with_message(format!("resolved to {digest}"));
            }
            PullEvent::Layer { digest, .. } | PullEvent::Bytes { digest, .. } => {
                self.layer(digest, &event);
            }
        }
    }
}

impl Watch for Bars {
    fn finish(&self) -> Option<u64> {
        let layers = self.layers();
        for layer in layers.values().filter(|layer| !layer.bar.is_finished()) {
            layer.bar.abandon();
        }
        if !self.head.is_finished() {
            self.head.finish_and_clear();
        }
        Some(layers.values().map(|layer| layer.arrived.transferred()).sum())
    }

    fn progress(&self) -> &dyn PullProgress {
        self
    }
}

/// A layer's name that leaves room for its bar.
fn short(style: Style, digest: &Digest) -> String {
    match style {
        Style::Docker => label(style, digest),
        Style::Ctr => format!("layer-{}:{}", digest.algorithm(), digest.short()),
    }
}

fn plain(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates of this file are valid")
}

fn still(style: Style) -> ProgressStyle {
    match style {
        Style::Docker => plain("{prefix}: {msg}"),
        Style::Ctr => plain("{prefix}: {msg:14} |{bar:38}|").progress_chars("+--"),
    }
}

fn moving(style: Style) -> ProgressStyle {
    let decimal = style == Style::Docker;
    let size = move |bytes: u64| if decimal { units::decimal(bytes) } else { units::ctr(bytes) };
    let template = match style {
        Style::Docker => {
            plain("{prefix}: {msg:12} [{bar:30}] {arrived} {rate}").progress_chars("=> ")
        }
        Style::Ctr => plain("{prefix}: {msg:14} |{bar:38}| {arrived} {rate}").progress_chars("+--"),
    };
    template
        .with_key("arrived", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let (done, all) = (state.pos(), state.len().unwrap_or_default());
            // An unwritable string has nobody to tell.
            write!(out, "{}/{}", size(done), size(all)).ok();
        })
        .with_key("rate", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people"
            )]
            let rate = state.per_sec() as u64;
            write!(out, "{}/s", size(rate)).ok();
        })
}
