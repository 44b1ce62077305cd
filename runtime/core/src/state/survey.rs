//! All rows at once, those among them that can't be read too: for whoever looks for damage.

use rusqlite::{Connection, Row};

use super::{
    ContainerRow, EndpointRow, ImageRow, Labels, NamespaceRow, NetworkRow, SnapshotRow, VolumeRow,
};

/// A kind of row.
pub(super) trait Stored: Sized {
    /// Its table.
    const TABLE: &'static str;
    /// The columns that name a row.
    const KEY: &'static [&'static str];
    /// Reads one.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
}

/// A row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Its table.
    pub table: &'static str,
    /// The columns that name it.
    pub key: &'static [&'static str],
    /// What they hold.
    pub values: Vec<String>,
    /// Why it can't be read.
    pub why: String,
    /// All of it: columns and what they hold.
    pub columns: Vec<(String, String)>,
}

impl Broken {
    /// All of it, a column a line, for whoever wants to look.
    pub(crate) fn text(&self) -> String {
        self.columns.iter().map(|(column, value)| format!("{column}: {value}\n")).collect()
    }

    /// What a column holds.
    pub(crate) fn value(&self, column: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_str())
    }

    /// Empties the maps in it that are none any more, which nothing else depends on; whether that was all.
    pub(crate) fn reset(&self, connection: &Connection) -> rusqlite::Result<bool> {
        for column in ["labels", "options"] {
            let is_map = |text: &str| serde_json::from_str::<Labels>(text).is_ok();
            if self.value(column).is_some_and(|text| !is_map(text)) {
                let sql = format!(
                    "UPDATE {} SET {column} = '{{}}' WHERE {}",
                    self.table,
                    self.condition()
                );
                connection.execute(&sql, rusqlite::params_from_iter(&self.values))?;
            }
        }
        let now = Rows::read(connection)?;
        Ok(!now.broken.iter().any(|row| row.table == self.table && row.values == self.values))
    }

    fn condition(&self) -> String {
        let columns: Vec<String> =
            self.key.iter().enumerate().map(|(n, key)| format!("{key} = ?{}", n + 1)).collect();
        columns.join(" AND ")
    }

    /// Forgets it.
    pub(crate) fn delete(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = format!("DELETE FROM {} WHERE {}", self.table, self.condition());
        connection.execute(&sql, rusqlite::params_from_iter(&self.values)).map(drop)
    }
}

/// What the database holds, of one moment.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub namespaces: Vec<NamespaceRow>,
    pub images: Vec<ImageRow>,
    pub containers: Vec<ContainerRow>,
    pub snapshots: Vec<SnapshotRow>,
    pub volumes: Vec<VolumeRow>,
    /// `(volume, namespace, container)`
    pub uses: Vec<(String, String, String)>,
    pub networks: Vec<NetworkRow>,
    pub endpoints: Vec<EndpointRow>,
    pub broken: Vec<Broken>,
}

impl Rows {
    /// Reads them.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut broken = Vec::new();
        Ok(Self {
            namespaces: all(connection, &mut broken)?,
            images: all(connection, &mut broken)?,
            containers: all(connection, &mut broken)?,
            snapshots: all(connection, &mut broken)?,
            volumes: all(connection, &mut broken)?,
            uses: connection
                .prepare("SELECT volume, namespace, container FROM volume_uses ORDER BY 1, 2, 3")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?,
            networks: all(connection, &mut broken)?,
            endpoints: all(connection, &mut broken)?,
            broken,
        })
    }
}

fn all<R: Stored>(connection: &Connection, broken: &mut Vec<Broken>) -> rusqlite::Result<Vec<R>> {
    let order = R::KEY.join(", ");
    let mut statement =
        connection.prepare(&format!("SELECT * FROM {} ORDER BY {order}", R::TABLE))?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match R::read(row) {
            Ok(read) => found.push(read),
            Err(error) => {
                let text = |column: &str| {
                    let value: rusqlite::Result<rusqlite::types::Value> = row.get(column);
                    match value {
                        Ok(rusqlite::types::Value::Text(text)) => text,
                        Ok(rusqlite::types::Value::Integer(number)) => number.to_string(),
                        Ok(other) => format!("{other:?}"),
                        Err(error) => error.to_string(),
                    }
                };
                broken.push(Broken {
                    table: R::TABLE,
                    key: R::KEY,
                    values: R::KEY.iter().map(|key| text(key)).collect(),
                    why: error.to_string(),
                    columns: columns.iter().map(|c| (c.clone(), text(c))).collect(),
                });
            }
        }
    }
    Ok(found)
}
