//! Requests to etcd: one member after the other, with bounds of time, TLS, and the token of a user.

use super::failure::{Failure, Refusal};
use super::place::EtcdPlace;
use super::wire::{
    AuthClient, AuthenticateRequest, KvClient, LeaseClient, LeaseGrantRequest, LeaseKeepAliveRequest,
    LeaseRevokeRequest, RangeRequest, RangeResponse, TxnRequest, TxnResponse, WatchClient, watch,
};
use futures_util::StreamExt as _;
use futures_util::stream::{iter, pending};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// A member that does not accept a connection within this time is passed over.
const CONNECT: Duration = Duration::from_secs(1);
/// Pauses between two attempts: the first one, and the longest.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);
/// Largest answer that is taken.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What a request is sent through.
type Service = InterceptedService<Channel, Stamp>;

/// Speaks with one member at a time; the next one takes over when that one fails. Copies share everything.
#[derive(Debug, Clone)]
pub(super) struct Client {
    place: Arc<EtcdPlace>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Which member.
    member: usize,
    /// Counts connections, so that one that failed is given up once.
    connection: u64,
    channel: Option<Channel>,
    token: Option<MetadataValue<Ascii>>,
    /// etcd has no users although the configuration names one.
    without_users: bool,
}

/// What every request carries.
#[derive(Debug, Clone)]
struct Stamp {
    token: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Stamp {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        // A member that is cut off from the others says so at once, instead of keeping the request.
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        if let Some(token) = &self.token {
            metadata.insert("token", token.clone());
        }
        Ok(request)
    }
}

impl Client {
    pub(super) fn new(place: Arc<EtcdPlace>) -> Self {
        Self { place, state: Arc::default() }
    }

    /// How long one attempt may take: several of them fit into a lease.
    pub(super) fn attempt(&self) -> Duration {
        self.place.lease / 5
    }

    pub(super) async fn range(&self, request: RangeRequest, until: Instant) -> Result<RangeResponse, Failure> {
        // A page is large, and does not hurry as a commit does.
        self.repeat(self.place.lease, until, async |service| {
            let mut client = KvClient::new(service).max_decoding_message_size(ANSWER_BYTES_MAX);
            Ok(client.range(request.clone()).await?.into_inner())
        })
        .await
    }

    /// The very same transaction until etcd says what has become of it.
    pub(super) async fn transact(&self, request: TxnRequest, until: Instant) -> Result<TxnResponse, Failure> {
        self.repeat(self.attempt(), until, async |service| {
            Ok(KvClient::new(service).txn(request.clone()).await?.into_inner())
        })
        .await
    }

    /// A new lease: its number, and how long it lasts.
    pub(super) async fn grant(&self, until: Instant) -> Result<(i64, Duration), Failure> {
        let ttl = i64::try_from(self.place.lease.as_secs()).expect("a lease is bounded");
        let answer = self
            .repeat(self.attempt(), until, async |service| {
                Ok(LeaseClient::new(service).lease_grant(LeaseGrantRequest { ttl }).await?.into_inner())
            })
            .await?;
        Ok((answer.id, seconds(answer.ttl)))
    }

    /// Renews a lease once, and says how long it lasts now.
    pub(super) async fn keep_alive(&self, lease: i64) -> Result<Duration, Failure> {
        let answer = self
            .call(self.attempt(), async |service| {
                let request = iter([LeaseKeepAliveRequest { id: lease }]);
                let mut answers = LeaseClient::new(service).lease_keep_alive(request).await?.into_inner();
                answers.message().await?.ok_or_else(|| Status::unavailable("the stream of renewals ended"))
            })
            .await?;
        match answer.ttl {
            ttl if ttl > 0 => Ok(seconds(ttl)),
            _ => Err(Failure::Refused(Refusal::NoLease, "the lease has ended".to_owned())),
        }
    }

    /// Ends a lease, and with it the keys that go with it.
    pub(super) async fn revoke(&self, lease: i64, until: Instant) -> Result<(), Failure> {
        let revoked = self
            .repeat(self.attempt(), until, async |service| {
                LeaseClient::new(service).lease_revoke(LeaseRevokeRequest { id: lease }).await.map(drop)
            })
            .await;
        match revoked {
            Err(failure) if !failure.is(Refusal::NoLease) => Err(failure),
            _ => Ok(()),
        }
    }

