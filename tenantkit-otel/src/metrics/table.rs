//! All instruments, as a table in Markdown.

use std::fmt::Write as _;

use super::ledger::{Entry, Ledger};

pub(super) fn of(ledger: &Ledger) -> String {
    let mut entries = ledger.entries().clone();
    entries.sort_by_key(|it| it.name);
    let mut table =
        String::from("| name | kind | unit | labels | series | |\n|---|---|---|---|---|---|\n");
    for entry in entries {
        row(&mut table, &entry);
    }
    table
}

fn row(table: &mut String, entry: &Entry) {
    let labels: Vec<_> =
        entry.dimensions.iter().map(|it| format!("`{}` ({})", it.key, it.values.len())).collect();
    let Entry { name, kind, unit, description, .. } = entry;
    let (labels, series) = (labels.join(", "), entry.series());
    // Writing to a string does not fail.
    let _ =
        writeln!(table, "| `{name}` | {kind} | `{unit}` | {labels} | {series} | {description} |");
}
