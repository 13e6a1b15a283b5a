//! Who sends a request, as far as the server knows, and what that allows.

use crate::access::{Access, Denied, Grants, Key, Right};
use crate::metrics::Label;
use lock_api::You;
use lock_core::{Caller, LockName, Target, TicketRecord};
use std::path::Path;
use std::sync::Arc;

/// The sender of a request.
#[derive(Debug, Clone)]
pub(in crate::http) struct Who {
    /// The name of its key.
    owner: Option<Arc<str>>,
    /// Its address, or `uid:N`.
    from: Arc<str>,
    grants: Arc<Grants>,
    standing: Standing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It came through the administrators' socket.
    Local,
    /// It has shown a key.
    Key,
    /// It has not, and a key would help.
    Anonymous,
    /// There are no keys; administrators use this Unix socket.
    Open { socket: Option<Arc<Path>> },
}

impl Who {
    /// Whom the administrators' socket let in.
    pub(super) fn local(from: Arc<str>) -> Self {
        Self { owner: None, from, grants: Arc::new(Grants::everything()), standing: Standing::Local }
    }

    pub(super) fn with_key(key: &Key, from: Arc<str>) -> Self {
        Self { owner: Some(key.name.shared()), from, grants: Arc::new(key.grants.clone()), standing: Standing::Key }
    }

    /// Nobody in particular; a key would help.
    pub(super) fn anonymous(grants: Arc<Grants>, from: Arc<str>) -> Self {
        Self { owner: None, from, grants, standing: Standing::Anonymous }
    }

    /// Nobody in particular, for there are no keys. Administrators use that socket.
    pub(super) fn open(grants: Arc<Grants>, from: Arc<str>, socket: Option<Arc<Path>>) -> Self {
        Self { owner: None, from, grants, standing: Standing::Open { socket } }
    }

    /// What it is told of itself.
    pub(in crate::http) fn you(&self) -> You {
        let Grants { rights, locks, .. } = &*self.grants;
        let pattern = |target: &Target| match target {
            Target::Lock(name) => name.to_string(),
            Target::Template(prefix) => prefix.pattern(),
        };
        You {
            key: self.owner().map(str::to_owned),
            from: self.from().to_owned(),
            rights: Right::ALL.iter().filter(|right| rights.has(**right)).map(ToString::to_string).collect(),
            locks: locks.targets().iter().map(pattern).collect(),
            keys: matches!(self.standing, Standing::Key | Standing::Anonymous),
        }
    }

    /// The name of its key, if it has shown one.
    pub(in crate::http) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// Its address, or `uid:N`.
    pub(in crate::http) fn from(&self) -> &str {
        &self.from
    }

    /// For the core, about a ticket that only its id names: whether that is of a lock which the sender administers is not
    /// known yet, so it must administer all.
    pub(in crate::http) fn caller(&self) -> Caller {
        let admin = self.grants.rights.has(Right::Admin) && self.grants.locks.is_all();
        self.as_caller(admin)
    }

    /// For the core, about this lock.
    pub(in crate::http) fn caller_for(&self, lock: &LockName) -> Caller {
        self.as_caller(self.grants.may(Right::Admin, lock))
    }

    fn as_caller(&self, admin: bool) -> Caller {
        let locks = (!self.grants.locks.is_all()).then(|| self.grants.locks.targets());
        Caller { owner: self.owner.clone(), admin, from: self.from.clone(), locks }
    }

    /// Whether this lock is to be seen: in lists, events and metrics.
    pub(in crate::http) fn sees(&self, lock: &LockName) -> bool {
        self.grants.may(Right::Observe, lock)
    }

    /// Whether the numbers of this label are to be seen: those of a lock, of all locks of a template, or of all others.
    pub(in crate::http) fn sees_label(&self, label: Label<'_>) -> bool {
        let Grants { rights, locks, .. } = &*self.grants;
        rights.has(Right::Observe)
            && match label {
                Label::Of(Target::Lock(lock)) => locks.takes(lock),
                Label::Of(Target::Template(prefix)) => locks.takes_all(prefix),
                Label::Others => locks.is_all(),
            }
    }

