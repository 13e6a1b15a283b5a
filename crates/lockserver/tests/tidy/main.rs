//! The house rules that a machine can keep: module lines, no circles, the paths in ARCHITECTURE.md, a first line in every file.

mod imports;

use imports::{Modules, Name};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Code without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_source_file_says_what_it_is() {
    for folder in ["crates", "fuzz"] {
        for path in sources(&root().join(folder)) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with a //! line", path.display());
        }
    }
}

#[test]
fn modules_know_only_whom_they_may_know() {
    let lines: [(&str, &[&str]); 9] = [
        (
            "crates/lockserver/src/engine",
            &["crate::http", "crate::config", "crate::daemon", "crate::cli", "crate::log"],
        ),
        (
            "crates/lockserver/src/store",
            &[
                "crate::engine",
                "crate::http",
                "crate::config",
                "crate::daemon",
                "crate::log",
                "crate::metrics",
                "crate::audit",
            ],
        ),
        (
            "crates/lockserver/src/store_commands",
            &[
                "crate::engine",
                "crate::http",
                "crate::daemon",
                "crate::log",
                "crate::metrics",
                "crate::audit",
                "rusqlite",
            ],
        ),
        (
            "crates/lockserver/src/metrics",
            &["crate::engine", "crate::http", "crate::store", "crate::config", "crate::daemon", "crate::log"],
        ),
        (
            "crates/lockserver/src/audit",
            &[
                "crate::engine",
                "crate::http",
                "crate::store",
                "crate::config",
                "crate::daemon",
                "crate::log",
                "crate::metrics",
            ],
        ),
        ("crates/lockserver/src/http", &["crate::store", "crate::config", "crate::daemon", "crate::log", "rusqlite"]),
        ("crates/lockserver/src/config", &["crate::engine", "crate::http", "crate::daemon", "rusqlite"]),
        ("crates/lockserver/src/log", &["crate::engine", "crate::http", "crate::store", "crate::daemon"]),
        (
            "crates/lock-core/src",
            &["std::time", "std::net", "std::fs", "std::thread", "std::sync::mpsc", "SystemTime", "Instant"],
        ),
    ];
    let all: BTreeMap<&str, Modules> = ["crates/lock-core", "crates/lockserver"]
        .map(|name| (name, Modules::of(&root().join(name).join("src"))))
        .into();
    for (folder, forbidden) in lines {
        for path in sources(&root().join(folder)) {
            let code = code(&path);
            for name in forbidden {
                assert!(!code.contains(name), "{} uses {name}", path.display());
            }
        }
        // Imports in groups, and from above.
        let (crate_of, top) = folder.split_once("/src").expect("a folder of sources");
        let (modules, top) = (&all[crate_of], top.trim_start_matches('/'));
        for module in modules.names().filter(|name| top.is_empty() || name.first().is_some_and(|first| first == top)) {
            let found =
                modules.paths_in(module).iter().map(|path| format!("crate::{}", path.join("::"))).collect::<Vec<_>>();
            for path in modules.written_in(module).chain(found) {
                let is = |name: &&&str| path == **name || path.starts_with(&format!("{name}::"));
                assert!(forbidden.iter().find(is).is_none(), "{} uses {path}", module.join("::"));
            }
        }
    }
}

