//! The floor of logging in: the messages of SCRAM-SHA-256 by hand, with the salted password from the last time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::floor::Async;
use super::socket::Address;
use super::wire::Wire;
use crate::drive::{Client, Request, Sequential, Subject};
use crate::failure::{Failure, Result, ensure};
use crate::registry::Setting;
use crate::workload::postgres::{HELLO, Login};

struct Connect {
    address: Address,
    /// Salt and salted password.
    salted: Option<(String, [u8; 32])>,
    wire: Option<Wire>,
}

fn mac(key: &[u8], message: &str) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|_| Failure::new("HMAC takes a key of any length"))?;
    mac.update(message.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

fn attribute<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let mut parts = text.split(',');
    let found = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| Failure::new("the server's first message is another one"))
}

impl Connect {
    /// The last message of the client, and the one of the server that proves it.
    fn answer(&mut self, nonce: &str, first: &str) -> Result<(String, String)> {
        let salt = attribute(first, "s")?;
        let salted = match &self.salted {
            Some((known, salted)) if known == salt => *salted,
            _ => {
                let bytes = STANDARD.decode(salt).map_err(|_| Failure::new("no salt"))?;
                let iterations = attribute(first, "i")?.parse()?;
                let mut salted = [0; 32];
                let password = Login::PASSWORD.as_bytes();
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &bytes, iterations, &mut salted);
                self.salted = Some((salt.to_owned(), salted));
                salted
            }
        };
        let bare = format!("c=biws,r={}", attribute(first, "r")?);
        let message = format!("n=,r={nonce},{first},{bare}");
        let client = mac(&salted, "Client Key")?;
        let stored: [u8; 32] = Sha256::digest(client).into();
        let mut proof = mac(&stored, &message)?;
        proof.iter_mut().zip(client).for_each(|(proof, key)| *proof ^= key);
        let server = mac(&mac(&salted, "Server Key")?, &message)?;
        let last = format!("{bare},p={}", STANDARD.encode(proof));
        Ok((last, format!("v={}", STANDARD.encode(server))))
    }

    async fn log_in(&mut self, operation: u64) -> Result<()> {
        let stream = self.address.connect().await?;
        let wire = self.wire.take().unwrap_or_else(Wire::new);
        let mut socket = Async { wire, stream };
        socket.wire.startup(Login::ROLE, "aquifer");
        socket.until(b'R').await?;
        let nonce = format!("floor{operation:019}");
        socket.wire.sasl_initial(&format!("n,,n=,r={nonce}"));
        let body = socket.until(b'R').await?;
        let first = body.get(4..).and_then(|text| std::str::from_utf8(text).ok());
        let first = first.ok_or_else(|| Failure::new("the server's first message is none"))?;
        let (last, proof) = self.answer(&nonce, first)?;
        socket.wire.sasl_response(&last);
        let mut proved = false;
        socket
            .messages(b'R', |body| {
                proved |= body.get(4..) == Some(proof.as_bytes());
                Ok(())
            })
            .await?;
        ensure(proved, "the server did not prove that it knows the password")?;
        socket.wire.query(HELLO);
        let mut seven = false;
        socket
            .messages(b'D', |body| {
                seven = body.ends_with(b"7");
                Ok(())
            })
            .await?;
        ensure(seven, "the server did not say 7")?;
        socket.stream.write_all(b"X\0\0\0\x04").await?;
        self.wire = Some(socket.wire);
        Ok(())
    }
}

impl Client for Connect {
    async fn call(&mut self, request: Request) -> Result<()> {
        for operation in request.first..request.first + request.count {
            self.log_in(operation).await?;
        }
        Ok(())
    }
}

pub fn connect(setting: &Setting) -> Result<Box<dyn Subject>> {
    let runtime = setting.threads.runtime()?;
    let client = Connect { address: Address::of(setting)?, salted: None, wire: None };
    Ok(Box::new(Sequential::new(runtime, client, 1)))
}
