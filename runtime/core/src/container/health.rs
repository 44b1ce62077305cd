//! Health checks: what a container's settings and its image's say together, in docker's way.

use std::time::Duration;

use isopod_image::config::Healthcheck;
use isopod_monitor_protocol::launch;
use isopod_sys::root::Root;
use oci_spec::runtime::Spec;

use super::Container;
use super::exec::ExecOptions;
use super::record::Record;
use super::settings::HealthSettings;
use crate::{Error, Result};

/// docker's time between two checks, and for one.
const INTERVAL: Duration = Duration::from_secs(30);
/// docker's time between two checks in the start period.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// docker's count of failures in a row.
const RETRIES: u32 = 3;
/// docker's shortest time.
const SHORTEST: Duration = Duration::from_millis(1);
/// What wraps a check given as one line, where the image names no shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Record {
    /// The health check as docker's `inspect` shows it: the image's, with what was asked for over it.
    /// `None` where neither has one.
    #[must_use]
    pub fn healthcheck(&self) -> Option<Healthcheck> {
        let image = self.image.as_ref().and_then(|image| image.config.healthcheck.clone());
        let asked = &self.settings.health;
        if asked.disabled {
            return Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
        }
        if *asked == HealthSettings::default() {
            return image;
        }
        let mut check = image.unwrap_or_default();
        let set = |place: &mut Duration, asked: Option<u64>| {
            if let Some(nanos) = asked.filter(|nanos| *nanos > 0) {
                *place = Duration::from_nanos(nanos);
            }
        };
        set(&mut check.interval, asked.interval);
        set(&mut check.timeout, asked.timeout);
        set(&mut check.start_period, asked.start_period);
        set(&mut check.start_interval, asked.start_interval);
        if let Some(test) = &asked.test {
            check.test.clone_from(test);
        }
        if let Some(retries) = asked.retries.filter(|retries| *retries > 0) {
            check.retries = retries;
        }
        Some(check)
    }

    /// The command that checks; `None` where there are no checks. What is neither `CMD` nor `CMD-SHELL` is
    /// none, as for docker.
    fn health_command(&self, check: &Healthcheck) -> Option<Vec<String>> {
        let (kind, words) = check.test.split_first()?;
        let command = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let shell = self.image.as_ref().map(|image| image.config.shell.as_slice());
                let mut command = match shell {
                    Some(shell) if !shell.is_empty() => shell.to_vec(),
                    _ => SHELL.map(str::to_owned).to_vec(),
                };
                command.extend_from_slice(words);
                command
            }
            _ => return None,
        };
        (!command.is_empty()).then_some(command)
    }
}

/// Refuses times that docker refuses.
pub(super) fn check(settings: &HealthSettings) -> Result<()> {
    for (what, nanos) in [
        ("health interval", settings.interval),
        ("health timeout", settings.timeout),
        ("health start period", settings.start_period),
        ("health start interval", settings.start_interval),
    ] {
        if nanos.is_some_and(|nanos| nanos > 0 && Duration::from_nanos(nanos) < SHORTEST) {
            return Err(Error::Invalid(format!("the {what} can't be less than 1 ms")));
        }
    }
    Ok(())
}

impl Container<'_> {
    /// What its monitor is to do; `root` is where its user is looked up.
    pub(super) fn launch_health(&self, spec: &Spec, root: &Root) -> Result<Option<launch::Health>> {
        let Some(check) = self.record.healthcheck() else { return Ok(None) };
        let Some(args) = self.record.health_command(&check) else { return Ok(None) };
        let options = ExecOptions { args, ..ExecOptions::default() };
        let process = super::spec::process_like(spec, root, &options)?;
        let or = |time: Duration, default: Duration| {
            // An image may say what no flag may.
            let time = if time.is_zero() { default } else { time.max(SHORTEST) };
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
        };
        Ok(Some(launch::Health {
            process,
            interval: or(check.interval, INTERVAL),
            timeout: or(check.timeout, INTERVAL),
            start_period: or(check.start_period, Duration::ZERO),
            start_interval: or(check.start_interval, START_INTERVAL),
            retries: if check.retries == 0 { RETRIES } else { check.retries },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{LogConfig, Settings};
    use super::*;

    fn record(health: HealthSettings) -> Record {
        Record {
            version: 1,
            image: None,
            rootfs: None,
            layers: Vec::new(),
            snapshot: None,
            settings: Settings { health, ..Settings::default() },
            volumes: Vec::new(),
            images: Vec::new(),
            log: LogConfig::None,
            auto_remove: false,
            cgroup_manager: crate::config::CgroupManager::Cgroupfs,
        }
    }

    /// With this in the image's configuration.
    fn with_image(mut record: Record, config: &str) -> Record {
        let digest = format!("sha256:{}", "0".repeat(64));
        record.image = Some(
            serde_json::from_value(serde_json::json!({
                "name": "i",
                "target": digest,
                "id": digest,
                "manifest": {"mediaType": "m", "digest": digest, "size": 1},
                "config": serde_json::from_str::<serde_json::Value>(config).unwrap(),
            }))
            .unwrap(),
        );
        record
    }

    const IMAGE: &str = r#"{"Healthcheck": {"Test": ["CMD", "look"], "Interval": 1000000000, "Retries": 7},
        "Shell": ["/bin/bash", "-xc"]}"#;

    fn command(record: &Record) -> Option<Vec<String>> {
        record.healthcheck().and_then(|check| record.health_command(&check))
    }

    #[test]
    fn what_is_asked_for_replaces_the_images_field_by_field() {
        assert_eq!(record(HealthSettings::default()).healthcheck(), None);
        let image = with_image(record(HealthSettings::default()), IMAGE);
        assert_eq!(command(&image).unwrap(), ["look"]);
        let asked =
            HealthSettings { timeout: Some(5), retries: Some(0), ..HealthSettings::default() };
        let merged = with_image(record(asked), IMAGE).healthcheck().unwrap();
        assert_eq!(merged.test, ["CMD", "look"]);
        assert_eq!(merged.interval, Duration::from_secs(1));
        assert_eq!(merged.timeout, Duration::from_nanos(5));
        assert_eq!(merged.retries, 7);
    }

    #[test]
    fn a_line_is_for_the_images_shell_and_none_is_none() {
        let line = || HealthSettings {
            test: Some(vec!["CMD-SHELL".into(), "true && true".into()]),
            ..HealthSettings::default()
        };
        assert_eq!(command(&record(line())).unwrap(), ["/bin/sh", "-c", "true && true"]);
        let image = with_image(record(line()), IMAGE);
        assert_eq!(command(&image).unwrap(), ["/bin/bash", "-xc", "true && true"]);
        let disabled = HealthSettings { disabled: true, ..HealthSettings::default() };
        assert_eq!(command(&with_image(record(disabled), IMAGE)), None);
        let unknown = r#"{"Healthcheck": {"Test": ["WISH", "x"]}}"#;
        assert_eq!(command(&with_image(record(HealthSettings::default()), unknown)), None);
        let nothing = r#"{"Healthcheck": {"Test": ["CMD"]}}"#;
        assert_eq!(command(&with_image(record(HealthSettings::default()), nothing)), None);
    }
}
