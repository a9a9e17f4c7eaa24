//! [`CopyInRows`]: rows into a table.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use aquifer_driver::{Error, ErrorKind, ParamSink, Params, Result, ToParams, ToValue};
use futures_core::Stream;

use super::copy_in::CHUNK_BYTES;
use super::encode::{Column, Encoder};
use super::{CopyFormat, CopyIn, describe, quote};
use crate::connection::PostgresConnection;
use crate::protocol::frontend;
use crate::types::Codecs;

impl PostgresConnection {
    /// Copies rows into columns of a table; how many there were.
    ///
    /// Short for [`copy_in_rows`](Self::copy_in_rows) and [`send`](CopyInRows::send).
    ///
    /// ```no_run
    /// # async fn f(connection: &mut aquifer_postgres::PostgresConnection) -> aquifer_driver::Result<()> {
    /// let rivers = [("Elbe", 1094.0), ("Oder", 840.0)];
    /// let rows = connection.copy_rows("rivers", &["name", "km"], rivers).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](CopyInRows::send).
    pub async fn copy_rows<I>(&mut self, table: &str, columns: &[&str], rows: I) -> Result<u64>
    where
        I: IntoIterator,
        I::Item: Params,
    {
        self.copy_in_rows(table, columns).send(rows).await
    }

    /// Rows into columns of a table, by COPY.
    ///
    /// The names are names and no SQL: case counts, and a dot in the table's parts it from its schema. No
    /// columns stand for all that the table has, in its order. Nothing is sent before rows are.
    pub fn copy_in_rows<'c>(&'c mut self, table: &str, columns: &[&str]) -> CopyInRows<'c> {
        CopyInRows {
            connection: self,
            table: table.to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            format: None,
        }
    }
}

/// What rows are to be copied into; made by [`PostgresConnection::copy_in_rows`].
///
/// The columns' types are asked for first, which is a round trip more, so that values are written exactly as
/// they want them. Inside a transaction the COPY is part of it; otherwise all rows go in, or none.
#[must_use = "nothing happens before rows are sent"]
pub struct CopyInRows<'c> {
    connection: &'c mut PostgresConnection,
    table: String,
    columns: Vec<String>,
    format: Option<CopyFormat>,
}

impl<'c> CopyInRows<'c> {
    /// Sends the rows in this format.
    ///
    /// Without this call the first row decides: binary if all of it has a binary form that its columns take,
    /// and otherwise text, which takes whatever an INSERT takes (text for an enum or a date). In binary a
    /// later row that has no such form is an error.
    pub fn format(mut self, format: CopyFormat) -> Self {
        self.format = Some(format);
        self
    }

    /// Copies the rows; how many there were. A row is a tuple, an array or a slice of values, in the order of
    /// the columns.
    ///
    /// # Errors
    ///
    /// The server's, with the line that it is about, or the first of a row that cannot be written, with the
    /// row's number from 1 and the column. None of the rows stay then, and an open transaction has failed.
    pub async fn send<I>(self, rows: I) -> Result<u64>
    where
        I: IntoIterator,
        I::Item: Params,
    {
        self.send_all(rows.into_iter(), CopyRowWriter::encode::<I::Item>).await
    }

    /// Copies what the stream gives, as it comes; how many rows there were.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_stream<S>(self, rows: S) -> Result<u64>
    where
        S: Stream,
        S::Item: Params,
    {
        let mut rows = pin!(rows);
        let mut writer = self.start().await?;
        loop {
            // As many rows as are there, up to a whole message.
            let filled = poll_fn(|cx| {
                loop {
                    let Some(row) = ready!(rows.as_mut().poll_next(cx)) else {
                        return Poll::Ready(None);
                    };
                    let encoded = writer.encode(&row);
                    if encoded.is_err() || writer.is_full() {
                        return Poll::Ready(Some(encoded));
                    }
                }
            });
            match filled.await {
                Some(Ok(())) => writer.advance().await?,
                Some(Err(error)) => return Err(writer.refuse(error).await),
                None => return writer.finish().await,
            }
        }
    }

    /// Copies structs with `#[derive(ToParams)]`, or maps: each column takes the argument of its name. How
    /// many there were.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); a column that a row has no argument for is one, too.
    pub async fn send_named<I>(self, rows: I) -> Result<u64>
    where
        I: IntoIterator,
        I::Item: ToParams,
    {
        self.send_all(rows.into_iter(), CopyRowWriter::encode_named::<I::Item>).await
    }

