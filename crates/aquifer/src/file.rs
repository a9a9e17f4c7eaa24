//! SQL in files.

use std::path::Path;

use aquifer_driver::{Error, ErrorKind, Result, Retry};
use tokio::runtime::Handle;

/// A file's text, read on a thread that may wait, if there is a runtime to have one.
pub(crate) async fn read(path: &Path) -> Result<String> {
    let owned = path.to_owned();
    let text = match Handle::try_current() {
        Ok(runtime) => runtime
            .spawn_blocking(move || std::fs::read_to_string(owned))
            .await
            .map_err(|_| Error::new(ErrorKind::Runtime, "the runtime shut down"))?,
        Err(_) => std::fs::read_to_string(owned),
    };
    match text {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => Err(Error::new(ErrorKind::Io, format!("cannot read `{}`", path.display()))
            .with_nothing_sent(true)
            .with_retry(Retry::Never)
            .with_source(error)),
    }
}
