//! The metrics as they are written, and the page that lists them.

use super::{Format, Forwarded, Label, Metrics, Scrape, TimedOut};
use lock_core::limits::METRIC_LABELS_MAX;
use lock_core::{
    Caller, Command, ConfigureMode, Continuity, Definition, EndedAs, Event, EventKind, Force, LockName, Patch,
    Precondition, Prefix, Settings, Snapshot, StepContext, Table, Target, Transition,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const MEASURED: Scrape = Scrape {
    ready: true,
    leads: true,
    measured: true,
    urgent: 1,
    ordinary: 2,
    waiting: 3,
    streams: 4,
    audited: 5,
    audit_lost: 6,
    audit_waiting: 7,
};

fn name(text: &str) -> LockName {
    LockName::new(text).unwrap()
}

fn text(metrics: &Metrics) -> String {
    metrics.render(Format::Text, &MEASURED, |_| true)
}

/// The value of a series in a text.
fn value(text: &str, series: &str) -> Option<f64> {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(found.parse().unwrap())
}

fn at() -> StepContext<'static> {
    StepContext { now: 0, wall: 0, is_connected: &|_| true }
}

fn table() -> Table {
    Table::load(Snapshot::default(), 0, &Continuity::None).unwrap()
}

fn put(table: &mut Table, lock: &str, size: u32) {
    let command = Command::PutLock {
        name: name(lock),
        settings: Settings::new(size),
        precondition: Precondition::None,
        force: Force { force: true, expect_tickets: None },
    };
    table.apply(at(), Caller::server(), &command).unwrap();
}

/// A change makes an instance of a template.
fn touch(table: &mut Table, lock: &str) {
    let command = Command::PatchLock {
        name: name(lock),
        patch: Patch { description: Some(Arc::from("touched")), ..Patch::default() },
        precondition: Precondition::None,
        force: Force { force: false, expect_tickets: None },
    };
    table.apply(at(), Caller::server(), &command).unwrap();
}

fn delete(table: &mut Table, lock: &str) {
    let force = Force { force: true, expect_tickets: None };
    table
        .apply(
            at(),
            Caller::server(),
            &Command::DeleteLock { name: name(lock), precondition: Precondition::None, force },
        )
        .unwrap();
}

fn template(table: &mut Table, patterns: &[&str]) {
    let definition = |pattern: &&str| Definition {
        target: Target::Template(Prefix::from_pattern(pattern).unwrap()),
        settings: Settings::new(1),
        paused: false,
    };
    let definitions = patterns.iter().map(definition).collect();
    table.apply(at(), Caller::server(), &Command::Configure { definitions, mode: ConfigureMode::Apply }).unwrap();
}

/// Something that happened to a ticket of this lock.
fn event(lock: &str, of: Option<&str>, transition: Transition) -> Event {
    let template = of.map(|pattern| Prefix::from_pattern(pattern).unwrap());
    Event {
        at: 0,
        lock: name(lock),
        template,
        kind: EventKind::Ticket { number: 1, info: Arc::from(""), owner: None, from: Arc::from(""), transition },
        by: None,
    }
}

fn granted(waited: u64) -> Transition {
    Transition::Granted { token: 1, waited }
}

fn ended(how: EndedAs, held: Option<u64>) -> Transition {
    Transition::Ended { how, reason: None, held }
}

#[test]
fn histograms_count_up_to_each_bound() {
    let metrics = Metrics::default();
    // On the bound, between, at zero, and above all.
    for waited in [0, 1, 2, 5, 86_400_000, 90_000_000] {
        metrics.locks.count(&[event("san", None, granted(waited))]);
    }
    let text = text(&metrics);
    for (bound, count) in
        [("0.001", 2.0), ("0.005", 4.0), ("1.0", 4.0), ("14400.0", 4.0), ("86400.0", 5.0), ("+Inf", 6.0)]
    {
        let series = format!("lockserver_wait_seconds_bucket{{lock=\"san\",le=\"{bound}\"}}");
        assert_eq!(value(&text, &series), Some(count), "{bound}");
    }
    assert_eq!(value(&text, "lockserver_wait_seconds_count{lock=\"san\"}"), Some(6.0));
    assert_eq!(value(&text, "lockserver_wait_seconds_sum{lock=\"san\"}"), Some(176_400.008));
    assert_eq!(value(&text, "lockserver_hold_seconds_count{lock=\"san\"}"), Some(0.0));
}

