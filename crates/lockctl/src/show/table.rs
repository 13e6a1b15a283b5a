//! Columns side by side.

use super::Style;

/// How a cell is painted.
pub(super) type Paint = fn(Style, &str) -> String;

/// A cell that is not painted.
pub(super) fn plain(_: Style, text: &str) -> String {
    text.to_owned()
}

/// A text and its paint.
pub(super) type Cell = (String, Paint);

pub(super) fn cell(text: String, paint: Paint) -> Cell {
    (text, paint)
}

/// Whether it is a number, a list of numbers or a time, which all begin with a digit.
fn is_number(text: &str) -> bool {
    text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || ".,- smindh".contains(c))
}

/// Rows of equal length under their headings; columns of numbers stand to the right, and those without anything are left out.
pub(super) fn table(style: Style, headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let kept: Vec<usize> =
        (0..headings.len()).filter(|&column| rows.iter().any(|row| !row[column].0.is_empty())).collect();
    let headings: Vec<&str> = kept.iter().map(|&column| headings[column]).collect();
    let rows: Vec<Vec<Cell>> =
        rows.iter().map(|row| kept.iter().map(|&column| row[column].clone()).collect()).collect();
    let width = |text: &str| text.chars().count();
    let columns = headings.len();
    let mut widths: Vec<usize> = headings.iter().map(|heading| width(heading)).collect();
    let mut numbers = vec![!rows.is_empty(); columns];
    for row in &rows {
        for (column, (text, _)) in row.iter().enumerate().take(columns) {
            widths[column] = widths[column].max(width(text));
            numbers[column] &= text.is_empty() || is_number(text);
        }
    }
    let mut out = String::new();
    let mut line = |cells: &[Cell]| {
        let mut text = String::new();
        let mut blanks = 0;
        for (column, (cell, paint)) in cells.iter().enumerate().take(columns) {
            let fill = widths[column] - width(cell);
            let (before, after) = if numbers[column] { (fill, 0) } else { (0, fill) };
            if !cell.is_empty() {
                text.push_str(&" ".repeat(blanks + before));
                text.push_str(&paint(style, cell));
                blanks = after + 2;
            } else {
                blanks += fill + 2;
            }
        }
        out.push_str(&text);
        out.push('\n');
    };
    let head: Vec<Cell> = headings.iter().map(|text| ((*text).to_owned(), Style::bold as Paint)).collect();
    line(&head);
    for row in &rows {
        line(row);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_to_the_right_words_to_the_left() {
        let row = |cells: [&str; 3]| cells.map(|text| (text.to_owned(), plain as Paint)).to_vec();
        let text =
            table(Style::plain(), &["LOCK", "SIZE", "STATE"], &[row(["a", "7", ""]), row(["longer", "10", "paused"])]);
        assert_eq!(text, "LOCK    SIZE  STATE\na          7\nlonger    10  paused\n");
    }
}
