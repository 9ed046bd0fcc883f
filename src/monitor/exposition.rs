//! The text format of metrics: OpenMetrics 1.0, and the older format of Prometheus for clients that
//! do not ask for it. They differ in how counters are declared. Pure.

use std::fmt::{Display, Write as _};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus 0.0.4.
    Prometheus,
}

impl Format {
    /// What a client takes, by its `Accept` header.
    pub fn of(accept: Option<&str>) -> Format {
        match accept
            .is_some_and(|a| a.to_ascii_lowercase().contains("application/openmetrics-text"))
        {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Goes up; its name ends with `_total`.
    Counter,
    /// Counts in buckets.
    Histogram,
}

/// A document being written.
pub struct Exposition {
    format: Format,
    name: &'static str,
    out: String,
}

impl Exposition {
    /// An empty one that may take so many bytes.
    pub fn new(format: Format, room: usize) -> Exposition {
        Exposition { format, name: "", out: String::with_capacity(room) }
    }

    /// Begins a family; its samples follow. The help text ends without a period.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut Self {
        self.name = name;
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        };
        let declared = match self.format {
            Format::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
            Format::Prometheus => name,
        };
        // Writing to a String cannot fail.
        let _ = write!(self.out, "# HELP {declared} {help}.\n# TYPE {declared} {word}\n");
        self
    }

    /// A sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.part("", labels, value)
    }

    /// A sample whose name has something behind that of the family, such as `_bucket`.
    pub fn part(&mut self, end: &str, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        self.out.push_str(self.name);
        self.out.push_str(end);
        for (i, (name, value)) in labels.iter().enumerate() {
            self.out.push(if i == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, &mut self.out);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
        self
    }

    /// The whole document. Its end is marked in both formats: in the older one it is a comment.
    pub fn finish(mut self) -> String {
        self.out.push_str("# EOF\n");
        self.out
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format) -> String {
        let mut out = Exposition::new(format, 0);
        out.family("x_total", Kind::Counter, "Things");
        out.sample(&[("a", "b\"\\\n"), ("c", "d")], 3).sample(&[], 0.5);
        out.finish()
    }

    #[test]
    fn counters_are_declared_as_the_format_has_it() {
        let samples = "x_total{a=\"b\\\"\\\\\\n\",c=\"d\"} 3\nx_total 0.5\n# EOF\n";
        let head = "# HELP x Things.\n# TYPE x counter\n";
        assert_eq!(written(Format::OpenMetrics), format!("{head}{samples}"));
        let head = "# HELP x_total Things.\n# TYPE x_total counter\n";
        assert_eq!(written(Format::Prometheus), format!("{head}{samples}"));
    }

    #[test]
    fn clients_get_what_they_ask_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1";
        assert_eq!(Format::of(Some(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::of(Some("*/*")), Format::Prometheus);
        assert_eq!(Format::of(None), Format::Prometheus);
    }
}
