//! Which module uses which: the files of a crate as they are parsed, however an import is written. Methods that a type has in
//! another file than its own, and imports of everything (`*`), are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
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
    /// Names that it imports or passes on, and what they stand for.
    imported: BTreeMap<String, Name>,
    /// Modules that only its tests have.
    tests: BTreeSet<String>,
}

impl Modules {
    /// Parses all files of a crate, but for those of its unit tests.
    pub(crate) fn of(source: &Path) -> Self {
        // A `main.rs` beside a library is another crate.
        let is_library = source.join("lib.rs").exists();
        let files = super::sources(source).into_iter().filter(|path| !is_library || *path != source.join("main.rs"));
        let texts: Vec<(PathBuf, String)> = files
            .map(|path| (path.strip_prefix(source).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        Self::of_texts(texts.iter().map(|(path, text)| (path.as_path(), text.as_str())))
    }

    /// The same of texts, each with its path in `src`.
    pub(crate) fn of_texts<'t>(texts: impl IntoIterator<Item = (&'t Path, &'t str)>) -> Self {
        let mut all = BTreeMap::new();
        for (path, text) in texts {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut mentions = Mentions::default();
            mentions.visit_file(&file);
            all.insert(name(path), mentions);
        }
        let tests: Vec<Name> =
            all.iter().flat_map(|(name, of)| of.tests.iter().map(|test| child(name, test))).collect();
        all.retain(|name, _| !tests.iter().any(|test| name.starts_with(test)));
        Self(all)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }

    /// The modules that a module uses. What an ancestor itself defines does not count: it is there for the files beneath it.
    pub(crate) fn used_by(&self, module: &Name) -> BTreeSet<Name> {
        let found = self.paths_in(module).into_iter().map(|path| self.origin(path, 0));
        let counts = |(from, own): &(Name, bool)| from != module && !(*own && module.starts_with(from));
        found.filter(counts).map(|(from, _)| from).collect()
    }

    /// Every path of this crate that stands in a module, from the root on.
    pub(crate) fn paths_in(&self, module: &Name) -> Vec<Name> {
        self.0[module].used.iter().filter_map(|path| self.absolute(module, path, 0)).collect()
    }

    /// Every path that stands in a module, as it is written.
    pub(crate) fn written_in(&self, module: &Name) -> impl Iterator<Item = String> {
        self.0[module].used.iter().map(|path| path.join("::"))
    }

    /// From the root of the crate; `None` for what is not of this crate.
    fn absolute(&self, module: &Name, path: &[String], depth: usize) -> Option<Name> {
        let rest = |skip: usize| path[skip..].iter().cloned();
        match path[0].as_str() {
            "crate" => Some(rest(1).collect()),
            "self" => Some(module.iter().cloned().chain(rest(1)).collect()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let base = &module[..module.len().checked_sub(up)?];
                Some(base.iter().cloned().chain(rest(up)).collect())
            }
            first if self.0.contains_key(&child(module, first)) => {
                Some(module.iter().cloned().chain(rest(0)).collect())
            }
            first => {
                let imported = self.0[module].imported.get(first).filter(|of| depth < 8 && of[0] != first)?;
                Some(self.absolute(module, imported, depth + 1)?.into_iter().chain(rest(1)).collect())
            }
        }
    }

    /// The module that defines what this path leads to, and whether the path names something in it. What a module passes on
    /// is followed to where it comes from.
    fn origin(&self, path: Name, depth: usize) -> (Name, bool) {
        let end = (0..=path.len()).rev().find(|end| self.0.contains_key(&path[..*end])).expect("the root is there");
        let (module, item) = (path[..end].to_vec(), path.get(end));
        let passed_on = item.and_then(|item| self.0[&module].imported.get(item));
        match passed_on.and_then(|path| self.absolute(&module, path, 0)) {
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
        for (path, name) in leaves {
            // A re-export is used by the module that takes it from here.
            if matches!(item.vis, Visibility::Inherited) {
                self.used.push(path.clone());
            }
            self.imported.insert(name, path);
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
        let text = of.tokens.to_string().replace(" :: ", "::");
        let parts =
            text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).map(|part| part.trim_matches(':'));
        let paths = parts.filter(|part| part.starts_with("crate::") || part.starts_with("super::"));
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
