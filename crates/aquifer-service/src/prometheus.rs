//! The Prometheus text format, version 0.0.4: writing it.
//!
//! Families are written whole, one after the other; label values and help texts are escaped here and
//! nowhere else.

use std::fmt::{Display, Write};

/// The content type of what [`Text`] writes.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family's numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Counter,
    Gauge,
    Histogram,
}

/// Labels of a sample: names and values.
pub(crate) type Labels<'a> = [(&'a str, &'a str)];

/// A page of metrics under construction.
#[derive(Debug, Default)]
pub(crate) struct Text {
    out: String,
}

impl Text {
    /// Starts a family; its samples follow.
    pub(crate) fn family(&mut self, name: &str, ty: Type, help: &str) {
        let ty = match ty {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        self.put(format_args!("# HELP {name} "));
        escape(&mut self.out, help, false);
        self.put(format_args!("\n# TYPE {name} {ty}\n"));
    }

    /// Adds a sample of the family that was started last; `name` is the family's, or its with a suffix.
    pub(crate) fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl Display) {
        self.labelled(name, labels, None);
        self.put(format_args!(" {value}\n"));
    }

    /// Adds a histogram: for each bound (in the metric's unit) how many observations were at most that,
    /// then sum and count.
    pub(crate) fn histogram(
        &mut self,
        name: &str,
        labels: &Labels<'_>,
        cumulative: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
        count: u64,
    ) {
        let bucket = format!("{name}_bucket");
        for (bound, observations) in cumulative {
            self.labelled(&bucket, labels, Some(&bound.to_string()));
            self.put(format_args!(" {observations}\n"));
        }
        self.labelled(&bucket, labels, Some("+Inf"));
        self.put(format_args!(" {count}\n"));
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// A family of one sample.
    pub(crate) fn single(
        &mut self,
        name: &str,
        ty: Type,
        help: &str,
        labels: &Labels<'_>,
        value: impl Display,
    ) {
        self.family(name, ty, help);
        self.sample(name, labels, value);
    }

    /// The page.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a `String` does not fail.
        let _ = self.out.write_fmt(text);
    }

    fn labelled(&mut self, name: &str, labels: &Labels<'_>, le: Option<&str>) {
        self.out.push_str(name);
        let all = labels.iter().copied().chain(le.map(|le| ("le", le)));
        let mut open = false;
        for (key, value) in all {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.out.push_str(key);
            self.out.push_str("=\"");
            escape(&mut self.out, value, true);
            self.out.push('"');
        }
        if open {
            self.out.push('}');
        }
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_help_are_escaped() {
        let mut text = Text::default();
        text.single("a_total", Type::Counter, "x\\\n\"y\"", &[("q", "a\"b\\c\nd")], 3);
        assert_eq!(
            text.finish(),
            "# HELP a_total x\\\\\\n\"y\"\n# TYPE a_total counter\na_total{q=\"a\\\"b\\\\c\\nd\"} 3\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_the_infinite_bucket_sum_and_count() {
        let mut text = Text::default();
        text.family("h_seconds", Type::Histogram, "h");
        text.histogram("h_seconds", &[("a", "b")], [(0.005, 1), (10.0, 2)], 12.5, 3);
        assert_eq!(
            text.finish(),
            "# HELP h_seconds h\n# TYPE h_seconds histogram\n\
             h_seconds_bucket{a=\"b\",le=\"0.005\"} 1\n\
             h_seconds_bucket{a=\"b\",le=\"10\"} 2\n\
             h_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\n\
             h_seconds_sum{a=\"b\"} 12.5\n\
             h_seconds_count{a=\"b\"} 3\n"
        );
    }
}
