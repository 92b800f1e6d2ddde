//! Columns of text for a person, as wide as their widest cell. The commands that list something print it.
//!
//! A cell may hold what somebody sent to the daemon (an id, a title), so nothing in it can steer a terminal.

/// A line per row under the head, without blanks at the end of any.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let head = head.map(String::from);
    let lines: Vec<[String; N]> = std::iter::once(head)
        .chain(rows)
        .map(|cells| cells.map(|cell| plain(&cell)))
        .collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The text on one line, with a mark in place of each control character.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let rows = [["1".into(), "long\u{1b}[2J".into()], ["20".into(), "é".into()]];
        assert_eq!(table(["A", "B"], rows), "A   B\n1   long\u{fffd}[2J\n20  é\n");
    }
}
