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

/// The number that a cell begins with or, after words, has first; times and sizes in milliseconds and bytes.
fn told(cell: &str) -> Option<i128> {
    let words: Vec<&str> = cell.split([' ', ';']).collect();
    let at = words.iter().position(|word| word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()))?;
    let number: i128 = words[at].replace(',', "").parse().ok()?;
    let unit = words.get(at + 1).map_or("", |word| word.trim_end_matches(','));
    Some(
        number
            * match unit {
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "s" => 1000,
                "min" => 60_000,
                "h" => 3_600_000,
                "days" => 86_400_000,
                _ => 1,
            },
    )
}

#[test]
fn the_page_tells_every_bound_as_it_is() {
    let (bounds, page) = (bounds(), read("docs/security.md"));
    let mut rows = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with('|') && line.ends_with("` |")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells.last().expect("a row has cells").trim_matches('`');
        if name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_') {
            assert!(rows.insert(name.to_owned(), cells[1].to_owned()).is_none(), "the page tells {name} twice");
        }
    }
    let wrong: Vec<String> = bounds
        .iter()
        .filter_map(|(name, bound)| match rows.get(name) {
            None => Some(format!("it does not tell {name}, which is {bound}")),
            Some(cell) if told(cell) != Some(*bound) => Some(format!("it tells {cell:?} of {name}, which is {bound}")),
            Some(_) => None,
        })
        .chain(rows.keys().filter(|name| !bounds.contains_key(*name)).map(|name| format!("{name} is no bound")))
        .collect();
    assert!(wrong.is_empty(), "docs/security.md, \"What everybody shares\":\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_number_would_be_found() {
    assert_eq!(told("nine tenths of the open files, at most 200,000"), Some(200_000));
    assert_eq!(told("64 KiB, unpacked"), Some(65_536));
    assert_eq!(told("-100 at least"), Some(-100));
    assert_eq!(told("30 days at most"), Some(2_592_000_000));
    assert_eq!(told("as many as there are"), None);
    let known = BTreeMap::from([("A_MAX".to_owned(), "7".to_owned())]);
    assert_eq!(value("10 * 60 * 1000", &known), 600_000);
    assert_eq!(value("A_MAX + 50 + 2", &known), 59);
    assert_eq!(value("64 << 20", &known), 67_108_864);
    assert_eq!(value("A_MAX / 2", &known), 3);
}
