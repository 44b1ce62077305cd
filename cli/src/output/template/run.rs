//! Applies a parsed template to a value.

use serde_json::Value as Json;

use super::functions;
use super::parse::{Command, Node, Operand, Pipeline, Term};
use super::text;

/// Fields that docker leaves out of its JSON where they are empty; a template may ask for them all the same.
const OPTIONAL: &[&str] = &[
    "ArgsEscaped",
    "ConfigFrom",
    "Health",
    "Healthcheck",
    "Init",
    "MacAddress",
    "NetworkDisabled",
    "OnBuild",
    "Peers",
    "Services",
    "Shell",
    "SizeRootFs",
    "SizeRw",
    "StopSignal",
    "StopTimeout",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "UsageData",
    "Variant",
];

/// The text that the nodes make of `value`; with `strict` every key has to be there, as with Go's `missingkey=error`.
pub fn render(nodes: &[Node], value: &Json, strict: bool) -> Result<String, String> {
    let variables = vec![("$".to_owned(), value.clone())];
    let mut run = Run { variables, out: String::new(), strict };
    run.nodes(nodes, value)?;
    Ok(run.out)
}

struct Run {
    /// Innermost last.
    variables: Vec<(String, Json)>,
    out: String,
    strict: bool,
}

impl Run {
    fn nodes(&mut self, nodes: &[Node], dot: &Json) -> Result<(), String> {
        nodes.iter().try_for_each(|node| self.node(node, dot))
    }

    fn node(&mut self, node: &Node, dot: &Json) -> Result<(), String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Pipeline(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.out.push_str(&text::shown(value.as_ref()));
                }
            }
            Node::If(pipeline, then, otherwise) => self.scoped(|run| {
                let value = run.pipeline(pipeline, dot)?;
                run.nodes(if value.as_ref().is_some_and(is_true) { then } else { otherwise }, dot)
            })?,
            Node::With(pipeline, then, otherwise) => {
                self.scoped(|run| match run.pipeline(pipeline, dot)? {
                    Some(value) if is_true(&value) => run.nodes(then, &value),
                    _ => run.nodes(otherwise, dot),
                })?
            }
            Node::Range(pipeline, each, otherwise) => {
                self.scoped(|run| run.range(pipeline, each, otherwise, dot))?
            }
        }
        Ok(())
    }

    /// What is declared inside ends with it.
    fn scoped(&mut self, body: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let before = self.variables.len();
        let result = body(self);
        self.variables.truncate(before);
        result
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        each: &[Node],
        otherwise: &[Node],
        dot: &Json,
    ) -> Result<(), String> {
        let value = self.commands(pipeline, dot)?.unwrap_or(Json::Null);
        let items: Vec<(Json, Json)> = match value {
            Json::Array(items) => {
                items.into_iter().enumerate().map(|(n, item)| (n.into(), item)).collect()
            }
            Json::Object(fields) => {
                text::sorted(&fields).map(|(k, v)| (k.into(), v.clone())).collect()
            }
            Json::Null => Vec::new(),
            other => return Err(format!("range can't iterate over {}", text::shown(Some(&other)))),
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            self.scoped(|run| {
                match &pipeline.variables[..] {
                    [] => {}
                    [only] => run.set(only, item.clone(), pipeline.declares)?,
                    [index, element, ..] => {
                        run.set(index, key, pipeline.declares)?;
                        run.set(element, item.clone(), pipeline.declares)?;
                    }
                }
                run.nodes(each, &item)
            })?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Json, declares: bool) -> Result<(), String> {
        if declares {
            self.variables.push((name.to_owned(), value));
            return Ok(());
        }
        let found = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        found.map(|(_, old)| *old = value).ok_or_else(|| format!("undefined variable {name:?}"))
    }

    /// The value; nothing where a map has no such key.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Json) -> Result<Option<Json>, String> {
        let value = self.commands(pipeline, dot)?;
        if let [name, ..] = &pipeline.variables[..] {
            self.set(name, value.clone().unwrap_or(Json::Null), pipeline.declares)?;
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Json) -> Result<Option<Json>, String> {
        let mut value = None;
        for (number, command) in pipeline.commands.iter().enumerate() {
            let piped = (number > 0).then(|| value.take().unwrap_or(Json::Null));
            value = self.command(command, piped, dot)?;
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &Command,
        piped: Option<Json>,
        dot: &Json,
    ) -> Result<Option<Json>, String> {
        if let Term::Function(name) = &command.head.term {
            return self.call(name, &command.arguments, piped, dot).map(Some);
        }
        if command.arguments.is_empty() && piped.is_none() {
            return self.operand(&command.head, dot);
        }
        // The one method with an argument that docker's values have.
        if let (Term::Dot, [method]) = (&command.head.term, &command.head.fields[..])
            && method == "Label"
            && let Some(labels) = dot.get("_labels")
        {
            let arguments = self.arguments(&command.arguments, piped, dot)?;
            let [Json::String(key)] = &arguments[..] else {
                return Err(".Label takes the name of a label".into());
            };
            return Ok(Some(labels.get(key).cloned().unwrap_or_else(|| "".into())));
        }
        Err(format!("{} can't be called with arguments", described(&command.head)))
    }

    fn call(
        &mut self,
        name: &str,
        operands: &[Operand],
        piped: Option<Json>,
        dot: &Json,
    ) -> Result<Json, String> {
        // These two look at no more arguments than they need.
        if matches!(name, "and" | "or") {
            let mut last = None;
            for operand in operands {
                let value = self.operand(operand, dot)?.unwrap_or(Json::Null);
                if is_true(&value) == (name == "or") {
                    return Ok(value);
                }
                last = Some(value);
            }
            return piped.or(last).ok_or_else(|| format!("{name} takes at least one argument"));
        }
        functions::call(name, &self.arguments(operands, piped, dot)?)
    }

    fn arguments(
        &mut self,
        operands: &[Operand],
        piped: Option<Json>,
        dot: &Json,
    ) -> Result<Vec<Json>, String> {
        let values =
            operands.iter().map(|operand| Ok(self.operand(operand, dot)?.unwrap_or(Json::Null)));
        let mut values = values.collect::<Result<Vec<_>, String>>()?;
        values.extend(piped);
        Ok(values)
    }

    fn operand(&mut self, operand: &Operand, dot: &Json) -> Result<Option<Json>, String> {
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Literal(value) => value.clone(),
            Term::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| format!("undefined variable {name:?}"))?
            }
            Term::Function(name) => self.call(name, &[], None, dot)?,
            Term::Pipeline(pipeline) => self.pipeline(pipeline, dot)?.unwrap_or(Json::Null),
        };
        operand.fields.iter().try_fold(Some(value), |value, name| match value {
            Some(value) if self.strict => key(&value, name).map(Some),
            Some(value) => field(&value, name),
            None => Err(format!("no field {name} of what is not there")),
        })
    }
}

