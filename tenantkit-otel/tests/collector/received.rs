//! OTLP in JSON, as the collector writes it down.

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) type Attributes = BTreeMap<String, String>;

/// The attributes of every record: `spans`, `logRecords`.
pub(crate) fn records(lines: &str, of: [&str; 3]) -> Vec<Attributes> {
    let [resources, scopes, records] = of;
    let documents = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found = Vec::new();
    for document in documents {
        for resource in list(&document, resources) {
            for scope in list(resource, scopes) {
                found.extend(list(scope, records).iter().map(attributes));
            }
        }
    }
    found
}

fn attributes(record: &Value) -> Attributes {
    let text = |it: &Value| {
        let value = it["value"].as_object().and_then(|value| value.values().next().cloned());
        (it["key"].as_str().unwrap().to_owned(), value.unwrap_or_default().to_string())
    };
    let pairs: Vec<_> = list(record, "attributes").iter().map(text).collect();
    let map: Attributes = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "an attribute is there twice: {pairs:?}");
    map
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The series of a page for Prometheus, without what says who was scraped.
pub(crate) fn series(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let names = lines.filter_map(|line| line.rsplit_once(' ').map(|(name, _)| name.to_owned()));
    names.filter(|name| !name.starts_with("target_info")).collect()
}
