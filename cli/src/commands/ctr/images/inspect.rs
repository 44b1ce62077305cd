//! `ctr images inspect`: the tree of an image's documents.

use isopod_image::document::Document;
use isopod_image::Descriptor;
use isopod_runtime::Runtime;

use super::document;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::units;

/// Inspect an image
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show the documents themselves
    #[arg(long)]
    content: bool,
    /// Its reference
    #[arg(value_name = "IMAGE")]
    image: String,
}

impl Verb for Args {
    const USAGE: &'static str = "<image> [flags]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let runtime = context.runtime()?;
        let image = runtime.images().get(&self.image)?;
        let mut tree = Tree { runtime, owner: &image.name, content: self.content, text: String::new() };
        tree.text.push_str(&format!("{}\n", image.name));
        tree.draw(&image.target, "", true)?;
        context.printer.data(tree.text.as_bytes())?;
        Ok(0)
    }
}

struct Tree<'a> {
    runtime: &'a Runtime,
    owner: &'a str,
    content: bool,
    text: String,
}

impl Tree<'_> {
    fn draw(&mut self, descriptor: &Descriptor, indent: &str, last: bool) -> Result<(), Error> {
        let (branch, bar) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let platform = descriptor.platform.as_ref().map(|p| format!(" {p}")).unwrap_or_default();
        let Descriptor { media_type, digest, size, .. } = descriptor;
        let size = units::ctr(*size);
        self.text.push_str(&format!("{indent}{branch}{media_type} @{digest} ({size}){platform}\n"));
        let indent = format!("{indent}{bar}");
        let is_document = descriptor.is_index() || descriptor.is_manifest();
        if !is_document || self.runtime.content().size(&descriptor.digest)?.is_none() {
            return Ok(());
        }
        let (bytes, document) = document(self.runtime, descriptor, self.owner)?;
        self.show(&bytes, &indent);
        let children: Vec<Descriptor> = match document {
            Document::Index(index) => index.manifests,
            Document::Manifest(manifest) => {
                std::iter::once(manifest.config).chain(manifest.layers).collect()
            }
        };
        for (index, child) in children.iter().enumerate() {
            self.draw(child, &indent, index + 1 == children.len())?;
        }
        Ok(())
    }

    fn show(&mut self, bytes: &[u8], indent: &str) {
        if !self.content {
            return;
        }
        for line in String::from_utf8_lossy(bytes).lines() {
            self.text.push_str(&format!("{indent}┃ {line}\n"));
        }
    }
}