/// A module can be read with what it uses, and without what uses it.
#[test]
fn no_modules_use_one_another_in_a_circle() {
    let mut found = Vec::new();
    for name in ["lock-api", "lock-core", "lock-client", "lockctl", "lockserver"] {
        let circles = circles(&Modules::of(&root().join("crates").join(name).join("src")));
        found.extend(circles.into_iter().map(|way| format!("{name}: {way}")));
    }
    assert!(found.is_empty(), "circles of imports:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_however_its_import_is_written() {
    let back = "pub struct B;\nuse super::a::A;";
    for forth in [
        "use crate::b::B;",
        "use super::{b::{B as C}};",
        "use crate::passes_on::B;",
        "use super::b;\nfn f(_: b::B) {}",
        "fn f(_: crate::b::B) {}",
        "fn f() { use crate::b::B; }",
        "fn f() { println!(\"{:?}\", [crate::b::B]); }",
    ] {
        let a = format!("pub struct A;\n{forth}");
        let root = "mod a;\nmod b;\nmod passes_on;";
        let texts = [("lib.rs", root), ("a.rs", &a), ("b.rs", back), ("passes_on.rs", "pub use crate::b::B;")];
        let found = circles(&Modules::of_texts(texts.map(|(path, text)| (Path::new(path), text))));
        assert!(found.contains(&"a -> b -> a".to_owned()), "{forth}: {found:?}");
    }
    // What an ancestor defines, and what tests use.
    let texts = [
        ("m/mod.rs", "mod a;\nconst X: u8 = 1;\nuse a::A;"),
        ("m/a.rs", "use super::X;\npub struct A;\n#[cfg(test)]\nmod tests { use crate::m::b; }"),
        ("m/b.rs", "use super::a::A;"),
        ("lib.rs", "mod m;"),
    ];
    assert_eq!(circles(&Modules::of_texts(texts.map(|(path, text)| (Path::new(path), text)))), [""; 0]);
}

/// All circles, each from every module of it.
fn circles(modules: &Modules) -> Vec<String> {
    let uses: BTreeMap<&Name, BTreeSet<Name>> = modules.names().map(|name| (name, modules.used_by(name))).collect();
    uses.keys().filter_map(|module| circle(module, &uses)).collect()
}

/// A way from a module over what it uses back to itself; the shortest one.
fn circle(module: &Name, uses: &BTreeMap<&Name, BTreeSet<Name>>) -> Option<String> {
    let mut reached = BTreeSet::new();
    let mut ways = VecDeque::from([vec![module]]);
    while let Some(way) = ways.pop_front() {
        for used in &uses[way[way.len() - 1]] {
            let next: Vec<&Name> = way.iter().copied().chain([used]).collect();
            if used == module {
                return Some(next.iter().map(|name| name.join("::")).collect::<Vec<_>>().join(" -> "));
            }
            if reached.insert(used) {
                ways.push_back(next);
            }
        }
    }
    None
}

#[test]
fn the_gate_knows_no_protocol() {
    let server = Modules::of(&root().join("crates/lockserver/src"));
    let is_auth = |name: &&Name| name.starts_with(&["http".to_owned(), "auth".to_owned()]);
    for module in server.names().filter(is_auth) {
        for path in server.paths_in(module) {
            let protocol = path.get(1).filter(|_| path[0] == "http").map_or("", String::as_str);
            let is_one = ["json", "page", "xmlrpc", "fleetlock", "terraform"].contains(&protocol);
            assert!(!is_one, "{} uses {protocol}: protocols register how they refuse", module.join("::"));
        }
    }
}

/// Words that docs/glossary.md has replaced, and the word that it has instead. Wherever they stand they mean the old thing.
const RETIRED: [(&str, &str); 31] = [
    ("sign of life", "heartbeat"),
    ("signs of life", "heartbeats"),
    ("show life", "send a heartbeat"),
    ("shows life", "sends a heartbeat"),
    ("sign_of_life", "heartbeat"),
    ("picked up", "claimed"),
    ("picks it up", "claims it"),
    ("picked it up", "claimed it"),
    ("pick up", "claim"),
    ("picking up", "claiming"),
    ("pick_up", "claim"),
    ("picked_up", "claimed"),
    ("asleep", "dormant"),
    ("closures", "withholdings"),
    ("closed permits", "withheld permits"),
    ("closed_names", "withheld_names"),
    ("name_closed", "name_withheld"),
    ("permits_opened", "permits_restored"),
    ("opens_in_s", "ends_in_s"),
    ("lane", "queue"),
    ("lanes", "queues"),
    ("face", "protocol"),
    ("faces", "protocols"),
    ("LISTED_CLOSURES_MAX", "LISTED_WITHHOLDINGS_MAX"),
    ("stay closed", "stay withheld"),
    ("stays closed", "stays withheld"),
    ("closed permit", "withheld permit"),
    ("unpick", "revert the claim"),
    ("occupancy", "usage totals"),
    ("EndedAs::Forgotten", "EndedAs::Lost"),
    ("\"forgotten\"", "\"lost\""),
];

/// Whether the text has this word, and not only as a part of another one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

fn texts(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.is_file() {
        found.push(folder.to_owned());
        return;
    }
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            // What is built, and what earlier versions wrote.
            if !["target", "fixtures", "schema", "node_modules", "build"].contains(&&*name) && !name.starts_with('.') {
                texts(&path, found);
            }
        } else if [".rs", ".py", ".md", ".js", ".html", ".css", ".json", ".yml", ".example", ".sh"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(path);
        }
    }
}

