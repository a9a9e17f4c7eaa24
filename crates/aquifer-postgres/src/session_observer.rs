//! [`SessionObserver`]: hears what servers say besides answers.

use std::fmt;
use std::sync::Arc;

use aquifer_driver::{ServerNotice, ServerObserver};

use crate::protocol::backend::Notified;
use crate::server_error::Notice;

/// A message from `NOTIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The channel, as it was named.
    pub channel: String,
    /// The payload; empty if there is none.
    pub payload: String,
    /// The process of the session that sent it; one's own notifications come too.
    pub process_id: u32,
}

impl From<Notified> for Notification {
    fn from(notified: Notified) -> Self {
        Self { channel: notified.channel, payload: notified.payload, process_id: notified.process }
    }
}

/// Hears what the servers of a connector say besides answers.
///
/// Called in the task that reads the connection, in the order of arrival: return soon, and hand on what
/// takes time. What arrives while a connection is idle is heard at its next use.
pub trait SessionObserver: Send + Sync + 'static {
    /// A notice or warning. Its text may quote data.
    fn notice(&self, notice: &Notice) {
        let _ = notice;
    }

    /// A notification on a channel that the connection listens to.
    fn notification(&self, notification: &Notification) {
        let _ = notification;
    }

    /// A setting that the server reports has changed.
    fn parameter(&self, name: &str, value: &str) {
        let _ = (name, value);
    }
}

/// What the program hears of PostgreSQL, and what anybody hears of any server.
pub(crate) struct Both {
    pub(crate) own: Option<Arc<dyn SessionObserver>>,
    pub(crate) general: Arc<dyn ServerObserver>,
}

impl SessionObserver for Both {
    fn notice(&self, notice: &Notice) {
        if let Some(own) = &self.own {
            own.notice(notice);
        }
        let code = notice.sqlstate();
        self.general.notice(
            &ServerNotice::new(notice.severity().as_str(), notice.message())
                .code(code.as_ref().map(|code| code.as_str()))
                .more(notice.detail(), notice.hint()),
        );
    }

    fn notification(&self, notification: &Notification) {
        if let Some(own) = &self.own {
            own.notification(notification);
        }
    }

    fn parameter(&self, name: &str, value: &str) {
        if let Some(own) = &self.own {
            own.parameter(name, value);
        }
        self.general.parameter(name, value);
    }
}

impl fmt::Debug for dyn SessionObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionObserver")
    }
}
