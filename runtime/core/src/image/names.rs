//! Listing, finding, tagging and removing images.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use isopod_image::{Descriptor, Digest, Platform, Reference};
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::Images;
use super::documents::{details_of, manifest_for};
use crate::collect::Collected;
use crate::container::Record;
use crate::namespace::merge;
use crate::state::{ContainerRow, Durability, ImageRow, Labels};
use crate::{Error, Result};

/// A name and what it points at.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The canonical reference (`docker.io/library/redis:alpine`).
    pub name: String,
    /// Its manifest or index.
    pub target: Descriptor,
    /// When the name first appeared here.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
}

impl From<ImageRow> for Image {
    fn from(row: ImageRow) -> Self {
        Self {
            name: row.name,
            target: row.target,
            created: row.created,
            updated: row.updated,
            labels: row.labels,
        }
    }
}

/// What becomes of the image that has a name which another one is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It keeps the name: that is an error.
    Refused,
    /// It goes with the next collection if that was its last name.
    Replaced,
    /// It stays, without a name if that was its last.
    Kept,
}

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that are gone.
    pub untagged: Vec<String>,
    /// Blobs that are gone, since nothing else needs them.
    pub deleted: Vec<Digest>,
    /// Bytes of blobs and unpacked layers that are gone.
    pub reclaimed: u64,
}

