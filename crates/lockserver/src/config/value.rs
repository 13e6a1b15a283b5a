//! Texts to values: numbers, times, addresses, and the comments and references around them.
//!
//! Every function gives the error as a text for people; the caller knows the place.

use crate::access::SECRET_PREFIX;
use lock_api::Seconds;
use lock_core::Ms;
use lock_core::limits::{CONFIG_LIST_MAX, CONFIG_VALUE_BYTES_MAX};
use lock_core::text::is_unsafe;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// An absolute path.
pub(super) fn absolute(text: &str) -> Result<&Path, String> {
    let path = Path::new(text);
    if path.is_absolute() { Ok(path) } else { Err(format!("{} is not an absolute path; begin it with /", quote(text))) }
}

/// The address of a server, `http` or `https` with host and port and nothing behind them; without a port the usual one, if there is one.
/// `what` it is to be, for the message.
pub(super) fn base_url(text: &str, what: &str, usual_port: Option<u16>) -> Result<String, String> {
    let port = usual_port.map_or_else(|| "PORT".to_owned(), |port| port.to_string());
    let wrong = || format!("{} is not {what}; write http://HOST:{port} or https://HOST:{port}", quote(text));
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let scheme = scheme.to_lowercase();
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if !matches!(&scheme[..], "http" | "https") || rest.contains(['/', '@', '?', '#']) {
        return Err(wrong());
    }
    // The port is behind the last colon, but for an IPv6 address without one.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, whole(port).map_err(|_| wrong())?),
        _ => (rest, usual_port.ok_or_else(wrong)?.into()),
    };
    let host = server(host).map_err(|_| wrong())?;
    if port == 0 || port > u64::from(u16::MAX) {
        return Err(format!("{}: the port is out of range; write 1 to 65535", quote(text)));
    }
    Ok(if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") })
}

/// A text between quotes for a message: unsafe characters escaped, the end of a long one left off, and with it the
/// secret of a key, which may have come into the wrong place.
pub(super) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let shown = text.find(SECRET_PREFIX).map_or(text, |at| &text[..at + SECRET_PREFIX.len()]);
    let mut out = String::from("'");
    for c in shown.chars().take(CHARS_MAX) {
        if is_unsafe(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if shown.len() < text.len() || shown.chars().nth(CHARS_MAX).is_some() {
        out.push('…');
    }
    out.push('\'');
    out
}

/// Cuts a comment off: `#` or `;` at the beginning or after a blank.
pub(super) fn cut_comment(text: &str) -> &str {
    let mut after_blank = true;
    for (index, c) in text.char_indices() {
        if after_blank && matches!(c, '#' | ';') {
            return text[..index].trim();
        }
        after_blank = c.is_whitespace();
    }
    text.trim()
}

/// A second `NAME=` of a known name in a value, after a blank: two settings that share a line.
pub(super) fn second_setting(value: &str, known: impl Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    let mut pieces = value.split('=');
    let _the_rest_is_no_name = pieces.next_back();
    pieces.find_map(|piece| {
        let (_, word) = piece.trim_end().rsplit_once(char::is_whitespace)?;
        known(word)
    })
}

/// A whole number from 0.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(match text.strip_prefix('-') {
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) => {
                format!("{} is negative; write a whole number from 0", quote(text))
            }
            _ if text.is_empty() => "the value is empty; write a whole number, or remove the line".to_owned(),
            _ => format!("{} is not a whole number", quote(text)),
        });
    }
    // What does not fit is larger than every bound; the caller's check names the bound.
    Ok(digits.parse().unwrap_or(u64::MAX))
}

