//! A line for every change, for logs and pipes.

use std::collections::HashMap;
use std::sync::Mutex;

use isopod_runtime::image::{LayerState, PullEvent, PullProgress};

use super::{Style, Watch, label, word};
use crate::output::printer::Printer;

/// See the module.
pub struct Lines {
    printer: Printer,
    style: Style,
    arrived: Mutex<HashMap<String, Arrived>>,
}

/// Bytes of one layer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrived {
    /// Already there when this pull began with it.
    offset: u64,
    /// There now.
    done: u64,
}

impl Arrived {
    /// Takes an event about this layer.
    pub(super) fn take(&mut self, event: &PullEvent<'_>) {
        match event {
            PullEvent::Layer { state: LayerState::Resumed { offset }, .. } => {
                *self = Self { offset: *offset, done: *offset };
            }
            PullEvent::Bytes { done, .. } => self.done = *done,
            _ => {}
        }
    }

    /// What this pull transferred.
    pub(super) fn transferred(self) -> u64 {
        self.done.saturating_sub(self.offset)
    }
}

impl Lines {
    /// In these words.
    pub fn new(printer: Printer, style: Style) -> Self {
        Self { printer, style, arrived: Mutex::new(HashMap::new()) }
    }
}

impl PullProgress for Lines {
    fn event(&self, event: PullEvent<'_>) {
        match event {
            PullEvent::Resolving { reference } => {
                self.printer.note(format_args!("{reference}: resolving"));
            }
            PullEvent::Resolved { digest } => {
                self.printer.note(format_args!("resolved to {digest}"));
            }
            PullEvent::Layer { digest, state, .. } => {
                let label = label(self.style, digest);
                self.printer.note(format_args!("{label}: {}", word(self.style, state)));
                self.count(&label, &event);
            }
            PullEvent::Bytes { digest, .. } => self.count(&label(self.style, digest), &event),
        }
    }
}

impl Lines {
    fn count(&self, label: &str, event: &PullEvent<'_>) {
        let mut arrived = self.arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        arrived.entry(label.to_owned()).or_default().take(event);
    }
}

impl Watch for Lines {
    fn finish(&self) -> Option<u64> {
        let arrived = self.arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(arrived.values().map(|layer| layer.transferred()).sum())
    }

    fn progress(&self) -> &dyn PullProgress {
        self
    }
}
