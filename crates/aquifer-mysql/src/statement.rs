//! Prepared statements: what the server told of one.

use std::sync::{Arc, Mutex, PoisonError};

use aquifer_driver::{Description, Error, ErrorKind, Parameter, Result};
use aquifer_net::ByText;

use crate::protocol::Agreed;
use crate::types::{Reading, Shape};

/// A statement that the server keeps.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) id: u32,
    pub(crate) text: Arc<str>,
    pub(crate) parameters: u16,
    /// Running it may change the session without the server's saying so.
    pub(crate) changes_session: bool,
    /// How its rows lie, as the server described them last, and the bytes of that description.
    described: Mutex<Described>,
}

#[derive(Debug, Clone)]
struct Described {
    raw: Box<[u8]>,
    shape: Arc<Shape>,
}

impl Statement {
    pub(crate) fn new(
        id: u32,
        text: Arc<str>,
        parameters: u16,
        changes_session: bool,
        raw: Box<[u8]>,
        shape: Arc<Shape>,
    ) -> Self {
        let described = Mutex::new(Described { raw, shape });
        Self { id, text, parameters, changes_session, described }
    }

    /// How its rows lie.
    #[inline]
    pub(crate) fn shape(&self) -> Arc<Shape> {
        Arc::clone(&self.described.lock().unwrap_or_else(PoisonError::into_inner).shape)
    }

    /// How its rows lie in a session that reads them so: described anew by the same bytes if the session has
    /// changed since.
    ///
    /// # Errors
    ///
    /// If the description is malformed.
    #[inline]
    pub(crate) fn shape_for(&self, reading: Reading, agreed: Agreed) -> Result<Arc<Shape>> {
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if described.shape.reading != reading {
            described.shape = Arc::new(Shape::parse(&described.raw, agreed, reading)?);
        }
        Ok(Arc::clone(&described.shape))
    }

    /// How its rows lie, if it was described for a session that reads them so.
    #[inline]
    pub(crate) fn shape_if(&self, reading: Reading) -> Option<Arc<Shape>> {
        let described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        (described.shape.reading == reading).then(|| Arc::clone(&described.shape))
    }

    /// The shape, if the server has just described the columns by the same bytes as before.
    pub(crate) fn shape_of(&self, raw: &[u8]) -> Option<Arc<Shape>> {
        let described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        (*described.raw == *raw).then(|| Arc::clone(&described.shape))
    }

    /// The server describes the columns otherwise than before.
    pub(crate) fn describe(&self, raw: &[u8], shape: &Arc<Shape>) {
        let described = Described { raw: raw.into(), shape: Arc::clone(shape) };
        *self.described.lock().unwrap_or_else(PoisonError::into_inner) = described;
    }

    pub(crate) fn description(&self) -> Description {
        // The server does not tell the types of placeholders.
        let parameters = (0..self.parameters).map(|_| Parameter::new(None, ""));
        Description::new(parameters.collect(), Arc::clone(&self.shape().columns), None)
    }

    /// # Errors
    ///
    /// If the number of arguments is another than the statement's.
    #[inline]
    pub(crate) fn check_count(&self, given: usize) -> Result<()> {
        let takes = usize::from(self.parameters);
        if given == takes { Ok(()) } else { Err(wrong_count(given, takes)) }
    }
}

impl ByText for Statement {
    #[inline]
    fn text(&self) -> &Arc<str> {
        &self.text
    }
}

#[cold]
fn wrong_count(given: usize, takes: usize) -> Error {
    Error::new(
        ErrorKind::ArgumentMismatch,
        format!("the statement takes {takes} arguments, {given} were given"),
    )
    .with_nothing_sent(true)
}