    async fn send_all<R>(
        self,
        mut rows: impl Iterator<Item = R>,
        encode: impl Fn(&mut CopyRowWriter<'c>, &R) -> Result<()>,
    ) -> Result<u64> {
        let mut writer = self.start().await?;
        loop {
            let encoded = rows.find_map(|row| {
                let encoded = encode(&mut writer, &row);
                (encoded.is_err() || writer.is_full()).then_some(encoded)
            });
            match encoded {
                Some(Ok(())) => writer.advance().await?,
                Some(Err(error)) => return Err(writer.refuse(error).await),
                None => return writer.finish().await,
            }
        }
    }

    /// A writer that takes one row after the other.
    ///
    /// # Errors
    ///
    /// If the server does not know the table or a column.
    pub async fn start(self) -> Result<CopyRowWriter<'c>> {
        self.connection.read_off().await?;
        let (mut table, mut list) = (String::new(), String::new());
        for (index, part) in self.table.split('.').enumerate() {
            if index > 0 {
                table.push('.');
            }
            quote(part, &mut table)?;
        }
        for (index, name) in self.columns.iter().enumerate() {
            if index > 0 {
                list.push_str(", ");
            }
            quote(name, &mut list)?;
        }
        let all = if list.is_empty() { "*" } else { &list };
        let described = describe(self.connection, &format!("SELECT {all} FROM {table}")).await?;
        let columns: Box<[Column]> = described
            .fields
            .iter()
            .map(|field| Column::new(field.name.clone(), field.oid))
            .collect();
        // Named one by one, so that these and no others are meant.
        list.clear();
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                list.push_str(", ");
            }
            quote(column.name(), &mut list)?;
        }
        let mut buffer = Vec::new();
        frontend::begin_copy_data(&mut buffer);
        Ok(CopyRowWriter {
            target: format!("COPY {table} ({list}) FROM STDIN"),
            link: Link::Waiting(self.connection, buffer),
            names: Names::new(&columns),
            rows: Rows::Undecided(columns, described.codecs().clone(), self.format),
        })
    }
}

impl fmt::Debug for CopyInRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyInRows")
            .field("table", &self.table)
            .field("columns", &self.columns)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Takes rows one by one; made by [`CopyInRows::start`].
///
/// The COPY begins when the first 64 KiB of rows have come together, or with [`finish`](Self::finish). As
/// with [`CopyIn`], the rows are there when that has returned, and dropping the writer before gives the COPY
/// up.
#[must_use = "dropping it gives the COPY up"]
pub struct CopyRowWriter<'c> {
    target: String,
    link: Link<'c>,
    names: Names,
    rows: Rows,
}

enum Link<'c> {
    /// The COPY has not begun; the first message is being filled.
    Waiting(&'c mut PostgresConnection, Vec<u8>),
    Copying(CopyIn<'c>),
    /// Beginning it has failed, or was dropped.
    Lost,
}

enum Rows {
    /// There was none yet to choose the format by.
    Undecided(Box<[Column]>, Codecs, Option<CopyFormat>),
    Encoded(Encoder),
}

impl CopyRowWriter<'_> {
    /// Takes a row: a tuple, an array or a slice of values, in the order of the columns. Waits while the
    /// server is behind with reading. If the future is dropped, the row was taken.
    ///
    /// # Errors
    ///
    /// Of the row, if it cannot be written: then nothing of it was taken, and the COPY goes on. The server's
    /// for any earlier row; the COPY is then over.
    pub async fn send(&mut self, row: impl Params) -> Result<()> {
        self.encode(&row)?;
        drop(row);
        if self.is_full() { self.advance().await } else { Ok(()) }
    }

    /// Takes a struct with `#[derive(ToParams)]` or a map: each column takes the argument of its name.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_named(&mut self, row: impl ToParams) -> Result<()> {
        self.encode_named(&row)?;
        drop(row);
        if self.is_full() { self.advance().await } else { Ok(()) }
    }

    /// Ends the COPY, and waits until the server has taken all rows; how many there were. See
    /// [`CopyIn::finish`].
    ///
    /// # Errors
    ///
    /// The server's, with the line that it is about; none of the rows stay then.
    pub async fn finish(mut self) -> Result<u64> {
        let Rows::Encoded(_) = self.rows else { return Ok(0) };
        self.begin().await?;
        let (Link::Copying(mut copy), Rows::Encoded(encoder)) = (self.link, self.rows) else {
            return Err(lost());
        };
        encoder.tail(copy.buffer());
        copy.finish().await
    }

    /// Gives the COPY up: none of its rows stay, and an open transaction fails.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    pub async fn fail(self, reason: &str) -> Result<()> {
        match self.link {
            Link::Copying(copy) => copy.fail(reason).await,
            Link::Waiting(..) | Link::Lost => Ok(()),
        }
    }

    #[inline]
    fn encode<P: Params>(&mut self, row: &P) -> Result<()> {
        encode(&mut self.link, &mut self.rows, row)
    }

    #[inline]
    fn encode_named<T: ToParams>(&mut self, row: &T) -> Result<()> {
        self.names.look_up(row.places());
        encode(&mut self.link, &mut self.rows, &Named { row, names: &self.names })
    }

    #[inline]
    fn is_full(&self) -> bool {
        match &self.link {
            Link::Copying(copy) => copy.is_full(),
            Link::Waiting(_, buffer) => buffer.len() >= CHUNK_BYTES,
            Link::Lost => false,
        }
    }

    /// Has the rows so far sent, as far as that needs no waiting, after those before.
    async fn advance(&mut self) -> Result<()> {
        self.begin().await?;
        match &mut self.link {
            Link::Copying(copy) => copy.flush().await,
            Link::Waiting(..) | Link::Lost => Err(lost()),
        }
    }

    async fn begin(&mut self) -> Result<()> {
        if let Link::Copying(_) = self.link {
            return Ok(());
        }
        let link = std::mem::replace(&mut self.link, Link::Lost);
        let (Link::Waiting(connection, mut buffer), Rows::Encoded(encoder)) = (link, &self.rows)
        else {
            return Err(lost());
        };
        let sql = format!("{} (FORMAT {})", self.target, encoder.format().word());
        let mut copy = connection.copy_in(&sql).await?;
        std::mem::swap(copy.buffer(), &mut buffer);
        self.link = Link::Copying(copy);
        Ok(())
    }

    /// A row cannot be written: gives the COPY up.
    async fn refuse(self, error: Error) -> Error {
        match self.fail(error.message()).await {
            Ok(()) => error,
            Err(lost) => lost,
        }
    }
}

