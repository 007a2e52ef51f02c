//! Columns that line up, with nothing drawn around them.

use super::style::Tone;
use failstop_engine::printable::printable;
use std::fmt::Write as _;

/// Between two columns.
const GAP: &str = "   ";

/// One cell: its words and their tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

impl Cell {
    /// A cell whose word says its own tone.
    pub fn state(word: &str) -> Self {
        Self { text: printable(word).into_owned(), tone: Tone::of(word), right: false }
    }

    /// A cell in a tone that its word does not say by itself.
    pub fn toned(word: &str, tone: Tone) -> Self {
        Self { text: printable(word).into_owned(), tone, right: false }
    }

    /// The same cell, at the right edge of its column: for numbers.
    #[must_use]
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: printable(&text.into()).into_owned(), tone: Tone::Plain, right: false }
    }
}

/// Rows of cells. Rows may have different lengths.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
    first: usize,
}

impl Table {
    /// A table whose first column is at least `width` wide, so that it lines up with others.
    pub fn with_first_column(width: usize) -> Self {
        Self { rows: Vec::new(), first: width }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The rows as lines, each ending with a line feed, without spaces at their ends. A column that is empty in every
    /// row takes no room.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..columns).map(width).collect();
        if let Some(first) = widths.first_mut() {
            *first = self.first.max(*first);
        }
        let mut out = String::new();
        for row in &self.rows {
            let mut pending = String::new();
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                if width == 0 {
                    continue;
                }
                let padding = width - cell.text.chars().count();
                if cell.text.is_empty() {
                    let _ = write!(pending, "{:padding$}{GAP}", "");
                    continue;
                }
                line.push_str(&pending);
                pending.clear();
                if cell.right {
                    let _ = write!(line, "{:padding$}", "");
                }
                line.push_str(&cell.tone.paint(&cell.text));
                if !cell.right {
                    let _ = write!(pending, "{:padding$}", "");
                }
                pending.push_str(GAP);
            }
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let mut table = Table::default();
        table.row(["bot".into(), Cell::state("ready"), "".into(), Cell::from("412 MB").right()]);
        table.row(["wallet-é".into(), Cell::state("backoff"), "".into(), Cell::from("88 MB").right()]);
        table.row(["x".into()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "bot        ready     412 MB\nwallet-é   backoff    88 MB\nx\n");
    }

    #[test]
    fn an_empty_cell_keeps_its_column_but_leaves_no_trailing_space() {
        let mut table = Table::default();
        table.row(["a".into(), "b".into(), "c".into()]);
        table.row(["a".into(), "".into(), "c".into()]);
        table.row(["a".into(), "".into(), "".into()]);
        assert_eq!(table.render(), "a   b   c\na       c\na\n");
        assert_eq!(Table::default().render(), "");
    }
}