/// A key of a map that has to be there.
fn key(value: &Json, name: &str) -> Result<Json, String> {
    match value {
        Json::Object(map) => map.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = map.keys().map(String::as_str).collect();
            format!("no key {name}; there are {}", known.join(", "))
        }),
        other => Err(format!("no key {name} of {}", text::shown(Some(other)))),
    }
}

/// A field of a structure must be there; a map may lack a key, which is nothing then.
fn field(value: &Json, name: &str) -> Result<Option<Json>, String> {
    match value {
        Json::Object(fields) => match fields.get(name).filter(|_| !name.starts_with('_')) {
            Some(value) => Ok(Some(value.clone())),
            None if OPTIONAL.contains(&name) => Ok(Some(Json::Null)),
            None if text::is_struct(fields) => {
                let known: Vec<&str> = text::fields(fields).map(|(name, _)| name).collect();
                Err(format!("no field {name}; there are {}", known.join(", ")))
            }
            None => Ok(None),
        },
        Json::Null => Err(format!("no field {name} of what is empty")),
        other => Err(format!("no field {name} of {}", text::shown(Some(other)))),
    }
}

fn described(operand: &Operand) -> String {
    match &operand.term {
        Term::Dot => format!(".{}", operand.fields.join(".")),
        Term::Variable(name) | Term::Function(name) => name.clone(),
        Term::Literal(value) => value.to_string(),
        Term::Pipeline(_) => "a pipeline".to_owned(),
    }
}

/// Neither zero nor empty (Go's text/template, `if`).
pub fn is_true(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}
