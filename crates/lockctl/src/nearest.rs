//! Names that look like one that does not exist.

/// The name that is nearest to what was typed, if it is near enough to be what was meant.
pub(crate) fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let lower = typed.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let bound = (typed.chars().count() / 3).clamp(1, 3);
    let near = names.into_iter().map(|name| (distance(name), name)).filter(|(distance, _)| *distance <= bound);
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let names = ["san-ssh", "backup", "deploy-web"];
        for (typed, meant) in [
            ("san-shh", Some("san-ssh")),
            ("SAN-SSH", Some("san-ssh")),
            ("bakcup", Some("backup")),
            ("deploy-wbe", Some("deploy-web")),
            ("deploy-production", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