/// A whole number that may be negative.
pub(super) fn whole_signed(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Pieces with commas between them, at least one.
pub(super) fn list(text: &str) -> Result<Vec<&str>, String> {
    let pieces: Vec<&str> = text.split(',').map(str::trim).take(CONFIG_LIST_MAX + 1).collect();
    if text.is_empty() {
        return Err("the value is empty; write a list with commas between, or remove the line".to_owned());
    }
    if pieces.iter().any(|piece| piece.is_empty()) {
        return Err("an item is missing beside a comma; write one comma between two items".to_owned());
    }
    if pieces.len() > CONFIG_LIST_MAX {
        return Err(format!("the list has more than {CONFIG_LIST_MAX} items"));
    }
    Ok(pieces)
}

/// Pieces with commas between them, as the file writes them.
pub(super) fn join(pieces: &[impl ToString]) -> String {
    pieces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A time in milliseconds: seconds, with up to three decimals, or numbers with units.
pub(super) fn seconds(text: &str) -> Result<Ms, String> {
    if text.is_empty() {
        return Err("the value is empty; write a time, such as 90 or 20m, or remove the line".to_owned());
    }
    if text.ends_with(|c: char| c.is_ascii_alphabetic())
        && let Some(time) = Seconds::from_words(text)
    {
        return Ok(time.as_ms());
    }
    let (number, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    if !is_number(unsigned) || !is_number(fraction) {
        return Err(format!("{} is not a time; write seconds (90) or units (20m, 1h30m, 2d)", quote(text)));
    }
    if number.starts_with('-') {
        return Err(format!("{} is negative; write a time from 0", quote(text)));
    }
    if fraction.len() > 3 {
        return Err(format!("{} is finer than a millisecond; three decimals are allowed", quote(text)));
    }
    let whole: u64 = unsigned.parse().unwrap_or(u64::MAX);
    let thousandths: u64 = format!("{fraction:0<3}").parse().unwrap_or(0);
    Ok(whole.saturating_mul(1000).saturating_add(thousandths))
}

/// Milliseconds as the file writes them.
pub(super) fn seconds_text(ms: Ms) -> String {
    let thousandths = ms % 1000;
    if thousandths == 0 {
        return (ms / 1000).to_string();
    }
    format!("{}.{thousandths:03}", ms / 1000).trim_end_matches('0').to_owned()
}

/// Where to listen: an IPv4 or IPv6 address (brackets are taken off) or a host name.
pub(super) fn server(text: &str) -> Result<String, String> {
    let no_host = || format!("{} is not an address or a host name", quote(text));
    if text.contains("://") {
        return Err(format!("{}; write it without its scheme, and the port in PORT", no_host()));
    }
    if text == "*" {
        return Err("'*' is not an address; for all addresses write 0.0.0.0, or :: with IPv6".to_owned());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or_else(|| format!("{}; its ']' is missing", no_host()))?;
        if after.starts_with(':') {
            return Err(format!("{}; write the port in PORT", no_host()));
        }
        if !after.is_empty() || !is_ipv6(inside) {
            return Err(no_host());
        }
        return Ok(inside.to_owned());
    }
    if text.parse::<Ipv4Addr>().is_ok() || is_ipv6(text) {
        return Ok(text.to_owned());
    }
    if is_host_name(text) {
        return Ok(text.to_owned());
    }
    let has_port = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()));
    Err(no_host() + if has_port { "; write the port in PORT" } else { "" })
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    let zone_is_good = !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    zone_is_good && address.parse::<Ipv6Addr>().is_ok()
}

/// RFC 1123 names, and the underscores that container networks put into theirs. All digits and dots is a mistyped address.
fn is_host_name(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    labels.len() <= 253
        && !labels.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Fills `%(name)s` in, as 0.36's parser did (Python 2's `ConfigParser`, "basic interpolation"): the raw values of the
/// same section, ten levels deep; `%%` is a percent sign, but only in a value that refers to something.
pub(super) fn interpolate<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    const DEPTH_MAX: usize = 10;
    let mut value = text.to_owned();
    for _ in 0..DEPTH_MAX {
        if !value.contains("%(") {
            return Ok(value);
        }
        value = interpolate_once(&value, &lookup)?;
    }
    if value.contains("%(") {
        return Err(format!("the references in {} form a circle; write the value out", quote(text)));
    }
    Ok(value)
}

fn interpolate_once<'a>(text: &str, lookup: &impl Fn(&str) -> Option<&'a str>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
        let Some((name, after)) = reference else {
            return Err(format!("{} is neither '%%' nor '%(name)s'; beside a reference write % as %%", quote(after)));
        };
        let Some(found) = lookup(&name.to_lowercase()) else {
            return Err(format!("there is no setting {} to refer to; write the value out", quote(name)));
        };
        out.push_str(found);
        rest = after;
        if out.len() > CONFIG_VALUE_BYTES_MAX {
            return Err(format!(
                "with its references filled in the value is longer than {CONFIG_VALUE_BYTES_MAX} bytes"
            ));
        }
    }
    out.push_str(rest);
    Ok(out)
}
