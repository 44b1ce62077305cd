//! `images`, `inspecti -o table`, `imagefsinfo -o table`.

use std::fmt::Write as _;

use isopod_cri_client::v1;

use super::{go_map, short};
use crate::output::table::{DOCKER_WIDE, Table};
use crate::output::units;

const NONE: &str = "<none>";
const ALGORITHM: &str = "sha256:";

/// Columns that were asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Columns {
    /// The digest.
    pub digests: bool,
    /// Whether it is kept from being collected.
    pub pinned: bool,
    /// Whole ids and digests.
    pub whole: bool,
}

/// A row a tag.
#[must_use]
pub fn table(images: &[v1::Image], columns: Columns) -> String {
    let mut header = vec!["IMAGE", "TAG"];
    header.extend(columns.digests.then_some("DIGEST"));
    header.extend(["IMAGE ID", "SIZE"]);
    header.extend(columns.pinned.then_some("PINNED"));
    let mut table = Table::new(DOCKER_WIDE, &header);
    let cut = |id: &str| if columns.whole { id.to_owned() } else { short(id, ALGORITHM) };
    for image in images {
        let (repository, digest) = repository(image);
        for (name, tag) in names(image, &repository) {
            let mut row = vec![name, tag];
            row.extend(columns.digests.then(|| cut(&digest)));
            row.extend([cut(&image.id), units::decimal(image.size)]);
            row.extend(columns.pinned.then(|| image.pinned.to_string()));
            table.row(row);
        }
    }
    table.render()
}

/// Repository and digest of an image's first digest.
#[must_use]
pub fn repository(image: &v1::Image) -> (String, String) {
    match image.repo_digests.first().and_then(|first| first.split_once('@')) {
        Some((name, digest)) => (name.to_owned(), digest.to_owned()),
        None => (NONE.to_owned(), NONE.to_owned()),
    }
}

/// Repositories and tags; of an image without tags its repository.
#[must_use]
pub fn names(image: &v1::Image, repository: &str) -> Vec<(String, String)> {
    if image.repo_tags.is_empty() {
        return vec![(repository.to_owned(), NONE.to_owned())];
    }
    let split = |tag: &String| match tag.rsplit_once(':') {
        Some((NONE, tag)) => (repository.to_owned(), tag.to_owned()),
        Some((name, tag)) => (name.to_owned(), tag.to_owned()),
        // No runtime makes such a tag; what there is is shown.
        None => (tag.clone(), NONE.to_owned()),
    };
    image.repo_tags.iter().map(split).collect()
}

/// Lines, and a blank one, for each image.
#[must_use]
pub fn verbose(images: &[v1::Image]) -> String {
    let mut text = String::new();
    for image in images {
        image_lines(&mut text, image).unwrap_or_default();
    }
    text
}

fn image_lines(text: &mut String, image: &v1::Image) -> std::fmt::Result {
    writeln!(text, "ID: {}", image.id)?;
    for tag in &image.repo_tags {
        writeln!(text, "RepoTags: {tag}")?;
    }
    for digest in &image.repo_digests {
        writeln!(text, "RepoDigests: {digest}")?;
    }
    if image.size != 0 {
        writeln!(text, "Size: {}", image.size)?;
    }
    if let Some(uid) = &image.uid {
        writeln!(text, "Uid: {}", uid.value)?;
    }
    if !image.username.is_empty() {
        writeln!(text, "Username: {}", image.username)?;
    }
    if image.pinned {
        writeln!(text, "Pinned: true")?;
    }
    writeln!(text)
}

/// `inspecti -o table`; with what the runtime adds if `verbose`.
#[must_use]
pub fn status(response: &v1::ImageStatusResponse, verbose: bool) -> String {
    let mut text = String::new();
    let image = response.image.clone().unwrap_or_default();
    status_lines(&mut text, &image).unwrap_or_default();
    if verbose {
        writeln!(text, "Info: {}", go_map(&response.info)).unwrap_or_default();
    }
    text
}

fn status_lines(text: &mut String, image: &v1::Image) -> std::fmt::Result {
    writeln!(text, "ID: {}", image.id)?;
    for tag in &image.repo_tags {
        writeln!(text, "Tag: {tag}")?;
    }
    for digest in &image.repo_digests {
        writeln!(text, "Digest: {digest}")?;
    }
    writeln!(text, "Size: {}", units::decimal(image.size))
}