    /// The locks that it may see; `None` for every lock.
    pub(in crate::http) fn among(&self) -> Option<Arc<[Target]>> {
        if !self.grants.rights.has(Right::Observe) {
            return Some(Arc::from([]));
        }
        (!self.grants.locks.is_all()).then(|| self.grants.locks.targets())
    }

    /// The highest priority that its requests may have.
    pub(in crate::http) fn max_priority(&self) -> i8 {
        self.grants.max_priority
    }

    /// Whether it may read where the configuration comes from, and what is wrong with it: administrators of every lock,
    /// and everybody while there are no keys.
    pub(in crate::http) fn may_see_configuration(&self) -> bool {
        matches!(self.standing, Standing::Open { .. }) || self.may_everywhere(Right::Admin).is_ok()
    }

    /// The priority of its requests that name none.
    pub(in crate::http) fn usual_priority(&self) -> i8 {
        self.grants.max_priority.min(0)
    }

    /// The same sender after keys and rights have changed.
    ///
    /// # Errors
    /// Its key is gone.
    pub(in crate::http) fn again(&self, access: &Access) -> Result<Self, Denied> {
        match (&self.standing, &self.owner) {
            (Standing::Local, _) => Ok(self.clone()),
            (Standing::Key, Some(owner)) => match access.by_name(owner) {
                Some(key) => Ok(Self::with_key(key, self.from.clone())),
                None => Err(Denied {
                    unauthorized: true,
                    text: format!("the key {owner:?} was removed from the configuration"),
                }),
            },
            _ => Ok(Self::anonymous(access.anonymous().clone(), self.from.clone())),
        }
    }

    /// Whether both may do the same.
    pub(in crate::http) fn may_the_same_as(&self, other: &Self) -> bool {
        self.grants == other.grants
    }

    /// Whether its own key made this ticket.
    pub(in crate::http) fn owns(&self, ticket: &TicketRecord) -> bool {
        self.owner.is_some() && self.owner == ticket.owner
    }

    /// Whether it may do this to the lock.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::http) fn may(&self, right: Right, lock: &LockName) -> Result<(), Denied> {
        self.may_somewhere(right)?;
        if self.grants.locks.takes(lock) {
            return Ok(());
        }
        Err(self.denied(match &self.owner {
            Some(owner) => {
                format!("the key {owner:?} does not cover the lock {lock:?}; LOCKS in the section of the key lists its locks")
            }
            None => format!("the lock {lock:?} needs a key"),
        }))
    }

    /// Whether it has this right for any lock at all.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::http) fn may_somewhere(&self, right: Right) -> Result<(), Denied> {
        if self.grants.rights.has(right) {
            return Ok(());
        }
        Err(self.denied(match &self.owner {
            None if let Standing::Open { socket } = &self.standing => format!(
                "this is for administrators: on the server's own machine, over the Unix socket {}",
                socket.as_deref().unwrap_or_else(|| Path::new("admin.sock")).display()
            ),
            Some(owner) => format!("the key {owner:?} does not have the right {:?}", right.word()),
            None => format!("this needs the right {:?}, which clients without a key do not have", right.word()),
        }))
    }

    /// Whether it has this right for every lock.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::http) fn may_everywhere(&self, right: Right) -> Result<(), Denied> {
        self.may_somewhere(right)?;
        if self.grants.locks.is_all() {
            return Ok(());
        }
        Err(self.denied(format!("this needs the right {:?} for every lock", right.word())))
    }

    fn denied(&self, text: String) -> Denied {
        let unauthorized = self.standing == Standing::Anonymous;
        let help = if unauthorized {
            "; send a key: 'Authorization: Bearer SECRET', or its name and secret as user and password"
        } else {
            ""
        };
        Denied { unauthorized, text: text + help }
    }
}