impl fmt::Debug for CopyRowWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyRowWriter").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Writes a row behind those that were written before; the first one chooses the format.
#[inline]
fn encode<P: Params>(link: &mut Link<'_>, rows: &mut Rows, row: &P) -> Result<()> {
    let buffer = match link {
        Link::Copying(copy) => copy.buffer(),
        Link::Waiting(_, buffer) => buffer,
        Link::Lost => return Err(lost()),
    };
    if let Rows::Undecided(columns, codecs, format) = rows {
        let format = format.unwrap_or_else(|| Encoder::suits(columns, codecs, row));
        let encoder = Encoder::new(std::mem::take(columns), codecs.clone(), format);
        encoder.head(buffer);
        *rows = Rows::Encoded(encoder);
    }
    match rows {
        Rows::Encoded(encoder) => encoder.row(row, buffer),
        Rows::Undecided(..) => Err(lost()),
    }
}

#[cold]
fn lost() -> Error {
    Error::new(ErrorKind::Closed, "the COPY could not begin, or its beginning was dropped")
}

/// The columns' names, and where rows of the type that was seen last have their arguments.
struct Names {
    columns: Box<[(Box<str>, Option<usize>)]>,
    /// What the places are of: one list, one type's fields.
    places: &'static [&'static str],
    /// The columns are the places, one by one.
    alike: bool,
}

impl Names {
    fn new(columns: &[Column]) -> Self {
        let columns = columns.iter().map(|column| (column.name().into(), None)).collect();
        Self { columns, places: &[], alike: false }
    }

    #[inline]
    fn look_up(&mut self, places: &'static [&'static str]) {
        if !std::ptr::eq(self.places, places) {
            self.places = places;
            for (name, place) in &mut self.columns {
                *place = places.iter().position(|known| **known == **name);
            }
            let in_order =
                |(index, (_, place)): (usize, &(Box<str>, Option<usize>))| *place == Some(index);
            self.alike =
                self.columns.len() == places.len() && self.columns.iter().enumerate().all(in_order);
        }
    }
}

/// The arguments of a row, by the columns' names.
struct Named<'a, T> {
    row: &'a T,
    names: &'a Names,
}

impl<T: ToParams> Params for Named<'_, T> {
    fn count(&self) -> usize {
        self.names.columns.len()
    }

    // Part of whoever has the sink, so that its kind is known here as it is for tuples.
    #[inline(always)]
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        if self.names.alike && self.row.bind_all(sink)? {
            return Ok(());
        }
        for (name, place) in &self.names.columns {
            if let Some(place) = *place
                && self.row.bind_at(place, sink)?
            {
                continue;
            }
            match self.row.param(name) {
                Some(argument) => argument.bind(sink)?,
                None => return Err(no_argument()),
            }
        }
        Ok(())
    }
}

#[cold]
fn no_argument() -> Error {
    Error::new(ErrorKind::ArgumentMismatch, "the row has no argument of the column's name")
}