    /// Waits until a key is deleted, which it was not at that revision. `Ok(false)`: it was not by then, or nobody knows.
    pub(super) async fn deleted(&self, key: Vec<u8>, since: i64, until: Instant) -> Result<bool, Failure> {
        let (service, at) = self.service().await?;
        let request = iter([watch(key, since + 1)]).chain(pending());
        let watching = async {
            let mut client = WatchClient::new(service);
            let mut answers = client.watch(request).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                if answer.tells_deletion() {
                    return Ok(true);
                }
                if answer.canceled {
                    break;
                }
            }
            Ok(false)
        };
        match timeout_at(until, watching).await {
            Ok(Ok(deleted)) => Ok(deleted),
            Ok(Err(status)) => Err(self.failed(&status, at)),
            Err(_) => Ok(false),
        }
    }

    /// Asks until there is an answer that says more than that nobody knows. To be used for what may be done twice.
    async fn repeat<T>(
        &self,
        within: Duration,
        until: Instant,
        ask: impl AsyncFn(Service) -> Result<T, Status>,
    ) -> Result<T, Failure> {
        let mut pause = PAUSE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.call(within.min(left), &ask).await {
                Err(Failure::Unknown(text)) if Instant::now() + pause >= until => return Err(Failure::Unknown(text)),
                Err(Failure::Unknown(_)) => sleep(pause).await,
                answered => return answered,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One attempt at one member; a second one with another token if the first was refused for that.
    async fn call<T>(&self, within: Duration, ask: impl AsyncFn(Service) -> Result<T, Status>) -> Result<T, Failure> {
        for _ in 0..2 {
            let (service, at) = self.service().await?;
            match timeout(within, ask(service)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(status)) => match self.failed(&status, at) {
                    failure if failure.is(Refusal::Token) => {}
                    failure => return Err(failure),
                },
                Err(_) => {
                    self.give_up(at);
                    let member = &self.place.endpoints[at.0];
                    return Err(Failure::Unknown(format!("{member}: no answer within {} ms", within.as_millis())));
                }
            }
        }
        Err(Failure::Refused(Refusal::Token, "the token is refused, the new one as well".to_owned()))
    }

    /// What a failed request means, and for the connection.
    fn failed(&self, status: &Status, at: (usize, u64)) -> Failure {
        let failure = Failure::of(status);
        if failure.is(Refusal::Token) {
            self.state().token = None;
        }
        match failure {
            Failure::Unknown(text) => {
                self.give_up(at);
                Failure::Unknown(format!("{}: {text}", self.place.endpoints[at.0]))
            }
            refused => refused,
        }
    }

    /// Goes on to the next member, unless somebody else has done that.
    fn give_up(&self, (member, connection): (usize, u64)) {
        let mut state = self.state();
        if state.connection == connection {
            state.member = (member + 1) % self.place.endpoints.len();
            state.connection += 1;
            state.channel = None;
        }
    }

    /// A connection, with the token of the user if there is one, and which it is.
    async fn service(&self) -> Result<(Service, (usize, u64)), Failure> {
        let (channel, token, without_users, at) = {
            let mut state = self.state();
            let at = (state.member, state.connection);
            let channel = match &state.channel {
                Some(channel) => channel.clone(),
                None => {
                    let channel = connect(&self.place, state.member)?;
                    state.channel.insert(channel).clone()
                }
            };
            (channel, state.token.clone(), state.without_users, at)
        };
        let token = match &self.place.user {
            Some((name, file)) if token.is_none() && !without_users => {
                self.authenticate(channel.clone(), name, file, at).await?
            }
            _ => token,
        };
        Ok((InterceptedService::new(channel, Stamp { token }), at))
    }

    /// A token for a user; none where etcd has no users. The password is read each time, so that it may be changed.
    async fn authenticate(
        &self,
        channel: Channel,
        name: &str,
        file: &Path,
        at: (usize, u64),
    ) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let password = read(file)?;
        let request = AuthenticateRequest { name: name.to_owned(), password: password.trim_end().to_owned() };
        let mut client = AuthClient::new(InterceptedService::new(channel, Stamp { token: None }));
        // etcd makes a hash of the password, which takes a while on purpose.
        let answer = match timeout(self.place.lease / 2, client.authenticate(request)).await {
            Ok(Ok(answer)) => answer.into_inner(),
            Ok(Err(status)) => match self.failed(&status, at) {
                failure if failure.is(Refusal::NoUsers) => {
                    tracing::warn!(
                        "authentication is off in etcd: everybody that reaches it may change the store, and USER has \
                         no effect"
                    );
                    self.state().without_users = true;
                    return Ok(None);
                }
                failure => return Err(failure),
            },
            Err(_) => {
                self.give_up(at);
                return Err(Failure::Unknown(format!("{}: no answer to the log-in", self.place.endpoints[at.0])));
            }
        };
        let token = MetadataValue::try_from(answer.token).map_err(|_| {
            Failure::Refused(Refusal::Other, "the token of the user is not valid in an HTTP header".to_owned())
        })?;
        self.state().token = Some(token.clone());
        Ok(Some(token))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under it panics half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

/// A connection to a member, which is made when it is used first. The files of TLS are read each time, so that they may be changed.
fn connect(place: &EtcdPlace, member: usize) -> Result<Channel, Failure> {
    let at = &place.endpoints[member];
    let wrong = |error: tonic::transport::Error| {
        let said = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Failure::Refused(Refusal::Other, format!("{at}: {said}"))
    };
    let mut endpoint = Endpoint::from_shared(at.clone()).map_err(wrong)?.connect_timeout(CONNECT);
    if at.starts_with("https:") {
        let mut tls = ClientTlsConfig::new();
        tls = match &place.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(read(ca)?)),
            None => tls.with_native_roots(),
        };
        if let Some((cert, key)) = &place.identity {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        endpoint = endpoint.tls_config(tls).map_err(wrong)?;
    }
    Ok(endpoint.connect_lazy())
}

/// A file of the configuration, which has looked at it before.
fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let opened = fs::File::open(path)
        .and_then(|file| file.take(lock_core::limits::TLS_FILE_BYTES_MAX as u64).read_to_string(&mut text));
    let wrong = |error| Failure::Refused(Refusal::Other, format!("{} cannot be read: {error}", path.display()));
    opened.map(|_| text).map_err(wrong)
}
