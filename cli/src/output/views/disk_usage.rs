//! What `system df` prints: docker's tables, fields and headers.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::containers::{COMMAND, ellipsis, quoted, short_id, words};
use super::state::State;
use crate::output::table::printable;
use crate::output::{time, units};

/// docker's default.
pub const TABLE: &str =
    "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
/// A header for each field.
pub const HEADERS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// docker's table of images with `--verbose`.
pub const IMAGES: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
/// docker's table of containers with `--verbose`.
pub const CONTAINERS: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
/// docker's table of volumes with `--verbose`.
pub const VOLUMES: &str = "table {{.Name}}\t{{.Links}}\t{{.Size}}";

/// Objects of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many there are.
    pub total: usize,
    /// How many of them are in use.
    pub active: usize,
    /// Bytes.
    pub size: u64,
    /// Bytes that a prune would free.
    pub reclaimable: u64,
}

/// The fields of a line.
#[must_use]
pub fn fields(kind: &str, sum: Sum) -> Json {
    let reclaimable = units::decimal_sum(sum.reclaimable);
    json!({
        "Active": sum.active.to_string(),
        "Reclaimable": match sum.size {
            0 => reclaimable,
            size => format!("{reclaimable} ({}%)", u128::from(sum.reclaimable) * 100 / u128::from(size)),
        },
        "Size": units::decimal_sum(sum.size),
        "TotalCount": sum.total.to_string(),
        "Type": kind,
    })
}

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The config's digest, its algorithm before it.
    pub id: String,
    /// In docker's short form.
    pub repository: String,
    /// Where the name has one.
    pub tag: Option<String>,
    /// When it was built, where it says so.
    pub created: Option<DateTime<Utc>>,
    /// Bytes.
    pub size: u64,
    /// Bytes that another image needs too.
    pub shared: u64,
    /// How many containers use it.
    pub containers: usize,
}

/// The fields of an image's line.
#[must_use]
pub fn image(image: &Image, now: DateTime<Utc>) -> Json {
    json!({
        "Containers": image.containers.to_string(),
        "CreatedAt": image.created.map_or_else(|| "N/A".to_owned(), time::go_default),
        "CreatedSince": image.created.map_or_else(|| "N/A".to_owned(), |at| time::ago(at, now)),
        "ID": short_id(&image.id),
        "Repository": image.repository,
        "SharedSize": units::decimal(image.shared),
        "Size": units::decimal(image.size),
        "Tag": image.tag.as_deref().unwrap_or("<none>"),
        "UniqueSize": units::decimal(image.size - image.shared),
    })
}

/// A container.
#[derive(Debug, Clone)]
pub struct Container {
    /// 64 hex digits.
    pub id: String,
    /// As the user named it.
    pub image: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// How many volumes it uses.
    pub volumes: usize,
    /// Bytes of the writable layer.
    pub size: u64,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What it does.
    pub state: State,
    /// Its name.
    pub name: String,
}

/// The fields of a container's line.
#[must_use]
pub fn container(container: &Container, now: DateTime<Utc>) -> Json {
    json!({
        "Command": quoted(&ellipsis(&words(&container.command), COMMAND)),
        "CreatedAt": time::go_default(container.created),
        "ID": short_id(&container.id),
        "Image": printable(&container.image),
        "LocalVolumes": container.volumes.to_string(),
        "Names": container.name,
        "RunningFor": time::ago(container.created, now),
        "Size": units::decimal_sum(container.size),
        "State": container.state.word(),
        "Status": container.state.status(now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::template;
    use crate::output::views::{containers, images};

    /// The figures of docker's reference of `system df`, in the spelling of its releases (no space before
    /// the unit), with the line that they have added since.
    #[test]
    fn df_prints_dockers_table() {
        let sum = |total, active, size, reclaimable| Sum { total, active, size, reclaimable };
        let rows = [
            fields("Images", sum(5, 2, 16_430_000, 11_630_000)),
            fields("Containers", sum(2, 0, 212, 212)),
            fields("Local Volumes", sum(2, 1, 36, 0)),
            fields("Build Cache", Sum::default()),
        ];
        let shown = |format: Option<&str>| template::list(format, TABLE, HEADERS, &rows).unwrap();
        assert_eq!(
            shown(None),
            "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
             Images          5         2         16.43MB   11.63MB (70%)\n\
             Containers      2         0         212B      212B (100%)\n\
             Local Volumes   2         1         36B       0B (0%)\n\
             Build Cache     0         0         0B        0B\n"
        );
        assert_eq!(
            shown(Some("json")).lines().nth(1).unwrap(),
            r#"{"Active":"0","Reclaimable":"212B (100%)","Size":"212B","TotalCount":"2","Type":"Containers"}"#
        );
    }

    /// The lines of docker's reference of `system df --verbose`.
    #[test]
    fn details_have_dockers_columns() {
        let now = DateTime::from_timestamp(10_000, 0).unwrap();
        let before = |minutes: i64| DateTime::from_timestamp(10_000 - minutes * 60, 0).unwrap();
        let one = Image {
            id: "b2789dd875bf".to_owned(),
            repository: "my-curl".to_owned(),
            tag: Some("latest".to_owned()),
            created: Some(before(6)),
            size: 11_000_005,
            shared: 11_000_000,
            containers: 0,
        };
        let rows = [image(&one, now)];
        assert_eq!(
            template::list(None, IMAGES, images::HEADERS, &rows).unwrap(),
            "REPOSITORY   TAG       IMAGE ID       CREATED         SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS\n\
             my-curl      latest    b2789dd875bf   6 minutes ago   11MB      11MB          5B            0\n"
        );
        let one = Container {
            id: "4a7f7eebae0f".repeat(5),
            image: "alpine:latest".to_owned(),
            command: vec!["sh".to_owned()],
            volumes: 1,
            size: 0,
            created: before(16),
            state: State::Exited { code: 0, at: Some(before(5)) },
            name: "hopeful_yalow".to_owned(),
        };
        let rows = [container(&one, now)];
        assert_eq!(
            template::list(None, CONTAINERS, containers::HEADERS, &rows).unwrap(),
            "CONTAINER ID   IMAGE           COMMAND   LOCAL VOLUMES   SIZE      CREATED          STATUS                     NAMES\n\
             4a7f7eebae0f   alpine:latest   \"sh\"      1               0B        16 minutes ago   Exited (0) 5 minutes ago   hopeful_yalow\n"
        );
    }
}
