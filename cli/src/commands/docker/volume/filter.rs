//! `--filter` of `volume ls`.

use isopod_runtime::volume::VolumeDetails;

use crate::error::Error;

/// All of them; those of one kind are alternatives but for labels, as in docker.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filters {
    dangling: Option<bool>,
    drivers: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    names: Vec<String>,
}

impl Filters {
    /// Parses `key=value` each.
    ///
    /// # Errors
    /// No such filter, or a value that can't be.
    pub fn parse(texts: &[String]) -> Result<Self, Error> {
        let mut filters = Self::default();
        for text in texts {
            let error = |reason: &str| Error::Value {
                what: "--filter",
                value: text.clone(),
                reason: reason.to_owned(),
            };
            let (key, value) = text.split_once('=').ok_or_else(|| error("it has no ="))?;
            let owned = value.to_owned();
            match (key, value) {
                ("dangling", "true" | "1") => filters.dangling = Some(true),
                ("dangling", "false" | "0") => filters.dangling = Some(false),
                ("dangling", _) => return Err(error("it is neither true nor false")),
                ("driver", _) => filters.drivers.push(owned),
                ("label", _) => filters.labels.push(match value.split_once('=') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (owned, None),
                }),
                ("name", _) => filters.names.push(owned),
                _ => return Err(error("filters are dangling, driver, label and name")),
            }
        }
        Ok(filters)
    }

    /// Whether `found` fits.
    #[must_use]
    pub fn fit(&self, found: &VolumeDetails) -> bool {
        let labels = found.volume.shown_labels();
        let is_one_of = |all: &[String], fits: &dyn Fn(&str) -> bool| {
            all.is_empty() || all.iter().any(|text| fits(text))
        };
        self.dangling.is_none_or(|wanted| wanted == found.users.is_empty())
            && is_one_of(&self.drivers, &|driver| driver == "local")
            && is_one_of(&self.names, &|part| found.volume.name.contains(part))
            && self.labels.iter().all(|(key, value)| {
                labels
                    .get(key)
                    .is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            })
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use isopod_runtime::state::VolumeRow;

    use super::*;

    fn fits(texts: &[&str], user: Option<&str>) -> bool {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let labels = [("is-timelord".to_owned(), "yes".to_owned())];
        let volume = VolumeRow {
            name: "rosemary".to_owned(),
            anonymous: false,
            created: Utc::now(),
            labels: labels.into(),
            options: Default::default(),
        };
        let users = user.map(ToOwned::to_owned).into_iter().collect();
        Filters::parse(&texts).unwrap().fit(&VolumeDetails { volume, users })
    }

    /// The examples of docker's reference of `volume ls` («Filtering»).
    #[test]
    fn filters_are_dockers() {
        assert!(fits(&["dangling=true"], None));
        assert!(!fits(&["dangling=true"], Some("default/tyler")));
        assert!(fits(&["dangling=false"], Some("default/tyler")));
        assert!(fits(&["driver=local"], None));
        assert!(!fits(&["driver=other"], None));
        assert!(fits(&["label=is-timelord"], None));
        assert!(fits(&["label=is-timelord=yes"], None));
        assert!(!fits(&["label=is-timelord=no"], None));
        assert!(fits(&["name=rose"], None), "a part of the name is enough");
        assert!(fits(&["name=tyler", "name=rosemary"], None));
        assert!(!fits(&["name=tyler"], None));
    }

    #[test]
    fn what_is_no_filter_is_refused_by_name() {
        for wrong in ["colour=red", "dangling=perhaps", "name"] {
            let error = Filters::parse(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
