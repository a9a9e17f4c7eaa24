//! What `mysql_common`'s plugins are told, and the errors about plugins.

use aquifer_driver::Error;
use mysql_common::auth::plugins;

use super::{Channel, refused};

/// What a plugin knows of the log-in.
pub(super) struct Context<'a> {
    pub(super) password: &'a [u8],
    pub(super) channel: Channel,
    pub(super) nonce: &'a [u8],
    pub(super) server_key: Option<&'a [u8]>,
}

impl plugins::Context for Context<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        self.channel == Channel::Socket
    }

    fn is_tls_transport(&self) -> bool {
        self.channel == Channel::Tls
    }

    fn scramble(&self) -> &[u8] {
        self.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        self.server_key
    }
}

/// A plugin that this driver does not have.
#[cold]
pub(super) fn unknown(name: &[u8]) -> Error {
    let name: String = String::from_utf8_lossy(name)
        .chars()
        .take(64)
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect();
    refused(&format!(
        "the server asks for the authentication plugin `{name}`, which this driver does not have"
    ))
    .with_hint(what_to_do(&name))
}

/// What whoever meets a plugin that is not there can do.
fn what_to_do(plugin: &str) -> &'static str {
    match plugin {
        "dialog" => {
            "PAM's conversations need somebody who answers; for a password alone set the server's \
             pam_use_cleartext_plugin=ON, and allowCleartextPasswords=true with tls=true"
        }
        "authentication_ldap_sasl_client" => {
            "for LDAP without SASL give the account authentication_ldap_simple, and set \
             allowCleartextPasswords=true with tls=true"
        }
        "authentication_kerberos_client" | "auth_gssapi_client" => {
            "Kerberos is not spoken here: give the program an account with caching_sha2_password, or on \
             MariaDB ed25519"
        }
        "authentication_windows_client" => {
            "Windows' own log-ins are not spoken here: give the program an account with \
             caching_sha2_password"
        }
        "authentication_fido_client" | "authentication_webauthn_client" => {
            "a security key needs somebody who touches it: give the program an account with \
             caching_sha2_password"
        }
        "authentication_oci_client" | "authentication_openid_connect_client" => {
            "tokens of OCI and of OpenID Connect are not spoken here: give the program an account with \
             caching_sha2_password"
        }
        _ => {
            "it has mysql_native_password, caching_sha2_password, sha256_password, ed25519, parsec, \
             mysql_clear_password and mysql_old_password"
        }
    }
}

/// A further factor for which there is no password.
#[cold]
pub(super) fn needs_factor() -> Error {
    refused("the server asks for a further factor, and there is no password for it").with_hint(
        "set password2, and password3 if the account has three factors; what is no password (a security key) \
         needs an account with one factor for programs",
    )
}

/// A password that would have to go where others may listen.
#[cold]
pub(super) fn needs_tls(name: &str) -> Error {
    refused(&format!(
        "the server asks for the password itself ({name}), and the connection is not encrypted"
    ))
    .with_hint(
        "use TLS (tls=true) or the server's unix socket; passwords of SHA-2 can go without, encrypted by the \
         server's key (serverPubKey)",
    )
}