#[test]
fn each_step_of_a_ticket_is_counted() {
    let metrics = Metrics::default();
    let all_ends = EndedAs::ALL.into_iter().enumerate();
    let ends =
        all_ends.flat_map(|(index, how)| std::iter::repeat_n(event("san", None, ended(how, Some(1))), index + 1));
    metrics.locks.count(&ends.collect::<Vec<_>>());
    let steps = [
        (Transition::Queued, 5),
        (granted(0), 4),
        (Transition::Held, 9),
        (Transition::Lapsed, 3),
        (Transition::Undelivered, 2),
    ];
    for (step, times) in steps {
        (0..times).for_each(|_| metrics.locks.count(&[event("san", None, step.clone())]));
    }
    let text = text(&metrics);
    for (series, expected) in [
        ("lockserver_tickets_total{lock=\"san\"}", 5.0),
        ("lockserver_grants_total{lock=\"san\"}", 4.0),
        ("lockserver_grants_lapsed_total{lock=\"san\"}", 3.0),
        ("lockserver_grants_undelivered_total{lock=\"san\"}", 2.0),
        ("lockserver_releases_total{lock=\"san\"}", 1.0),
        ("lockserver_tickets_ended_total{lock=\"san\",reason=\"released\"}", 1.0),
        ("lockserver_tickets_ended_total{lock=\"san\",reason=\"lock_deleted\"}", 9.0),
        ("lockserver_hold_seconds_count{lock=\"san\"}", 45.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}");
    }
}

#[test]
fn what_is_wanted_is_read_from_the_accept_header() {
    use Format::{OpenMetrics, Text};
    for (accept, format) in [
        ("", Text),
        ("*/*", Text),
        ("text/html", Text),
        ("application/openmetrics-text", OpenMetrics),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OpenMetrics),
        ("Application/OpenMetrics-Text;Version=\"1.0.0\"", OpenMetrics),
        ("application/openmetrics-text;version=0.0.1", Text),
        ("application/openmetrics-text;version=2.0.0,*/*;q=0.1", Text),
        ("application/openmetrics-text;q=0", Text),
        ("application/openmetrics-text;q=NaN", Text),
        ("application/openmetrics-text;q=9", Text),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", OpenMetrics),
        ("application/openmetrics-text;q=0.5,text/plain", Text),
        ("text/plain;version=0.0.4;q=0.3,*/*;q=0.2", Text),
        // Prometheus 2.42 and 3.0.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OpenMetrics,
        ),
        (";;,=;q=,,\"", Text),
    ] {
        assert_eq!(Format::wanted(accept), format, "{accept:?}");
    }
}

#[test]
fn the_formats_differ_where_they_must() {
    let metrics = Metrics::default();
    metrics.locks.count(&[event("san", None, Transition::Queued)]);
    let text = metrics.render(Format::Text, &MEASURED, |_| true);
    let open = metrics.render(Format::OpenMetrics, &MEASURED, |_| true);
    for line in [
        "# TYPE lockserver_tickets_total counter",
        "# HELP lockserver_tickets_total Tickets made.",
        "# TYPE lockserver_build_info gauge",
        "# TYPE lockserver_wait_seconds histogram",
    ] {
        assert!(text.lines().any(|is| is == line), "{line}");
    }
    assert!(!text.contains("# UNIT") && !text.contains("# EOF"));
    for line in [
        "# TYPE lockserver_tickets counter",
        "# HELP lockserver_tickets Tickets made.",
        "# TYPE lockserver_build info",
        "# UNIT lockserver_wait_seconds seconds",
        "# UNIT process_cpu_seconds seconds",
        "# UNIT process_resident_memory_bytes bytes",
    ] {
        assert!(open.lines().any(|is| is == line), "{line}");
    }
    assert!(open.ends_with("\n# EOF\n"));
    // A series is called the same in both.
    let samples = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
    };
    assert_eq!(samples(&text), samples(&open));
}

