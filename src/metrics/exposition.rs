//! Prometheus' text format, version 0.0.4. `GET /metrics` writes it.
//!
//! Every label value is a word of a closed list, so none needs escaping and there are never more series than such words.

use std::fmt::{Display, Write};

use super::Histogram;

/// A page for a scraper.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Numbers that rise until the process ends.
    pub fn counter(&mut self, name: &str, help: &str) {
        self.family(name, "counter", help);
    }

    /// Numbers that rise and fall.
    pub fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    /// One number of the family last named.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.line(format_args!("{name}{} {value}\n", Labels(labels)));
    }

    /// A family of histograms; each with its labels.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (Vec<(&'a str, &'a str)>, &'a Histogram)>,
    ) {
        self.family(name, "histogram", help);
        for (labels, histogram) in all {
            let (buckets, sum) = histogram.read();
            let count = buckets.last().map_or(0, |(_, count)| *count);
            for (bound, count) in buckets {
                let bound = if bound.is_finite() {
                    bound.to_string()
                } else {
                    "+Inf".into()
                };
                let mut labels = labels.clone();
                labels.push(("le", &bound));
                self.line(format_args!("{name}_bucket{} {count}\n", Labels(&labels)));
            }
            self.line(format_args!("{name}_sum{} {sum}\n", Labels(&labels)));
            self.line(format_args!("{name}_count{} {count}\n", Labels(&labels)));
        }
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.0
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let written = self.0.write_fmt(line);
        debug_assert!(written.is_ok());
    }
}

struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}=\"{value}\"", if place == 0 { "{" } else { "," })?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "}" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_described_and_histograms_add_up() {
        let mut page = Exposition::default();
        page.gauge("a", "Some.");
        page.sample("a", &[], 1);
        page.sample("a", &[("x", "y"), ("z", "w")], 2.5);
        let histogram = Histogram::new(&[0.5, 1.0]);
        histogram.observe(0.75);
        page.histograms("b", "Times.", [(vec![("op", "create")], &histogram)]);
        assert_eq!(
            page.into_text(),
            "# HELP a Some.\n# TYPE a gauge\na 1\na{x=\"y\",z=\"w\"} 2.5\n\
             # HELP b Times.\n# TYPE b histogram\n\
             b_bucket{op=\"create\",le=\"0.5\"} 0\nb_bucket{op=\"create\",le=\"1\"} 1\n\
             b_bucket{op=\"create\",le=\"+Inf\"} 1\nb_sum{op=\"create\"} 0.75\nb_count{op=\"create\"} 1\n"
        );
    }
}
