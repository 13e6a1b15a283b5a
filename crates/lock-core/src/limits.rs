//! Every bound of the product, in one place. What is over a bound is refused with the bound's name and changes nothing.

use crate::Ms;

/// Longest lock name, in bytes of UTF-8.
pub const LOCK_NAME_BYTES_MAX: usize = 200;
/// Longest slot name, in bytes of UTF-8.
pub const SLOT_NAME_BYTES_MAX: usize = 200;
/// Longest `info` text, in bytes of UTF-8; XML-RPC cuts longer ones with a mark.
pub const INFO_BYTES_MAX: usize = 4 * 1024;
/// What is kept of an `info` in logs, in the audit log, in events and of a ticket that has ended, in bytes of UTF-8; longer ones
/// are cut with a mark.
pub const INFO_KEPT_BYTES_MAX: usize = 256;
/// Longest description of a lock and longest reason of an administrative act, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Longest word of `supersede`, in bytes of UTF-8.
pub const SUPERSEDE_BYTES_MAX: usize = 200;
/// Shortest `request_id`, in characters.
pub const REQUEST_ID_CHARS_MIN: usize = 16;
/// Longest `request_id`, in characters.
pub const REQUEST_ID_CHARS_MAX: usize = 128;
/// Longest `holder` given by a protocol that names its holders, in bytes of UTF-8.
pub const HOLDER_BYTES_MAX: usize = 200;
/// Most permits that a lock has, and that a ticket asks for.
pub const PERMITS_MAX: u32 = 1_000_000;
/// Most slots with names that a lock has.
pub const SLOT_NAMES_MAX: usize = 10_000;
/// Names of withheld slots in an event.
pub const EVENT_SLOT_NAMES_MAX: usize = 100;
/// Longest tag of a slot, in bytes of UTF-8.
pub const TAG_BYTES_MAX: usize = 64;
/// Most tags of a slot.
pub const SLOT_TAGS_MAX: usize = 16;
/// Most slots or tags that a ticket names.
pub const SELECTED_MAX: usize = 100;
/// Most locks of one ticket (rule 13).
pub const BUNDLE_LOCKS_MAX: usize = 16;
/// Most distinct selections of slots and sets of locks that wait for one lock.
pub const SELECTIONS_MAX: usize = 64;
/// Lowest priority.
pub const PRIORITY_MIN: i8 = -100;
/// Highest priority.
pub const PRIORITY_MAX: i8 = 100;
/// Most locks on a server, instances of templates included.
pub const LOCKS_MAX: usize = 100_000;
/// Most instances of one template.
pub const TEMPLATE_INSTANCES_MAX: usize = 10_000;
/// Most instances, of all templates together, that tickets of one key or address have made and that are still there: a quarter
/// of what one template has, so that nobody takes all of them.
pub const OWNER_INSTANCES_MAX: usize = TEMPLATE_INSTANCES_MAX / 4;
/// Withholdings of one lock that administrators have asked for.
pub const LOCK_WITHHOLDINGS_MAX: usize = 1000;
/// Most live tickets on a server.
pub const TICKETS_MAX: usize = 1_000_000;
/// Most live tickets of one lock, holders included.
pub const LOCK_TICKETS_MAX: usize = 100_000;
/// Most live tickets of one key, or of one address without a key.
pub const OWNER_TICKETS_MAX: usize = 10_000;
/// Ended tickets that are remembered; beyond it the key or address with most of them loses its oldest.
pub const ENDED_TICKETS_MAX: usize = 100_000;
/// How long an ended ticket, and a `request_id` that was ended before it arrived, are remembered.
pub const ENDED_MEMORY_MS: Ms = 10 * 60 * 1000;
/// Request ids ended before they arrived that are remembered; beyond it the key or address with most of them loses its
/// oldest to those who have fewer.
pub const WITHDRAWN_MAX: usize = 100_000;
/// Those of one key, or of one address without a key; beyond it such an end is refused.
pub const OWNER_WITHDRAWN_MAX: usize = WITHDRAWN_MAX / 10;
/// Most tickets that one step ends because of timers; the rest follows in the next step.
pub const STEP_ENDS_MAX: usize = 10_000;
/// Tickets of which one commit notes, beside what it is for, that their clients know of them; the rest follows later.
pub const DEFERRED_CHANGES_MAX: usize = 1000;
/// Shortest lease that a client may ask for.
pub const TTL_MIN_MS: Ms = 1000;
/// Longest lease that a client may ask for; also the longest time of any setting.
pub const TTL_MAX_MS: Ms = 30 * 24 * 3600 * 1000;
/// Shortest grace time.
pub const GRACE_MIN_MS: Ms = 1000;
/// Grace of a ticket that was restored from the store, at least: its client may need that long to find the server again.
pub const GRACE_AFTER_LOAD_MS: Ms = 30_000;
/// Queue lease of a ticket without one of its own that was not made over XML-RPC.
pub const QUEUE_LEASE_MS: Ms = 60_000;
/// What every lease has left, at least, after the process stood still.
pub const LEASE_AFTER_GAP_MS: Ms = 5000;
/// How long an instance of a template stays after its last ticket.
pub const INSTANCE_IDLE_MS: Ms = 60_000;
/// Default of a lock's `max_ttl`, unless its `max_lock_time` is longer.
pub const MAX_TTL_DEFAULT_MS: Ms = 3_600_000;
/// Counters stay below this, so that every JSON reader keeps them exact (2^53).
pub const COUNTER_MAX: u64 = 1 << 53;
/// Longest that a request may wait on the server.
pub const WAIT_MAX_MS: Ms = 60_000;
/// Longest that a Terraform may wait on the server: it does not ask again by itself.
pub const TERRAFORM_WAIT_MAX_MS: Ms = 3_600_000;
/// Requests that may wait at a time, for one key or address.
pub const WAITING_REQUESTS_MAX: usize = 2000;
/// Largest request body, in bytes, compressed or not.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of values in an XML-RPC call; a parameter has depth 1.
pub const XMLRPC_DEPTH_MAX: usize = 16;
/// Most values in an XML-RPC call, arrays and structs included.
pub const XMLRPC_VALUES_MAX: usize = 5000;
/// Most attributes of an XML-RPC element. Real clients send a namespace or two, on the root.
pub const XMLRPC_ATTRIBUTES_MAX: usize = 32;
/// Longest name of an XML-RPC method, in bytes of UTF-8.
pub const METHOD_NAME_BYTES_MAX: usize = 200;
/// How long a request's headers may take from their first byte.
pub const HEADER_TIME_MAX_MS: Ms = 10_000;
/// How long a request's body may take from the end of its headers.
pub const BODY_TIME_MAX_MS: Ms = 10_000;
/// How long a connection may be idle.
pub const IDLE_TIME_MAX_MS: Ms = 15 * 60 * 1000;
/// How long a client may take no byte of an answer that is being written to it.
pub const WRITE_TIME_MAX_MS: Ms = 10_000;
/// How long a written answer may stay without acknowledgement by the client's machine before its connection is ended. It counts as
/// told.
pub const RECEIPT_TIME_MAX_MS: Ms = 10_000;
/// How long a connection that the server ended is listened to, so that the last answer arrives undisturbed.
pub const LINGER_TIME_MAX_MS: Ms = 2000;
/// How long a stopping server waits for the first request of a connection that was made just before.
pub const FIRST_TIME_MAX_MS: Ms = 1000;
/// How long a stopping server waits for answers under way.
pub const DRAIN_TIME_MAX_MS: Ms = 10_000;
/// Requests under way at a time on one HTTP/2 connection: what one client may have waiting, its event streams, and room for
/// the renewals and releases that must not queue behind them.
pub const STREAMS_MAX: usize = WAITING_REQUESTS_MAX + EVENT_STREAMS_MAX + 200;
/// Requests that are handled at a time on all HTTP/2 connections together; further ones wait.
pub const STREAMS_ALL_MAX: usize = 200_000;
/// Of the requests of one HTTP/2 connection, those that are handled at a time: their bodies are read, they are answered, their
/// answers written. Those that wait, and event streams, do not count.
pub const STREAMS_WORK_MAX: usize = 64;
/// Bytes of request bodies that an HTTP/2 client may send ahead on one connection.
pub const STREAMS_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes that are read from one HTTP/2 connection, and requests of it that are begun, before others have their turn. Heads that
/// repeat take some bytes each.
pub const STREAMS_TURN_BYTES: usize = 16 * 1024;
/// See [`STREAMS_TURN_BYTES`].
pub const STREAMS_TURN_REQUESTS: usize = 16;
/// Bytes of the heads of all requests under way on one HTTP/2 connection, each field counted with 64 bytes more; a request
/// beyond it is refused before anything is done (`REFUSED_STREAM`).
pub const STREAMS_HEAD_BYTES_MAX: usize = 4 << 20;
/// Most header fields of a request; hyper has the same bound for HTTP/1.
pub const HEAD_FIELDS_MAX: usize = 100;
/// How long an HTTP/2 client with requests under way may be silent before it is sent a PING, and how long
/// it may take to give one.
pub const PING_TIME_MS: Ms = 5000;
/// Plain bytes read ahead on a TLS connection, to see that the client said good-bye.
pub const TLS_AHEAD_BYTES_MAX: usize = 16 * 1024;
/// Largest file of certificates or keys, in bytes.
pub const TLS_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Most names that are taken from a client's certificate.
pub const CERTIFICATE_NAMES_MAX: usize = 100;
/// Largest head of a request (request line and headers), in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fewest open files with which the server starts.
pub const OPEN_FILES_MIN: u64 = 128;
/// Most connections at a time, however many files may be open.
pub const CONNECTIONS_MAX: usize = 200_000;
/// Most connections of one network at a time; a proxy that is trusted has no such bound.
pub const CONNECTIONS_NETWORK_MAX: usize = 10_000;
/// Most connections at a time on which no request was allowed anything so far.
pub const CONNECTIONS_NEW_MAX: usize = 10_000;
/// Connections of one network that wait for their turn. Beyond that, a request that looks or takes is dropped if its client has
/// closed the connection. Otherwise a client that connects, asks and hangs up as fast as it can delays everybody else.
pub const CONNECTIONS_IN_LINE_MAX: usize = 8;
/// Bytes of answers that wait to be written to clients of one network; beyond it who takes nothing of its answer is cut off.
pub const ANSWER_BYTES_NETWORK_MAX: usize = 64 << 20;
/// The same for all clients together.
pub const ANSWER_BYTES_ALL_MAX: usize = 256 << 20;
/// Most tickets that a listing shows for each lock, holders and waiters apart.
pub const LISTED_TICKETS_MAX: usize = 1000;
/// Tickets that are looked at for one page of somebody's own.
pub const LISTED_VISITS_MAX: usize = 2000;
/// Locks of one page of a listing.
pub const LISTED_LOCKS_MAX: usize = 1000;
/// Withheld permits of one lock that are told, by the tickets that had them.
pub const LISTED_WITHHOLDINGS_MAX: usize = 1000;
/// Size of one page of a listing, in bytes of its JSON or so: what begins beyond it is on the next page.
pub const LISTED_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Locks, tickets and the like that are visited for those who only look, in one step of the engine; the rest of them waits
/// for the next.
pub const STEP_VISITS_MAX: usize = 1000;
/// Requests that only look and wait for the engine.
pub const LOOKS_MAX: usize = 1000;
/// Requests that only look and are under way at a time, of all clients: over it they are told to try again.
pub const READS_MAX: usize = 2000;
/// Those of one key, or of one address or IPv6 network without a key.
pub const OWNER_READS_MAX: usize = 64;
/// Bytes of answers to such requests that are being made or wait to be read, of all clients; more wait their turn.
pub const READ_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Those of one key, or of one address or IPv6 network without a key.
pub const OWNER_READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long such a request waits for its turn.
pub const READ_TURN_MAX_MS: Ms = 10_000;
/// Warnings that the status and the page tell; how many more there are is the last of them.
pub const WARNINGS_TOLD_MAX: usize = 100;
/// Slots of a ticket or withholding that are told one by one, and names of slots in a listing; ranges tell them all.
pub const LISTED_SLOTS_MAX: usize = 1000;
/// Largest status page before it is made HTML, in bytes; what comes after it is counted, not shown.
pub const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Changes remembered for readers of the event stream.
pub const EVENTS_MAX: usize = 10_000;
/// Locks and templates with metrics of their own; what is beyond is counted together.
pub const METRIC_LABELS_MAX: usize = 1000;
/// Locks whose past is kept in memory for the plots, about 35 KiB each when busy; a lock that is gone makes room, and one that
/// has not been used for a while. Of as many the last events are kept.
pub const HISTORY_LOCKS_MAX: usize = 1000;
/// How long a lock is unused, at least, before another may take the place of its past.
pub const HISTORY_IDLE_MS: Ms = 10 * 1000;
/// Events of a lock that come with its past.
pub const HISTORY_EVENTS_MAX: usize = 50;
/// Event streams open at a time, for one key or address.
pub const EVENT_STREAMS_MAX: usize = 50;
/// Connections to the administrators' socket at a time.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Longest name of a key, in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 200;
/// Most keys of a server.
pub const KEYS_MAX: usize = 10_000;
/// Most secrets that are good for one key at a time.
pub const KEY_SECRETS_MAX: usize = 10;
/// Most members of etcd that the configuration names.
pub const ETCD_ENDPOINTS_MAX: usize = 16;
/// Longest prefix of the keys in etcd, in bytes.
pub const ETCD_PREFIX_BYTES_MAX: usize = 200;
/// Longest name of a server of several, in bytes.
pub const CLUSTER_NAME_BYTES_MAX: usize = 200;
/// Shortest secret that servers share, in bytes.
pub const CLUSTER_SECRET_BYTES_MIN: usize = 16;
/// Most standbys that a leader remembers.
pub const STANDBYS_MAX: usize = 32;
/// A request that is given to a server which does not lead waits so long for one that does.
pub const LEADER_WAIT_MAX_MS: Ms = 15_000;
/// Shortest lease of a leader in etcd.
pub const ETCD_LEASE_MIN_MS: Ms = 3000;
/// Longest lease of a leader in etcd.
pub const ETCD_LEASE_MAX_MS: Ms = 60_000;
/// Largest file of a key's secrets, in bytes.
pub const SECRET_FILE_BYTES_MAX: usize = 4096;
/// Most patterns of locks of one key, and most addresses or names in a list of `[general]`.
pub const CONFIG_LIST_MAX: usize = 1000;
/// Most bytes of the machine's hosts file that are looked at.
pub const HOSTS_FILE_BYTES_MAX: usize = 1024 * 1024;
/// Largest configuration file, in bytes.
pub const CONFIG_FILE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes of all configuration files together.
pub const CONFIG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most lines of a configuration file.
pub const CONFIG_FILE_LINES_MAX: usize = 500_000;
/// Most configuration files.
pub const CONFIG_FILES_MAX: usize = 1000;
/// Longest value of a setting, once what it refers to is filled in, in bytes.
pub const CONFIG_VALUE_BYTES_MAX: usize = 512 * 1024;
/// Most errors, and most warnings, that one look at the configuration reports.
pub const CONFIG_PROBLEMS_MAX: usize = 1000;
/// Most requests waiting for one key or address that the configuration may ask for.
pub const WAITING_REQUESTS_SETTABLE_MAX: usize = 100_000;
/// Lines of the audit log that wait to be written; what is beyond is lost, and counted.
pub const AUDIT_LINES_WAITING_MAX: usize = 65_536;
/// Longest description of a change in the audit log, in bytes; longer ones are left out.
pub const AUDIT_CHANGE_BYTES_MAX: usize = 4 * 1024;
/// Addresses whose refusals are counted, so that no client fills the audit log with them.
pub const AUDIT_ADDRESSES_MAX: usize = 10_000;
/// Longest message, and longest value of a field, in a line of the log, in bytes; longer ones are cut with a mark.
pub const LOG_TEXT_BYTES_MAX: usize = 8 * 1024;
