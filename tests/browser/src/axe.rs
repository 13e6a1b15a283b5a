//! axe-core: whether everybody can use the page.

use crate::Browser;
use serde_json::Value;
use std::path::PathBuf;

/// axe-core, as `scripts/setup-tests` brought it.
///
/// # Panics
/// If it did not.
#[must_use]
pub fn axe() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("target/axe.min.js");
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run scripts/setup-tests, which fetches it", path.display()))
}

/// What it has against the page as it is shown now.
pub async fn complaints(browser: &Browser, axe: &str) -> Vec<String> {
    let script = format!(
        "const [done] = [...arguments].slice(-1); {axe}; axe.run(document, {{resultTypes: ['violations']}}).then((r) => done(r.violations.map((v) => `${{v.impact}} ${{v.id}}: ${{v.help}}: ${{v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}}`)), (e) => done([`serious ${{e}}`]))"
    );
    let found = browser.js_later(&script, Vec::new()).await;
    found.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
