//! `[terraform]`: which locks Terraform may take. It has no leases, so that none is served that is not named for it.

use super::document::Document;
use super::patterns::patterns;
use super::problem::Report;
use super::section::Strict;
use crate::access::Patterns;

/// Names of locks and beginnings of names; none without the section.
pub(super) fn check(document: &Document, report: &mut Report) -> Patterns {
    let Some((place, options)) = document.sections.get(&Strict::Terraform) else {
        return Patterns::default();
    };
    let Some(raw) = options.get("LOCKS") else {
        report.error(place, "LOCKS is missing; write the locks that Terraform may take, as LOCKS=tf-*");
        return Patterns::default();
    };
    patterns(&raw.text).unwrap_or_else(|error| {
        report.error(&raw.place, error);
        Patterns::default()
    })
}
