//! docs/security.md tells every bound of the product, and tells it as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The value of an expression as `limits.rs` writes them: products, sums, quotients and shifts of numbers and of other bounds.
fn value(expression: &str, known: &BTreeMap<String, String>) -> i128 {
    for (sign, apply) in [("+", (|a, b| a + b) as fn(i128, i128) -> i128), ("*", |a, b| a * b), ("/", |a, b| a / b)] {
        if let Some((left, right)) = expression.rsplit_once(sign) {
            return apply(value(left, known), value(right, known));
        }
    }
    if let Some((left, right)) = expression.split_once("<<") {
        return value(left, known) << value(right, known);
    }
    let word = expression.trim().replace('_', "");
    word.parse().unwrap_or_else(|_| match known.get(expression.trim()) {
        Some(other) => value(other, known),
        None => panic!("limits.rs: {expression:?} is no number and no bound"),
    })
}

/// Every bound by its name.
fn bounds() -> BTreeMap<String, i128> {
    let mut written = BTreeMap::new();
    for item in read("crates/lock-core/src/limits.rs").split("pub const ").skip(1) {
        let (name, rest) = item.split_once(':').expect("a constant has a type");
        let (_, rest) = rest.split_once('=').expect("a constant has a value");
        let (expression, _) = rest.split_once(';').expect("a constant ends");
        written.insert(name.to_owned(), expression.to_owned());
    }
    written.iter().map(|(name, expression)| (name.clone(), value(expression, &written))).collect()
}

/// The numbers of a cell in their order; times and sizes in milliseconds and bytes.
fn told(cell: &str) -> Vec<i128> {
    let words: Vec<&str> = cell.split(' ').map(|word| word.trim_end_matches(',')).collect();
    let number = |at: usize| words[at].replace(',', "").parse::<i128>().ok();
    let unit = |at: usize| match words.get(at + 1).copied().unwrap_or_default() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "days" => 86_400_000,
        _ => 1,
    };
    (0..words.len()).filter_map(|at| Some(number(at)? * unit(at))).collect()
}

/// The bounds that the rows of a page tell: a comment at the end of a row names them, in the order of the numbers in its second cell.
/// A number alone is that of all its names.
fn rows(page: &str) -> Vec<(String, i128)> {
    let mut rows = Vec::new();
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let Some((cells, names)) = row.split_once("<!-- ") else { continue };
        let (names, _) = names.split_once(" -->").expect("the comment ends");
        let names: Vec<&str> = names.split(' ').collect();
        let numbers = told(cells.split('|').nth(2).expect("a row has two cells").trim());
        let numbers = if numbers.len() == 1 { vec![numbers[0]; names.len()] } else { numbers };
        assert_eq!(numbers.len(), names.len(), "as many numbers as names: {row}");
        rows.extend(names.into_iter().map(str::to_owned).zip(numbers));
    }
    rows
}

#[test]
fn the_page_tells_every_bound_as_it_is() {
    let (bounds, rows) = (bounds(), rows(&read("docs/security.md")));
    let told: BTreeMap<String, i128> = rows.iter().cloned().collect();
    assert_eq!(told.len(), rows.len(), "the page tells a bound twice");
    let wrong: Vec<String> = bounds
        .iter()
        .filter_map(|(name, bound)| match told.get(name) {
            None => Some(format!("it does not tell {name}, which is {bound}")),
            Some(said) if said != bound => Some(format!("it tells {said} of {name}, which is {bound}")),
            Some(_) => None,
        })
        .chain(told.keys().filter(|name| !bounds.contains_key(*name)).map(|name| format!("{name} is not a bound")))
        .collect();
    assert!(wrong.is_empty(), "docs/security.md, \"What everybody shares\":\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_number_would_be_found() {
    assert_eq!(told("nine tenths of the open files, at most 200,000"), [200_000]);
    assert_eq!(told("64 KiB unpacked, 10 s"), [65_536, 10_000]);
    assert_eq!(told("-100 to 100"), [-100, 100]);
    assert_eq!(told("1 s to 30 days, 1 h"), [1000, 2_592_000_000, 3_600_000]);
    assert_eq!(told("as many as there are"), []);
    let row = |names| rows(&format!("| heads | 16 KiB, 100 fields | 431 <!-- {names} --> |"));
    assert_eq!(row("A B"), [("A".to_owned(), 16_384), ("B".to_owned(), 100)]);
    assert_eq!(rows("| names | 200 bytes <!-- A B --> |"), [("A".to_owned(), 200), ("B".to_owned(), 200)]);
    assert!(std::panic::catch_unwind(|| row("A B C")).is_err(), "a name without a number");
    let known = BTreeMap::from([("A_MAX".to_owned(), "7".to_owned())]);
    assert_eq!(value("10 * 60 * 1000", &known), 600_000);
    assert_eq!(value("A_MAX + 50 + 2", &known), 59);
    assert_eq!(value("64 << 20", &known), 67_108_864);
    assert_eq!(value("A_MAX / 2", &known), 3);
}
