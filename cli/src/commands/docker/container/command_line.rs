//! A container's program and arguments, as they come together from image and request.

use isopod_runtime::container::{Container, Profile};

/// Entry point and command; for ctr's containers a command replaces both of the image's.
#[must_use]
pub fn of(container: &Container<'_>) -> Vec<String> {
    let settings = container.settings();
    let image = container.record().image.as_ref().map(|image| &image.config);
    let of_image = |entrypoint: bool| {
        let list = image.map(|config| if entrypoint { &config.entrypoint } else { &config.cmd });
        list.cloned().unwrap_or_default()
    };
    if settings.profile == Profile::Ctr && !settings.command.is_empty() {
        return settings.command.clone();
    }
    let (mut words, default) = match &settings.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), Vec::new()),
        None => (of_image(true), of_image(false)),
    };
    words.extend(if settings.command.is_empty() { default } else { settings.command.clone() });
    words
}
