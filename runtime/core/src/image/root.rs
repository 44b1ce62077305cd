//! An image of one layer out of the tar of a root file system (`docker import`).

use std::io::{self, BufRead, BufReader, Read, Write};

use chrono::Utc;
use isopod_image::config::History;
use isopod_image::{ImageConfig, Platform, Reference, Timestamp};
use isopod_layer::{Compression, Limits};

use super::compose::LayerWriter;
use super::documents::details_of;
use super::{Image, Images, instruction};
use crate::{Error, Result};

/// How the image is to be.
#[derive(Debug, Clone)]
pub struct RootOptions {
    /// Its name; without one it is found by its id only.
    pub name: Option<Reference>,
    /// A note in its history.
    pub message: String,
    /// Instructions of a Dockerfile that change its config.
    pub changes: Vec<String>,
    /// What it runs on.
    pub platform: Platform,
}

impl Images<'_> {
    /// Makes an image of a tar, plain or compressed. It is unpacked like any layer, and so is as little
    /// trusted.
    ///
    /// # Errors
    /// It is no tar, or one that a layer must not be; an instruction can't be applied; the store can't be
    /// written. Nothing is named then.
    pub fn import_root(
        &self,
        reader: &mut (dyn Read + Send),
        options: &RootOptions,
    ) -> Result<Image> {
        let mut config = ImageConfig::default();
        instruction::apply(&mut config.config, &options.changes)?;
        let collection = self.runtime.hold_collection()?;
        let taken = self.take_root(reader, options, config);
        drop(collection);
        // Of what was written nobody else would know that it may go.
        if taken.is_err()
            && let Err(error) = self.runtime.collect_garbage()
        {
            tracing::warn!(%error, "cannot remove what an archive has that is no image");
        }
        let (image, id) = taken?;
        self.runtime.settle_later();
        self.runtime.record_image("import", &id, &id);
        Ok(image)
    }

    /// The caller keeps the collector away.
    fn take_root(
        &self,
        reader: &mut (dyn Read + Send),
        options: &RootOptions,
        mut config: ImageConfig,
    ) -> Result<(Image, String)> {
        let mut writer = LayerWriter::new(self)?;
        if let Err(failed) = copy(reader, &mut writer) {
            return Err(writer.into_failure().unwrap_or(failed));
        }
        let layer = writer.finish()?;
        let now = Timestamp::from(Utc::now());
        config.created = Some(now.clone());
        config.os.clone_from(&options.platform.os);
        config.architecture.clone_from(&options.platform.architecture);
        config.variant.clone_from(&options.platform.variant);
        config.history.push(History {
            created: Some(now),
            comment: Some(options.message.clone()),
            ..History::default()
        });
        let target = self.compose(None, Some(&layer), config)?;
        // Only what could be unpacked is worth a name.
        let details = details_of(self.runtime, &target, "the archive")?;
        super::ensure(self.runtime, &details, &super::NoProgress)?;
        let image = self.name(&target, options.name.as_ref())?;
        Ok((image, details.id().to_string()))
    }
}

/// The plain bytes of an archive.
fn copy(reader: &mut (dyn Read + Send), writer: &mut LayerWriter) -> Result<()> {
    let unreadable = |source| Error::System { action: "cannot read the archive", source };
    let mut buffered = BufReader::with_capacity(256 << 10, reader);
    let first = buffered.fill_buf().map_err(unreadable)?;
    if first.is_empty() {
        return Err(Error::Invalid("the archive is empty".to_owned()));
    }
    let compression = Compression::detect(first);
    let mut plain: Box<dyn Read + '_> = compression.decoder(buffered).map_err(unreadable)?;
    let limit = Limits::default().tar_bytes;
    let mut left = limit;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match plain.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => {
                left = left.checked_sub(read as u64).ok_or_else(|| {
                    Error::Untrusted(format!("the archive has more than {limit} bytes"))
                })?;
                let failed =
                    |source| Error::System { action: "cannot compress the archive", source };
                writer.write_all(&buffer[..read]).map_err(failed)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}