#[test]
fn words_that_the_glossary_replaced_are_gone() {
    let mut found = Vec::new();
    for place in [
        "crates",
        "bench",
        "fuzz",
        "docs",
        "packaging",
        "clients/python",
        "tests",
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
    ] {
        texts(&root().join(place), &mut found);
    }
    assert!(found.len() > 300, "{} files are looked at", found.len());
    let mut bad = Vec::new();
    for path in found.iter().filter(|path| !path.ends_with("tests/tidy/main.rs")) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // A phrase may go on in the next line, after the mark of a comment.
        let words: Vec<&str> =
            text.split_whitespace().filter(|word| !["//", "///", "//!", "#", "*"].contains(word)).collect();
        let text = words.join(" ");
        bad.extend(
            RETIRED.iter().filter(|(word, _)| has_word(&text, &word.replace('_', " "))).map(|(word, instead)| {
                format!("{}: {word:?} is called {instead:?} (docs/glossary.md)", path.display())
            }),
        );
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// What a crate depends on outside of its tests.
fn dependencies(name: &str) -> Vec<String> {
    let path = root().join("crates").join(name).join("Cargo.toml");
    let manifest = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // Also those of a platform: [target.'cfg(unix)'.dependencies].
    let tables = manifest.split("\n[").filter(|table| {
        let head = table.lines().next().unwrap_or_default();
        head.ends_with("dependencies]") && !head.contains("dev-dependencies")
    });
    let lines = tables.flat_map(|table| table.lines().skip(1));
    lines
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn crates_depend_only_on_those_they_may_know() {
    assert_eq!(dependencies("lock-core"), ["thiserror"], "lock-core depends on thiserror only");
    let ours = ["lock-api", "lock-client", "lock-core", "lockctl", "lockserver"];
    for (name, may_know) in [
        ("lock-api", &[][..]),
        ("lock-client", &["lock-api"]),
        ("lockctl", &["lock-client"]),
        ("lockserver", &["lock-api", "lock-core"]),
    ] {
        let known: Vec<String> = dependencies(name).into_iter().filter(|one| ours.contains(&one.as_str())).collect();
        assert_eq!(known, may_know, "of this workspace {name} knows these only");
    }
}

#[test]
fn every_path_in_the_documentation_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    // Paths stand in backquotes and contain a slash; short names stand beside the folder they are in.
    let quoted = text.split('`').skip(1).step_by(2).filter(|name| name.contains('/') && !name.contains(' '));
    let paths: Vec<&str> = quoted.filter(|name| !name.starts_with('/')).collect();
    assert!(paths.len() > 15, "the page names its paths");
    for path in paths {
        let known = root().join(path).exists() || root().join("crates/lock-core/src").join(path).exists();
        assert!(known, "ARCHITECTURE.md names {path}, which does not exist");
    }
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(root().join(link).exists(), "ARCHITECTURE.md links to {link}, which does not exist");
    }
}
