//! Networks, and who is on them. What a network or an endpoint is like is one JSON record each; the columns
//! beside it are what must be unique or is looked up.

use std::net::{Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::survey::Stored;
use super::{Labels, change, json, labels_to_text, now, row, rows, to_time};

/// A network as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// 64 hex characters.
    pub id: String,
    /// Its name, unique in the instance.
    pub name: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
    /// [`crate::network::NetworkRecord`] as JSON.
    pub record: String,
}

impl Stored for NetworkRow {
    const TABLE: &'static str = "networks";
    const KEY: &'static [&'static str] = &["id"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl NetworkRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            created: to_time(row.get("created")?),
            labels: json(row, "labels")?,
            record: row.get("record")?,
        })
    }

    /// All, oldest first.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        rows(connection, "SELECT * FROM networks ORDER BY created, id", [], Self::from_row)
    }

    /// The one with this name or id; a name wins, as docker's does.
    pub fn exact(connection: &Connection, text: &str) -> rusqlite::Result<Option<Self>> {
        row(
            connection,
            "SELECT * FROM networks WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1",
            [text],
            Self::from_row,
        )
    }

    /// Those whose id begins with `prefix`; at most three, enough to call it ambiguous.
    pub fn with_prefix(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<Self>> {
        rows(
            connection,
            "SELECT * FROM networks WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 3",
            [prefix],
            Self::from_row,
        )
    }

    /// Adds one. The caller has checked that the name is free, in the same transaction.
    pub fn insert(
        connection: &Connection,
        id: &str,
        name: &str,
        labels: &Labels,
        record: &str,
    ) -> rusqlite::Result<Self> {
        let created = now();
        connection
            .prepare_cached("INSERT INTO networks VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![id, name, created, labels_to_text(labels), record])?;
        Ok(Self {
            id: id.to_owned(),
            name: name.to_owned(),
            created: to_time(created),
            labels: labels.clone(),
            record: record.to_owned(),
        })
    }

    /// Replaces the record.
    pub fn set_record(connection: &Connection, id: &str, record: &str) -> rusqlite::Result<()> {
        change(connection, "UPDATE networks SET record = ?2 WHERE id = ?1", [id, record]).map(drop)
    }

    /// Forgets it; whether it was there.
    pub fn delete(connection: &Connection, id: &str) -> rusqlite::Result<bool> {
        Ok(change(connection, "DELETE FROM networks WHERE id = ?1", [id])? > 0)
    }
}

/// A container's place on a network, while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// The network's id.
    pub network: String,
    /// The container's namespace.
    pub namespace: String,
    /// The container's id.
    pub container: String,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its address.
    pub ip6: Option<Ipv6Addr>,
    /// [`crate::network::EndpointRecord`] as JSON.
    pub record: String,
}

impl Stored for EndpointRow {
    const TABLE: &'static str = "endpoints";
    const KEY: &'static [&'static str] = &["network", "namespace", "container"];

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::from_row(row)
    }
}

impl EndpointRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            network: row.get("network")?,
            namespace: row.get("namespace")?,
            container: row.get("container")?,
            ip: address(row, "ip")?,
            ip6: address(row, "ip6")?,
            record: row.get("record")?,
        })
    }

    /// All.
    pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        rows(
            connection,
            "SELECT * FROM endpoints ORDER BY network, namespace, container",
            [],
            Self::from_row,
        )
    }

    /// Those on a network.
    pub fn of_network(connection: &Connection, network: &str) -> rusqlite::Result<Vec<Self>> {
        rows(
            connection,
            "SELECT * FROM endpoints WHERE network = ?1 ORDER BY namespace, container",
            [network],
            Self::from_row,
        )
    }

    /// Those of a container.
    pub fn of_container(
        connection: &Connection,
        namespace: &str,
        container: &str,
    ) -> rusqlite::Result<Vec<Self>> {
        rows(
            connection,
            "SELECT * FROM endpoints WHERE namespace = ?1 AND container = ?2 ORDER BY network",
            [namespace, container],
            Self::from_row,
        )
    }

    /// The addresses that are taken on a network, of both families.
    pub fn addresses(
        connection: &Connection,
        network: &str,
    ) -> rusqlite::Result<(Vec<Ipv4Addr>, Vec<Ipv6Addr>)> {
        let mut statement =
            connection.prepare_cached("SELECT ip, ip6 FROM endpoints WHERE network = ?1")?;
        let mut rows = statement.query([network])?;
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            v4.extend(address::<Ipv4Addr>(row, "ip")?);
            v6.extend(address::<Ipv6Addr>(row, "ip6")?);
        }
        Ok((v4, v6))
    }

    /// Adds it.
    pub fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("INSERT INTO endpoints VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                self.network,
                self.namespace,
                self.container,
                self.ip.map(|ip| ip.to_string()),
                self.ip6.map(|ip| ip.to_string()),
                self.record
            ])
            .map(drop)
    }

    /// Replaces its record.
    pub fn set_record(&self, connection: &Connection) -> rusqlite::Result<()> {
        change(
            connection,
            "UPDATE endpoints SET record = ?4 \
                 WHERE network = ?1 AND namespace = ?2 AND container = ?3",
            [&self.network, &self.namespace, &self.container, &self.record],
        )
        .map(drop)
    }

    /// Forgets it.
    pub fn delete(&self, connection: &Connection) -> rusqlite::Result<()> {
        change(
            connection,
            "DELETE FROM endpoints WHERE network = ?1 AND namespace = ?2 AND container = ?3",
            [&self.network, &self.namespace, &self.container],
        )
        .map(drop)
    }
}

fn address<A>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<A>>
where
    A: std::str::FromStr<Err = std::net::AddrParseError>,
{
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse()).transpose().map_err(|error| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
    })
}
