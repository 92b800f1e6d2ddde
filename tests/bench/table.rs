//! The answer of a run: one line per figure with its limit, their ratio and what is asked. Printed as a Markdown table that
//! a terminal can show, too.

use std::fmt;

/// One figure.
pub struct Row {
    pub figure: String,
    pub value: String,
    /// What it is measured against.
    pub limit: String,
    pub ratio: Option<f64>,
    /// What the project demands; empty where the figure is only told.
    pub asked: &'static str,
    pub holds: Option<bool>,
}

impl Row {
    /// A figure that is told and not judged.
    pub fn told(figure: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            figure: figure.into(),
            value: value.into(),
            limit: String::new(),
            ratio: None,
            asked: "",
            holds: None,
        }
    }

    /// A figure that is not to exceed `most`, both in the same unit.
    pub fn at_most(figure: &str, (value, text): (f64, String), (most, asked): (f64, &'static str)) -> Self {
        Self {
            ratio: Some(value / most),
            asked,
            holds: Some(value <= most),
            ..Self::told(figure, text)
        }
    }
}

/// All figures.
pub struct Table {
    head: Vec<String>,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(head: Vec<String>) -> Self {
        Self { head, rows: Vec::new() }
    }

    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// How busy the machine was.
    pub fn load(&mut self, load: String) {
        self.head.push(format!("at the end: {load}"));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.head {
            writeln!(f, "{line}")?;
        }
        writeln!(f)?;
        let titles = ["figure", "measured", "limit", "ratio", "asked", "holds"].map(str::to_owned);
        let cells = self.rows.iter().map(cells);
        let lines: Vec<[String; 6]> = std::iter::once(titles).chain(cells).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                writeln!(f, "|{}|", rules.join("|"))?;
            }
        }
        Ok(())
    }
}

fn cells(row: &Row) -> [String; 6] {
    let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let holds = match row.holds {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    [
        row.figure.clone(),
        row.value.clone(),
        row.limit.clone(),
        ratio,
        row.asked.to_owned(),
        holds.to_owned(),
    ]
}