impl Images<'_> {
    /// All, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self) -> Result<Vec<Image>> {
        let rows = self.runtime.state().read(ImageRow::list)?;
        Ok(rows.into_iter().map(Image::from).collect())
    }

    /// The one with this exact canonical name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, name: &str) -> Result<Image> {
        let row = self.runtime.state().read(|connection| ImageRow::get(connection, name))?;
        row.map(Image::from).ok_or_else(|| not_found(name))
    }

    /// The one that `text` means to a docker user: a reference, short or full, an image id, or a
    /// unique beginning of one.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<Image> {
        if let Ok(reference) = Reference::parse(text) {
            match self.get(&reference.to_string()) {
                Err(Error::NotFound { .. }) => {}
                other => return other,
            }
            if let Some(digest) = reference.digest() {
                return self.find_by_digest(text, &reference.name(), digest);
            }
        }
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let is_id = (4..=64).contains(&prefix.len())
            && prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return Err(not_found(text));
        }
        self.find_by_id(text, prefix)
    }

    /// One that was pulled under a tag and has this digest, as docker's `RepoDigests`.
    fn find_by_digest(&self, text: &str, repository: &str, digest: &Digest) -> Result<Image> {
        let is_it = |image: &Image| {
            let name = Reference::parse(&image.name).map(|reference| reference.name());
            image.target.digest == *digest && name.is_ok_and(|name| name == repository)
        };
        self.list()?.into_iter().find(is_it).ok_or_else(|| not_found(text))
    }

    fn find_by_id(&self, text: &str, prefix: &str) -> Result<Image> {
        let mut found: Option<(Digest, Image)> = None;
        for image in self.list()? {
            let Some(id) = self.id_of(&image) else { continue };
            let fits =
                id.hex().starts_with(prefix) || image.target.digest.hex().starts_with(prefix);
            if !fits {
                continue;
            }
            match &found {
                Some((other, _)) if *other != id => {
                    return Err(Error::Ambiguous {
                        what: "image",
                        name: text.to_owned(),
                        candidates: format!("{}, {}", other.short(), id.short()),
                    });
                }
                Some(_) => {}
                None => found = Some((id, image)),
            }
        }
        found.map(|(_, image)| image).ok_or_else(|| not_found(text))
    }

    /// Its id on this machine's platform; `None` where its documents are not all there, which must
    /// not keep others from being found.
    fn id_of(&self, image: &Image) -> Option<Digest> {
        let descriptor = manifest_for(self.runtime, image, &Platform::host()).ok()?;
        Some(details_of(self.runtime, &descriptor, &image.name).ok()?.id().clone())
    }

    /// Its id as events show it: the config's digest, or what its name points at where that is not known.
    pub(super) fn shown_id(&self, image: &Image) -> String {
        self.id_of(image).unwrap_or_else(|| image.target.digest.clone()).to_string()
    }

    /// Gives the image called `source` (as in [`Images::find`]) another name, a canonical reference.
    /// An existing name is moved only if `taken` says so.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::AlreadyExists`].
    pub fn tag(&self, source: &str, target: &Reference, taken: Taken) -> Result<Image> {
        let image = match self.get(source) {
            Err(Error::NotFound { .. }) => self.find(source)?,
            other => other?,
        };
        let name = target.to_string();
        let state = self.runtime.state();
        let row = state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            if let Some(row) = ImageRow::get(transaction, &name).map_err(&wrap)?
                && taken == Taken::Refused
            {
                return Err(Error::AlreadyExists {
                    what: "image name",
                    name: name.clone(),
                    by: row.target.digest.to_string(),
                });
            }
            let put = match taken {
                Taken::Kept => ImageRow::put_keeping,
                Taken::Refused | Taken::Replaced => ImageRow::put,
            };
            put(transaction, &name, &image.target, &image.labels).map_err(&wrap)
        })?;
        step("image.tagged");
        self.write_index()?;
        self.runtime.record_image("tag", &self.shown_id(&image), &target.familiar());
        Ok(row.into())
    }

    /// Replaces or changes labels: `None` removes one.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_labels(
        &self,
        name: &str,
        changes: &BTreeMap<String, Option<String>>,
        replace_all: bool,
    ) -> Result<Labels> {
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            let row = ImageRow::get(transaction, name).map_err(state.error())?;
            let row = row.ok_or_else(|| not_found(name))?;
            let mut labels = if replace_all { Labels::new() } else { row.labels };
            merge(&mut labels, changes);
            ImageRow::set_labels(transaction, name, &labels).map_err(state.error())?;
            Ok(labels)
        })
    }

    /// Removes names, and then whatever nothing needs any more. An image whose last name goes while a
    /// container uses it is kept unless `force`; even then its content stays for the container.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the first name that is not there, before anything is removed;
    /// [`Error::InUse`].
    pub fn remove(&self, names: &[String], force: bool) -> Result<Removed> {
        self.forget(names, force)?;
        self.collected(names.to_vec())
    }

    /// Takes names away, and nothing else.
    pub(super) fn forget(&self, names: &[String], force: bool) -> Result<()> {
        let state = self.runtime.state();
        let ids: Vec<_> = self
            .list()?
            .iter()
            .filter(|image| names.contains(&image.name))
            .map(|image| (self.shown_id(image), image.target.digest.clone()))
            .collect();
        state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            let going: BTreeSet<_> = names.iter().collect();
            for name in &going {
                let row = ImageRow::get(transaction, name).map_err(&wrap)?;
                let row = row.ok_or_else(|| not_found(name))?;
                let others = ImageRow::list(transaction).map_err(&wrap)?;
                let has_other_name = others
                    .iter()
                    .any(|o| o.target.digest == row.target.digest && !going.contains(&o.name));
                if !force && !has_other_name {
                    refuse_if_used(transaction, &row).map_err(|error| match error {
                        Refusal::Database(source) => wrap(source),
                        Refusal::Used(error) => *error,
                    })?;
                }
            }
            for name in going {
                ImageRow::delete(transaction, name).map_err(&wrap)?;
            }
            Ok(())
        })?;
        step("image.unnamed");
        self.write_index()?;
        step("image.unlisted");
        self.record_removal(ids)
    }

    /// Collects what nothing needs, now that these names are gone.
    pub(super) fn collected(&self, untagged: Vec<String>) -> Result<Removed> {
        let Collected { blobs, layers, damaged: _ } = self.runtime.collect_garbage()?;
        let reclaimed = blobs.iter().map(|(_, size)| size).sum::<u64>()
            + layers.iter().map(|(_, size)| size).sum::<u64>();
        let deleted = blobs.into_iter().map(|(digest, _)| digest).collect();
        Ok(Removed { untagged, deleted, reclaimed })
    }

    /// In docker's words: each name is taken off, and what has none left is deleted.
    fn record_removal(&self, ids: Vec<(String, Digest)>) -> Result<()> {
        let kept: BTreeSet<Digest> =
            self.list()?.into_iter().map(|image| image.target.digest).collect();
        let mut deleted = BTreeSet::new();
        for (id, target) in ids {
            self.runtime.record_image("untag", &id, &id);
            if !kept.contains(&target) {
                deleted.insert(id);
            }
        }
        deleted.iter().for_each(|id| self.runtime.record_image("delete", id, id));
        Ok(())
    }

    pub(crate) fn write_index(&self) -> Result<()> {
        // Whoever writes last must have read last.
        let path = self.runtime.layout().root().join("index.lock");
        let _alone = Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))?;
        let rows = self.runtime.state().read(ImageRow::list)?;
        self.runtime.content().write_index(&rows)
    }
}

enum Refusal {
    Database(rusqlite::Error),
    Used(Box<Error>),
}

fn refuse_if_used(connection: &rusqlite::Connection, row: &ImageRow) -> Result<(), Refusal> {
    for container in ContainerRow::list_all(connection).map_err(Refusal::Database)? {
        let record = Record::parse(&container).map_err(|error| Refusal::Used(Box::new(error)))?;
        if record.targets().any(|target| *target == row.target.digest) {
            let name = container.name.as_deref().unwrap_or(&container.id);
            return Err(Refusal::Used(Box::new(Error::InUse {
                what: "image",
                name: row.name.clone(),
                by: format!(
                    "container {name} ({}); remove it first, or force",
                    container.namespace
                ),
            })));
        }
    }
    Ok(())
}

fn not_found(name: &str) -> Error {
    Error::NotFound { what: "image", name: name.to_owned() }
}
