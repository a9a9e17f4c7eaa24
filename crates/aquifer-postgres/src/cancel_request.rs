//! A CancelRequest over a connection of its own, to the same server over the same kind of encryption.

use std::time::Duration;

use aquifer_driver::BoxFuture;
use aquifer_net::stop::{Request, SendRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::config::TcpConfig;
use crate::dial::{self, Address};
use crate::protocol::frontend;
use crate::tls::Tls;

/// How long a request may take where no `connect_timeout` says so.
const BUDGET: Duration = Duration::from_secs(10);

/// Everything that a request needs.
pub(crate) struct CancelRequest {
    pub(crate) address: Address,
    pub(crate) tcp: TcpConfig,
    pub(crate) tls: Tls,
    pub(crate) process: u32,
    pub(crate) key: Box<[u8]>,
    pub(crate) budget: Option<Duration>,
    /// The request may reach another session than the one it was made for, and another's this one.
    pub(crate) behind_pooler: bool,
}

impl SendRequest for CancelRequest {
    fn send(&self) -> BoxFuture<'static, Request> {
        if self.key.is_empty() {
            // A server without keys cannot be asked.
            return Box::pin(std::future::ready(Request::NotSent));
        }
        let mut packet = Vec::new();
        frontend::cancel_request(&mut packet, self.process, &self.key);
        let (address, tcp, tls) = (self.address.clone(), self.tcp.clone(), self.tls.clone());
        let budget = self.budget.unwrap_or(BUDGET);
        let acted = if self.behind_pooler { Request::Uncertain } else { Request::Done };
        Box::pin(async move {
            let dialled = tokio::time::timeout(budget, dial::redial(&address, &tcp, &tls)).await;
            let Ok(Ok(dialled)) = dialled else { return Request::NotSent };
            let mut stream = dialled.stream;
            let asked = async {
                stream.write_all(&packet).await?;
                stream.flush().await?;
                // The server closes when the signal is sent, and says nothing.
                stream.read(&mut [0; 64]).await
            };
            match tokio::time::timeout(budget, asked).await {
                // TLS calls an end without farewell an error; the server is gone all the same.
                Ok(Ok(0) | Err(_)) => acted,
                _ => Request::Uncertain,
            }
        })
    }
}
