//! Who imports whom: the files of a crate as they are parsed, so that no way of writing an import hides one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A path of names, from the root of its crate on.
pub(crate) type Name = Vec<String>;

/// The modules of a crate, and what each uses.
pub(crate) struct Modules(BTreeMap<Name, Mentions>);

/// What a file says of others.
#[derive(Default)]
struct Mentions {
    /// Paths that stand in it.
    used: Vec<Name>,
    /// Names that others find in it, and what they stand for.
    exported: BTreeMap<String, Name>,
    /// Modules that only its tests have.
    tests: BTreeSet<String>,
}

impl Modules {
    /// Parses all files of a crate, but for those of its unit tests.
    pub(crate) fn of(source: &Path) -> Self {
        let mut all = BTreeMap::new();
        // A `main.rs` beside a library is another crate.
        let is_library = source.join("lib.rs").exists();
        for path in super::sources(source).into_iter().filter(|path| !is_library || *path != source.join("main.rs")) {
            let text = fs::read_to_string(&path).unwrap();
            let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut mentions = Mentions::default();
            mentions.visit_file(&file);
            all.insert(name(path.strip_prefix(source).unwrap()), mentions);
        }
        let tests: Vec<Name> =
            all.iter().flat_map(|(name, of)| of.tests.iter().map(|test| child(name, test))).collect();
        all.retain(|name, _| !tests.iter().any(|test| name.starts_with(test)));
        Self(all)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// The modules from which a module has something. What an ancestor itself defines does not count: constants and types of
    /// a `mod.rs` are there for the files beneath it.
    pub(crate) fn used_by(&self, module: &Name) -> BTreeSet<Name> {
        let of = &self.0[module];
        // What the root or a `mod.rs` passes on is used by whoever takes it from there.
        let paths = of.used.iter().filter_map(|path| self.absolute(module, path));
        let found = paths.map(|path| self.origin(path, 0));
        let counts = |(from, own): &(Name, bool)| from != module && !(*own && module.starts_with(from));
        found.filter(counts).map(|(from, _)| from).collect()
    }

    /// Every path that a module mentions, passed on or not.
    pub(crate) fn mentioned_by(&self, module: &Name) -> Vec<Name> {
        let of = &self.0[module];
        of.used.iter().chain(of.exported.values()).filter_map(|path| self.absolute(module, path)).collect()
    }

    /// From the root of the crate; `None` for what is not of this crate.
    fn absolute(&self, module: &Name, path: &[String]) -> Option<Name> {
        let rest = |skip: usize| path[skip..].iter().cloned();
        match path[0].as_str() {
            "crate" => Some(rest(1).collect()),
            "self" => Some(module.iter().cloned().chain(rest(1)).collect()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let base = &module[..module.len().checked_sub(up)?];
                Some(base.iter().cloned().chain(rest(up)).collect())
            }
            first => {
                self.0.contains_key(&child(module, first)).then(|| module.iter().cloned().chain(rest(0)).collect())
            }
        }
    }

    /// The module that defines what this path leads to, and whether the path names something in it.
    fn origin(&self, path: Name, depth: usize) -> (Name, bool) {
        let end = (0..=path.len()).rev().find(|end| self.0.contains_key(&path[..*end])).expect("the root is there");
        let (module, item) = (path[..end].to_vec(), path.get(end));
        let passed_on = item.and_then(|item| self.0[&module].exported.get(item));
        match passed_on.and_then(|path| self.absolute(&module, path)) {
            Some(next) if depth < 8 => {
                self.origin(next.into_iter().chain(path[end + 1..].iter().cloned()).collect(), depth + 1)
            }
            _ => (module, item.is_some()),
        }
    }
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_test(&item.attrs) {
            self.tests.insert(item.ident.to_string());
        } else {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut leaves = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut leaves);
        match item.vis {
            Visibility::Inherited => self.used.extend(leaves.into_iter().map(|(path, _)| path)),
            _ => self.exported.extend(leaves.into_iter().map(|(path, name)| (name, path))),
        }
    }

    /// `pub(crate)` has a path and uses nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.used.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// What stands in a macro is not parsed: each path in it that begins at the root or above.
    fn visit_macro(&mut self, of: &'ast Macro) {
        visit::visit_macro(self, of);
        let text = of.tokens.to_string().replace(' ', "");
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let paths = text.split(|c| !word(c)).filter(|part| part.starts_with("crate::") || part.starts_with("super::"));
        self.used.extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
    }
}

/// The paths of an import, each with the name that it has then.
fn flatten(tree: &UseTree, before: &mut Name, leaves: &mut Vec<(Name, String)>) {
    let mut leaf = |ident: &syn::Ident, name: &syn::Ident| {
        // `use a::{self}` is `use a`.
        let last = (*ident != "self").then(|| ident.to_string());
        let path: Name = before.iter().cloned().chain(last).collect();
        let name = if *name == "self" { path.last().cloned().unwrap_or_default() } else { name.to_string() };
        leaves.push((path, name));
    };
    match tree {
        UseTree::Name(one) => leaf(&one.ident, &one.ident),
        UseTree::Rename(one) => leaf(&one.ident, &one.rename),
        UseTree::Glob(_) => leaves.push((before.clone(), "*".to_owned())),
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, leaves);
            before.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, leaves)),
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|one| one.path().is_ident("cfg") && one.parse_args::<syn::Path>().is_ok_and(|of| of.is_ident("test")))
}

fn child(of: &[String], name: &str) -> Name {
    of.iter().cloned().chain([name.to_owned()]).collect()
}

/// The module that a file is.
fn name(path: &Path) -> Name {
    let mut parts: Name = path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}