#[test]
fn a_name_cannot_break_out_of_its_label() {
    let metrics = Metrics::default();
    let mut table = table();
    put(&mut table, r#"a"} 1\"#, 1);
    metrics.locks.measure(&table, 0);
    assert_eq!(value(&text(&metrics), r#"lockserver_lock_size{lock="a\"} 1\\"}"#), Some(1.0));
}

#[test]
fn a_label_has_series_as_long_as_its_lock_or_template_is_there() {
    let metrics = Metrics::default();
    let mut table = table();
    put(&mut table, "san", 3);
    template(&mut table, &["job-*", "lab-*"]);
    touch(&mut table, "job-a");
    touch(&mut table, "job-b");
    metrics.locks.count(&table.take_events());
    metrics.locks.count(&[
        event("job-a", Some("job-*"), granted(0)),
        event("job-b", Some("job-*"), granted(0)),
        event("san", None, granted(0)),
    ]);
    metrics.locks.measure(&table, 0);
    let before = text(&metrics);
    assert_eq!(value(&before, "lockserver_lock_size{lock=\"san\"}"), Some(3.0));
    assert_eq!(value(&before, "lockserver_lock_size{lock=\"job-*\"}"), Some(2.0));
    assert_eq!(value(&before, "lockserver_lock_instances{lock=\"lab-*\"}"), Some(0.0));
    assert_eq!(value(&before, "lockserver_grants_total{lock=\"job-*\"}"), Some(2.0));
    assert!(!before.contains("job-a"));

    // The lock takes its numbers with it at once, an instance leaves them to its template.
    delete(&mut table, "san");
    delete(&mut table, "job-a");
    metrics.locks.count(&table.take_events());
    assert!(!text(&metrics).contains("\"san\""));
    put(&mut table, "san", 3);
    template(&mut table, &["job-*"]);
    metrics.locks.count(&table.take_events());
    metrics.locks.measure(&table, 0);
    let after = text(&metrics);
    assert_eq!(value(&after, "lockserver_grants_total{lock=\"san\"}"), Some(0.0));
    assert_eq!(value(&after, "lockserver_grants_total{lock=\"job-*\"}"), Some(2.0));
    assert_eq!(value(&after, "lockserver_lock_instances{lock=\"job-*\"}"), Some(1.0));
    assert!(!after.contains("lab-*"), "its template has left the configuration");
}

#[test]
fn labels_beyond_the_bound_are_counted_together() {
    let metrics = Metrics::default();
    let mut table = table();
    let lock = |number: usize| format!("lock-{number:05}");
    for number in 0..METRIC_LABELS_MAX + 20 {
        put(&mut table, &lock(number), 2);
    }
    // A template stands for many, and goes first.
    template(&mut table, &["zoo-*"]);
    table.take_events();
    metrics.locks.measure(&table, 0);
    let last = lock(METRIC_LABELS_MAX + 19);
    metrics.locks.count(&[event(&last, None, granted(0)), event(&lock(0), None, granted(0))]);
    let text_before = text(&metrics);
    assert_eq!(value(&text_before, "lockserver_lock_size{lock=\"*others*\"}"), Some(42.0));
    assert_eq!(value(&text_before, "lockserver_lock_instances{lock=\"*others*\"}"), Some(21.0));
    assert_eq!(value(&text_before, "lockserver_grants_total{lock=\"*others*\"}"), Some(1.0));
    assert_eq!(value(&text_before, "lockserver_grants_total{lock=\"lock-00000\"}"), Some(1.0));
    assert_eq!(value(&text_before, "lockserver_lock_size{lock=\"zoo-*\"}"), Some(0.0));
    assert_eq!(text_before.matches("lockserver_lock_size{").count(), METRIC_LABELS_MAX + 1);

    // A deleted lock makes room for others.
    (0..21).for_each(|number| delete(&mut table, &lock(number)));
    metrics.locks.count(&table.take_events());
    metrics.locks.measure(&table, 0);
    let text_after = text(&metrics);
    assert_eq!(value(&text_after, &format!("lockserver_lock_size{{lock=\"{last}\"}}")), Some(2.0));
    assert_eq!(value(&text_after, "lockserver_lock_size{lock=\"*others*\"}"), None);
    assert_eq!(value(&text_after, "lockserver_grants_total{lock=\"*others*\"}"), Some(1.0), "a counter never falls");
}

#[test]
fn only_what_may_be_seen_is_shown() {
    let metrics = Metrics::default();
    let mut table = table();
    template(&mut table, &["job-*"]);
    put(&mut table, "san", 1);
    put(&mut table, "secret", 1);
    metrics.locks.measure(&table, 0);
    let may_see = |label: Label<'_>| matches!(label, Label::Of(Target::Lock(name)) if name.as_str() == "san");
    let text = metrics.render(Format::Text, &MEASURED, may_see);
    assert!(text.contains("lock=\"san\"") && !text.contains("secret") && !text.contains("job-"));
    assert!(text.contains("lockserver_ready 1"));
}

#[test]
fn how_locks_are_is_left_out_when_nobody_can_tell() {
    let metrics = Metrics::default();
    let mut table = table();
    put(&mut table, "san", 1);
    metrics.locks.measure(&table, 0);
    let scrape = Scrape { measured: false, ready: false, ..MEASURED };
    let text = metrics.render(Format::Text, &scrape, |_| true);
    assert!(!text.contains("lockserver_lock_size{"));
    assert_eq!(value(&text, "lockserver_ready"), Some(0.0));
    assert_eq!(value(&text, "lockserver_grants_total{lock=\"san\"}"), Some(0.0));
}

#[test]
fn requests_have_a_bounded_number_of_series() {
    let metrics = Metrics::default();
    let took = Some(Duration::from_millis(3));
    metrics.http.answered(Some("/v1/locks/{lock}"), "GET", 200, took);
    metrics.http.answered(Some("/v1/locks/{lock}"), "GET", 200, None);
    for number in 0..1000 {
        metrics.http.answered(None, &format!("METHOD{number}"), 404, took);
    }
    let text = text(&metrics);
    let requests: Vec<&str> = text.lines().filter(|line| line.starts_with("lockserver_http_requests_total{")).collect();
    assert_eq!(
        requests,
        [
            "lockserver_http_requests_total{route=\"/v1/locks/{lock}\",method=\"GET\",code=\"200\"} 2",
            "lockserver_http_requests_total{route=\"unmatched\",method=\"other\",code=\"404\"} 1000",
        ]
    );
    assert_eq!(value(&text, "lockserver_http_request_seconds_count{route=\"/v1/locks/{lock}\"}"), Some(1.0));
}

#[test]
fn the_configuration_and_connections_are_told() {
    let metrics = Metrics::default();
    metrics.config_applied();
    let time = value(&text(&metrics), "lockserver_config_last_reload_success_timestamp_seconds").unwrap();
    assert!(time > 1.7e9, "{time}");
    assert_eq!(value(&text(&metrics), "lockserver_config_last_reload_successful"), Some(1.0));
    metrics.config_refused();
    metrics.connections.opened();
    metrics.connections.opened();
    metrics.connections.closed();
    metrics.connections.timed_out(TimedOut::Stalled);
    let text = text(&metrics);
    assert_eq!(value(&text, "lockserver_config_last_reload_successful"), Some(0.0));
    assert_eq!(value(&text, "lockserver_config_last_reload_success_timestamp_seconds"), Some(time));
    assert_eq!(value(&text, "lockserver_connections"), Some(1.0));
    assert_eq!(value(&text, "lockserver_connections_accepted_total"), Some(2.0));
    assert_eq!(value(&text, "lockserver_connections_timed_out_total{reason=\"stalled\"}"), Some(1.0));
    assert_eq!(value(&text, "lockserver_engine_queue_requests{queue=\"ordinary\"}"), Some(2.0));
    assert_eq!(value(&text, "lockserver_waiting_requests"), Some(3.0));
    assert_eq!(value(&text, "lockserver_event_streams"), Some(4.0));
}

#[test]
fn who_leads_and_what_is_given_to_the_leader_is_told() {
    let metrics = Metrics::default();
    let alone = text(&metrics);
    assert_eq!(value(&alone, "lockserver_leader"), Some(1.0));
    assert_eq!(value(&alone, "lockserver_leader_changes_total"), Some(0.0));
    assert_eq!(value(&alone, "lockserver_forwarded_requests_total{outcome=\"answered\"}"), Some(0.0));
    metrics.engine.leader_changes.increment();
    for (outcome, times) in [(Forwarded::Answered, 3), (Forwarded::NotTaken, 2), (Forwarded::Unknown, 1)] {
        (0..times).for_each(|_| metrics.http.forwarded(outcome));
    }
    let standby = metrics.render(Format::Text, &Scrape { leads: false, ..MEASURED }, |_| true);
    for (series, expected) in [
        ("lockserver_leader", 0.0),
        ("lockserver_leader_changes_total", 1.0),
        ("lockserver_forwarded_requests_total{outcome=\"answered\"}", 3.0),
        ("lockserver_forwarded_requests_total{outcome=\"not_taken\"}", 2.0),
        ("lockserver_forwarded_requests_total{outcome=\"unknown\"}", 1.0),
    ] {
        assert_eq!(value(&standby, series), Some(expected), "{series}");
    }
}

/// Name, type and labels of each metric in a text.
fn written(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            family = name.to_owned();
            let kind = if name.ends_with("_info") { "info" } else { kind };
            assert!(found.insert(family.clone(), (kind.to_owned(), BTreeSet::new())).is_none(), "{name} comes twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&family), "{line} is not of {family}");
            // The test's label values have no quotes in them.
            let names = line.split("=\"").filter_map(|part| part.rsplit(['{', ',']).next());
            let names: Vec<&str> = names.collect();
            let labels = names[..names.len() - 1].iter().filter(|name| **name != "le").map(ToString::to_string);
            found.get_mut(&family).unwrap().1.extend(labels);
        }
    }
    found
}

#[test]
fn the_page_lists_what_there_is_and_nothing_else() {
    let metrics = Metrics::default();
    let mut table = table();
    put(&mut table, "san", 1);
    metrics.locks.measure(&table, 0);
    metrics.locks.count(&[Event { at: 1500, ..event("san", None, ended(EndedAs::Released, Some(1))) }]);
    metrics.http.answered(Some("/metrics"), "GET", 200, Some(Duration::ZERO));
    let written = written(&text(&metrics));

    let page = include_str!("../../../../docs/metrics.md");
    let mut listed = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [metric, kind, labels, meaning, _] = cells[..] else { panic!("{line}") };
        assert!(meaning.len() > 10, "{metric} has a meaning");
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
        let metric = quoted(metric).pop_first().unwrap();
        assert!(listed.insert(metric.clone(), (kind.to_owned(), quoted(labels))).is_none(), "{metric} is listed twice");
    }
    assert_eq!(listed, written, "docs/metrics.md (left) against /metrics (right)");
    // What its alerts look at is there, too.
    for word in page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        if word.starts_with("lockserver_") || word.starts_with("process_") {
            let base = word.strip_suffix("_bucket").unwrap_or(word);
            assert!(written.contains_key(base), "docs/metrics.md speaks of {word}");
        }
    }
}
