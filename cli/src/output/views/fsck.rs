//! What `system fsck` and `system gc --explain` print.

use isopod_runtime::collect::Item;
use isopod_runtime::fsck::{Finding, Report};
use serde_json::{Value as Json, json};

use crate::output::table::{DOCKER, Table, printable};
use crate::output::units;

/// A line a finding: its code, the object, what is wrong, and what is done about it.
#[must_use]
pub fn lines(report: &Report, is_repair: bool) -> String {
    let mut text = String::new();
    for finding in &report.mended {
        let did = finding.repair.unwrap_or("as it should be");
        let more = finding.advice.iter().map(|advice| format!("; to do: {advice}"));
        text.push_str(&line(finding, &format!("mended: {did}{}", more.collect::<String>())));
    }
    for finding in &report.left {
        let mut does = match (&finding.failure, finding.repair) {
            (Some(failure), _) => format!("could not be mended: {failure}"),
            (None, Some(repair)) if !is_repair => format!("--repair: {repair}"),
            (None, _) => String::new(),
        };
        if let Some(advice) = &finding.advice {
            let join = if does.is_empty() { "" } else { "; " };
            does = format!("{does}{join}to do: {advice}");
        }
        text.push_str(&line(finding, &does));
    }
    text
}

fn line(finding: &Finding, does: &str) -> String {
    let end = if does.is_empty() { String::new() } else { format!(" [{does}]") };
    let text = format!("{} {}: {}{end}", finding.code, finding.object, finding.detail);
    // Names of files and images are others' words.
    printable(&text) + "\n"
}

/// The whole, with the fields in the words of `--format`'s templates.
#[must_use]
pub fn json(report: &Report) -> Json {
    let all = |findings: &[Finding], is_mended| -> Vec<Json> {
        findings.iter().map(|finding| fields(finding, is_mended)).collect()
    };
    json!({
        "Clean": report.is_clean(),
        "Mended": all(&report.mended, true),
        "Left": all(&report.left, false),
        "Unchecked": report.unchecked,
    })
}

/// One finding.
#[must_use]
pub fn fields(finding: &Finding, is_mended: bool) -> Json {
    json!({
        "Code": finding.code,
        "Object": finding.object,
        "Detail": finding.detail,
        "Repair": finding.repair.unwrap_or_default(),
        "Advice": finding.advice.as_deref().unwrap_or_default(),
        "Failure": finding.failure.as_deref().unwrap_or_default(),
        "Mended": is_mended,
    })
}

/// A row for everything that takes room: whether it goes, and why, or why it stays.
#[must_use]
pub fn explained(items: &[Item]) -> String {
    let mut table = Table::new(DOCKER, &["", "KIND", "NAME", "SIZE", "WHY"]);
    for item in sorted(items) {
        let goes = if item.goes { "goes" } else { "stays" };
        let name = printable(&item.name);
        let size = units::decimal(item.size);
        table.row([
            goes.to_owned(),
            item.kind.to_owned(),
            name,
            size,
            printable(&item.why.join(", ")),
        ]);
    }
    table.render()
}

/// The same for scripts.
#[must_use]
pub fn explained_json(items: &[Item]) -> Json {
    let row = |item: &Item| {
        json!({
            "Kind": item.kind,
            "Name": item.name,
            "Size": item.size,
            "Goes": item.goes,
            "Why": item.why,
        })
    };
    json!({
        "Reclaimable": items.iter().filter(|item| item.goes).map(|item| item.size).sum::<u64>(),
        "Items": sorted(items).into_iter().map(row).collect::<Vec<_>>(),
    })
}

fn sorted(items: &[Item]) -> Vec<&Item> {
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_by_key(|item| !item.goes);
    sorted
}
