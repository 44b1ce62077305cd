//! `info`: the runtime's conditions, handlers and features, and what it says of itself.

use isopod_cri_client::v1;
use isopod_cri_protocol::json::to_value;
use serde_json::{Map, Value, json};

use super::format::{self, TemplateFormat, Written};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show what the runtime says of itself
#[derive(Debug, clap::Args)]
pub struct Args {
    /// json, yaml or go-template
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: TemplateFormat,
    /// Leave out what the runtime adds
    #[arg(short, long)]
    quiet: bool,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = Written::of(self.output, self.template.as_deref())?;
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let response = session
            .ask(client.status(v1::StatusRequest { verbose: !self.quiet }))
            .map_err(Error::doing("getting status of runtime"))?;
        let status = to_value(&response.status.clone().unwrap_or_default());
        let mut all = format::status(status, &response.info)?;
        all.extend(offers(&response));
        context.printer.data(format::statuses(&written, vec![all])?.as_bytes())?;
        Ok(0)
    }
}

/// Handlers and features where the runtime tells of them: by the interface's own names, without what is not set, as
/// the original has it.
fn offers(response: &v1::StatusResponse) -> Map<String, Value> {
    let mut offers = Map::new();
    if !response.runtime_handlers.is_empty() {
        offers.insert(
            "runtimeHandlers".to_owned(),
            response.runtime_handlers.iter().map(handler).collect(),
        );
    }
    if let Some(features) = &response.features {
        let set = [
            ("supplemental_groups_policy", features.supplemental_groups_policy),
            ("user_namespaces_host_network", features.user_namespaces_host_network),
        ];
        offers.insert("features".to_owned(), true_ones(&set));
    }
    offers
}

fn handler(handler: &v1::RuntimeHandler) -> Value {
    let mut value = Map::new();
    if let Some(features) = &handler.features {
        let set = [
            ("recursive_read_only_mounts", features.recursive_read_only_mounts),
            ("user_namespaces", features.user_namespaces),
        ];
        value.insert("features".to_owned(), true_ones(&set));
    }
    if !handler.name.is_empty() {
        value.insert("name".to_owned(), json!(handler.name));
    }
    Value::Object(value)
}

fn true_ones(flags: &[(&str, bool)]) -> Value {
    let set = flags.iter().filter(|(_, is)| *is);
    Value::Object(set.map(|(name, is)| ((*name).to_owned(), json!(is))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of `crictl info` in cri-tools' `docs/crictl.md` has handlers of this form.
    #[test]
    fn handlers_and_features_are_named_as_the_interface_names_them() {
        let response = v1::StatusResponse {
            runtime_handlers: vec![
                v1::RuntimeHandler {
                    name: "runc".into(),
                    features: Some(v1::RuntimeHandlerFeatures {
                        recursive_read_only_mounts: true,
                        user_namespaces: false,
                    }),
                },
                v1::RuntimeHandler::default(),
            ],
            features: Some(v1::RuntimeFeatures {
                supplemental_groups_policy: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let expected = json!({
            "runtimeHandlers": [{"features": {"recursive_read_only_mounts": true}, "name": "runc"}, {}],
            "features": {"supplemental_groups_policy": true},
        });
        assert_eq!(Value::Object(offers(&response)), expected);
        assert!(offers(&v1::StatusResponse::default()).is_empty());
    }
}
