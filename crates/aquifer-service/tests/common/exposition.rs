//! A strict reader of Prometheus's text format, to check the writer with.

use std::collections::{BTreeMap, BTreeSet};

/// A page, taken apart.
#[derive(Debug, Default)]
pub struct Page {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    /// Value by series: `name{a="b"}`, labels sorted.
    pub series: BTreeMap<String, f64>,
}

impl Page {
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or(0.0)
    }
}

/// Reads a page; panics at whatever the format does not allow.
pub fn parse(text: &str) -> Page {
    assert!(text.ends_with('\n'), "the last line must end");
    let mut page = Page::default();
    let mut helped = BTreeSet::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "two helps: {line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, ty) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&ty), "{line}");
            assert!(helped.contains(name), "no help before: {line}");
            let twice = page.families.insert(name.to_owned(), ty.to_owned());
            assert!(twice.is_none(), "a family in two places: {line}");
            assert_eq!(ty == "counter", name.ends_with("_total"), "{line}");
            current = name.to_owned();
        } else {
            let (name, labels, value) = sample(line);
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter(|_| page.families[&current] == "histogram")
                .find_map(|suffix| name.strip_suffix(suffix))
                .unwrap_or(&name);
            assert_eq!(family, current, "a sample outside of its family: {line}");
            let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            let series = if labels.is_empty() {
                name.clone()
            } else {
                format!("{name}{{{}}}", labels.join(","))
            };
            assert!(page.series.insert(series, value).is_none(), "a series twice: {line}");
        }
    }
    histograms(text, &page);
    page
}

/// Buckets are cumulative and end with the infinite one, which is the count.
fn histograms(text: &str, page: &Page) {
    let mut last: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, mut labels, value) = sample(line);
        let Some(family) = name.strip_suffix("_bucket") else { continue };
        let le = labels.remove("le").expect("a bucket has a bound");
        let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
        let key = format!("{family}{labels:?}");
        if let Some((earlier_bound, earlier)) = last.insert(key, (bound, value)) {
            assert!(bound > earlier_bound && value >= earlier, "{line}");
        }
        if bound.is_infinite() {
            let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
            let count = format!("{family}_count{{{}}}", labels.join(","));
            assert_eq!(page.value(&count), value, "{line}");
        }
    }
    for (key, (bound, _)) in last {
        assert!(bound.is_infinite(), "{key} lacks the infinite bucket");
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).expect("a value");
    let name = &line[..end];
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = &line[end..];
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (key, after) = rest.split_once("=\"").expect("a label");
            assert!(is_name(key), "{line}");
            let mut value = String::new();
            let mut chars = after.char_indices();
            let close = loop {
                match chars.next().expect("a closing quote") {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().expect("an escape").1 {
                        'n' => value.push('\n'),
                        c @ ('"' | '\\') => value.push(c),
                        c => panic!("\\{c} is no escape: {line}"),
                    },
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(key.to_owned(), value).is_none(), "{line}");
            rest = &after[close + 1..];
            if let Some(next) = rest.strip_prefix(',') {
                rest = next;
            } else {
                rest = rest.strip_prefix('}').expect("a closing brace");
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one blank before the value");
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("{line}")))
}