/// `imagefsinfo -o table`.
#[must_use]
pub fn file_systems(response: &v1::ImageFsInfoResponse) -> String {
    let mut text = String::new();
    for (label, all) in
        [("Container", &response.container_filesystems), ("Image", &response.image_filesystems)]
    {
        file_system_lines(&mut text, label, all).unwrap_or_default();
    }
    text
}

fn file_system_lines(
    text: &mut String,
    label: &str,
    all: &[v1::FilesystemUsage],
) -> std::fmt::Result {
    writeln!(text, "{label} Filesystem")?;
    for (index, usage) in all.iter().enumerate() {
        let value = |value: &Option<v1::UInt64Value>| value.as_ref().map_or(0, |value| value.value);
        let place = usage.fs_id.as_ref().map_or("", |id| &id.mountpoint);
        writeln!(text, "TimeStamp[{index}]: {}", usage.timestamp)?;
        writeln!(text, "Disk[{index}]: {}", units::decimal_sum(value(&usage.used_bytes)))?;
        writeln!(text, "Inodes[{index}]: {}", value(&usage.inodes_used))?;
        writeln!(text, "Mountpoint[{index}]: {place}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> v1::Image {
        v1::Image {
            id: "sha256:8c811b4aec35f259572d0f79207bc0678df4c736eeec50bc9fec37ed936a472a".into(),
            repo_tags: vec!["docker.io/library/busybox:latest".into(), "localhost:5000/b:1".into()],
            repo_digests: vec![
                "docker.io/library/busybox@sha256:141c253bc4c3fd0a201d32dc1f493bcf3fff003b6df416dea4f41046e0f37d47".into(),
            ],
            size: 1_462_000,
            ..v1::Image::default()
        }
    }

    /// cri-tools' `docs/crictl.md`, "List containers" and "Pull a image".
    #[test]
    fn a_table_has_a_row_a_tag() {
        let expected = "\
IMAGE                              TAG                 IMAGE ID            SIZE
docker.io/library/busybox          latest              8c811b4aec35f       1.46MB
localhost:5000/b                   1                   8c811b4aec35f       1.46MB
";
        // The last cell of a column is as wide as the widest, and three more.
        let text = table(&[image()], Columns::default());
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(expected));
        assert!(
            text.starts_with(
                "IMAGE                       TAG                 IMAGE ID            SIZE\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn digests_and_pins_are_shown_where_they_are_asked_for() {
        let columns = Columns { digests: true, pinned: true, whole: false };
        let text = table(&[v1::Image { repo_tags: Vec::new(), ..image() }], columns);
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(
            row,
            [
                "docker.io/library/busybox",
                "<none>",
                "141c253bc4c3f",
                "8c811b4aec35f",
                "1.46MB",
                "false"
            ]
        );
        let columns = Columns { whole: true, ..Columns::default() };
        assert!(table(&[image()], columns).contains(
            "sha256:8c811b4aec35f259572d0f79207bc0678df4c736eeec50bc9fec37ed936a472a   1.46MB"
        ));
        let bare = v1::Image { repo_tags: Vec::new(), repo_digests: Vec::new(), ..image() };
        assert!(table(&[bare], Columns::default()).contains("<none>"));
    }

    #[test]
    fn more_is_said_in_lines() {
        let image = v1::Image { uid: Some(v1::Int64Value { value: 7 }), pinned: true, ..image() };
        let text = verbose(std::slice::from_ref(&image));
        assert!(text.contains("RepoTags: localhost:5000/b:1\nRepoDigests: docker.io/"), "{text}");
        assert!(text.ends_with("Size: 1462000\nUid: 7\nPinned: true\n\n"), "{text}");
        let response = v1::ImageStatusResponse { image: Some(image), ..Default::default() };
        assert!(status(&response, true).ends_with("Size: 1.46MB\nInfo: map[]\n"));
    }

    #[test]
    fn file_systems_are_shown_with_their_sums() {
        let usage = v1::FilesystemUsage {
            timestamp: 5,
            fs_id: Some(v1::FilesystemIdentifier { mountpoint: "/a".into() }),
            used_bytes: Some(v1::UInt64Value { value: 16_430_000 }),
            inodes_used: None,
        };
        let response =
            v1::ImageFsInfoResponse { image_filesystems: vec![usage], ..Default::default() };
        let expected = "Container Filesystem\nImage Filesystem\nTimeStamp[0]: 5\nDisk[0]: 16.43MB\nInodes[0]: 0\nMountpoint[0]: /a\n";
        assert_eq!(file_systems(&response), expected);
    }
}
