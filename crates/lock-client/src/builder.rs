//! The client and how it is made.

use crate::address::Address;
use crate::background::Background;
use crate::key::Key;
use crate::proxy;
use crate::silence::{OnSilence, Patience, Silence};
use crate::tls::{self, Trust};
use crate::{Error, Retry};
use reqwest::header::HeaderValue;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Idle connections are closed before the server does it, after 15 minutes.
const POOL_IDLE: Duration = Duration::from_secs(300);

/// Settings of a [`Client`].
#[derive(Clone)]
pub struct Builder {
    servers: Vec<String>,
    key: Option<Key>,
    trust: Trust,
    connect_timeout: Duration,
    timeout: Duration,
    retry: Retry,
    patience: Option<Patience>,
    on_silence: Option<OnSilence>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            key: None,
            trust: Trust::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            retry: Retry::default(),
            patience: None,
            on_silence: None,
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("servers", &self.servers).finish_non_exhaustive()
    }
}

impl Builder {
    /// One more server: `https://HOST:PORT`, `http://HOST:PORT` or `unix:/PATH`. They are tried in turn, beginning with the one that answered last.
    #[must_use]
    pub fn server(mut self, address: impl Into<String>) -> Self {
        self.servers.push(address.into());
        self
    }

    /// More servers.
    #[must_use]
    pub fn servers<S: Into<String>>(mut self, addresses: impl IntoIterator<Item = S>) -> Self {
        self.servers.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// The secret of a key.
    #[must_use]
    pub fn key(mut self, secret: impl Into<String>) -> Self {
        self.key = Some(Key::new(&secret.into()));
        self
    }

    /// The secret of a key from a file, which not everybody on this machine may read.
    ///
    /// # Errors
    /// [`Error::KeyFile`], never with anything of the file in it.
    pub fn key_file(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        self.key = Some(Key::from_file(path.as_ref())?);
        Ok(self)
    }

    /// Trusts servers whose certificate one of these vouches for (PEM, one or more), beside those that this machine trusts.
    #[must_use]
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.authorities.push(pem.into());
        self
    }

    /// Shows servers that ask for one this certificate (PEM, with those that vouch for it behind it), which has this key
    /// (PEM).
    #[must_use]
    pub fn identity(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.trust.identity = Some((cert_pem.into(), key_pem.into()));
        self
    }

    /// How long a connection may take to stand (5 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a server may take to answer (10 s), beside the time that it is asked to wait.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How calls are repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// No call takes longer than this without an answer, beside the time that a server is asked to wait; not renewals,
    /// releases and cancels, which have bounds of their own. Without it a call begins its last round within
    /// [`Retry::within`].
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Calls this when a call has been without an answer for a second, once for each call.
    #[must_use]
    pub fn on_silence(mut self, tell: impl Fn(&Silence) + Send + Sync + 'static) -> Self {
        self.on_silence = Some(Arc::new(tell));
        self
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// An address that cannot be one, or none at all; a key that cannot stand in a header; certificates that cannot be used;
    /// a proxy in the environment that cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let authorization = self.key.as_ref().map(Key::authorization).transpose()?;
        let addresses = self.servers.iter().map(|name| Address::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let tls = tls::config(&self.trust, addresses.iter().any(Address::is_tls))?;
        let mut servers = Vec::new();
        for (name, address) in self.servers.iter().zip(addresses) {
            let builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .connect_timeout(self.connect_timeout)
                .pool_idle_timeout(POOL_IDLE)
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("lock-client/", env!("CARGO_PKG_VERSION")));
            // What a library would make of the environment is not left to it: see `proxy`.
            let builder = builder.no_proxy();
            let (builder, through) = match &address {
                Address::Http(url) => match proxy::of_environment(url)? {
                    Some((proxy, through)) => (builder.proxy(proxy), Some(through)),
                    None => (builder, None),
                },
                Address::Unix(path) => (builder.unix_socket(path.as_path()), None),
            };
            let http =
                builder.build().map_err(|error| Error::Address { address: name.clone(), why: error.to_string() })?;
            servers.push(Server { name: name.clone(), address, through, http });
        }
        if servers.is_empty() {
            return Err(Error::Address { address: String::new(), why: "none was given".to_owned() });
        }
        let inner = Inner {
            servers,
            authorization,
            timeout: self.timeout,
            retry: self.retry,
            patience: self.patience,
            on_silence: self.on_silence,
            preferred: AtomicUsize::new(0),
            background: Background::default(),
        };
        Ok(Client { inner: Arc::new(inner) })
    }
}

/// One server.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: Address,
    /// The proxy between, in words.
    pub(crate) through: Option<String>,
    pub(crate) http: reqwest::Client,
}

impl Server {
    /// What happened on the way to it. Where there is a proxy, that may have failed, and not the server.
    pub(crate) fn on_the_way(&self, what: &str) -> String {
        match &self.through {
            Some(through) => format!("{through}: {what}"),
            None => what.to_owned(),
        }
    }
}

pub(crate) struct Inner {
    pub(crate) servers: Vec<Server>,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) patience: Option<Patience>,
    pub(crate) on_silence: Option<OnSilence>,
    /// Place of the server to try first: the one that answered last.
    pub(crate) preferred: AtomicUsize,
    pub(crate) background: Background,
}

/// A client of one lockserver, or of several that serve the same locks. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

impl Client {
    /// Settings to begin with.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The addresses as they were given.
    #[must_use]
    pub fn servers(&self) -> Vec<&str> {
        self.inner.servers.iter().map(|server| server.name.as_str()).collect()
    }

    /// Waits until everything that runs in the background is done: releases and cancels of what was dropped. Call it before
    /// the runtime ends. False if that took longer than `at_most`.
    pub async fn drain_background(&self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, self.inner.background.idle()).await.is_ok()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("servers", &self.servers()).finish_non_exhaustive()
    }
}
