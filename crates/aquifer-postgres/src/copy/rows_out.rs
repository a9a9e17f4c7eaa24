//! [`CopyOutRows`]: rows out of a table or query.

use std::fmt;
use std::sync::Arc;

use aquifer_driver::{Columns, Error, ErrorKind, FromRow, Result, RowBatch};

use super::decode::Decoder;
use super::{CopyFormat, CopyOut, describe};
use crate::connection::PostgresConnection;
use crate::types::Format;

impl PostgresConnection {
    /// The rows of a query, by COPY: for results so large that the least work per row counts.
    ///
    /// The query is a `SELECT`, `VALUES`, or a change with `RETURNING`, without parameters. Its columns' types
    /// are asked for first, which is a round trip more; the rows then come in binary if all of the types have a
    /// binary form that is known here, and as text otherwise.
    ///
    /// ```no_run
    /// # async fn f(connection: &mut aquifer_postgres::PostgresConnection) -> aquifer_driver::Result<()> {
    /// let mut rows = connection.copy_out_rows("SELECT name, km FROM rivers").await?;
    /// while let Some((name, km)) = rows.try_next::<(String, f64)>().await? {
    ///     println!("{name}: {km} km");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server's, or [`ArgumentMismatch`](ErrorKind::ArgumentMismatch) if the query has parameters.
    pub async fn copy_out_rows(&mut self, query: &str) -> Result<CopyOutRows<'_>> {
        self.read_off().await?;
        let query = query.trim_end().trim_end_matches(';');
        let described = describe(self, query).await?;
        if !described.parameters.is_empty() {
            return Err(Error::new(
                ErrorKind::ArgumentMismatch,
                "the query of a COPY has parameters, which COPY cannot take",
            )
            .with_hint("run it as an ordinary query"));
        }
        let (format, shape) = described.uniform();
        let format = match format {
            Format::Binary => CopyFormat::Binary,
            Format::Text => CopyFormat::Text,
        };
        // On a line of its own: the query may end with a comment.
        let sql = format!("COPY ({query}\n) TO STDOUT (FORMAT {})", format.word());
        let copy = self.copy_out(&sql).await?;
        if copy.is_binary() != (format == CopyFormat::Binary) {
            return Err(Error::new(
                ErrorKind::Conversion,
                "the server sends the data of a COPY in another format than it was asked for",
            ));
        }
        let decoder = Decoder::new(Arc::new(shape), format);
        Ok(CopyOutRows { copy, decoder, batch: RowBatch::new(), row: 0, failed: false })
    }
}

/// Rows from a COPY; made by [`PostgresConnection::copy_out_rows`].
///
/// No more is read than what was asked for and what the network's buffers hold. As with [`CopyOut`], the
/// rest of a reader that is dropped is left to whoever uses the connection next.
#[must_use = "dropping it gives the COPY up"]
pub struct CopyOutRows<'c> {
    copy: CopyOut<'c>,
    decoder: Decoder,
    batch: RowBatch,
    /// The row of the batch that comes next.
    row: usize,
    /// The data could not be read, so where the next row begins is not known.
    failed: bool,
}

impl CopyOutRows<'_> {
    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &Arc<Columns> {
        self.decoder.columns()
    }

    /// The next rows, some 64 KiB of them; what [`try_next`](Self::try_next) has not given of the last ones
    /// is passed over. `None` at the end. If the future is dropped, nothing is lost.
    ///
    /// # Errors
    ///
    /// The server's, or that a value cannot be read. It is the end.
    pub async fn try_next_batch(&mut self) -> Result<Option<&RowBatch>> {
        if self.failed {
            return Err(Error::new(ErrorKind::Closed, "the COPY is over, by an earlier error"));
        }
        loop {
            let data = match self.decoder.has_more() {
                true => Some(&[][..]),
                false => self.copy.try_next().await?,
            };
            let Some(data) = data else { break };
            self.row = 0;
            let fed = self.decoder.feed(data, &mut self.batch);
            self.failed = fed.is_err();
            fed?;
            if !self.batch.is_empty() {
                return Ok(Some(&self.batch));
            }
        }
        self.batch.clear();
        let ended = self.decoder.end();
        self.failed = ended.is_err();
        ended?;
        Ok(None)
    }

    /// The next row as a tuple, a struct or a scalar; `None` at the end. If the future is dropped, nothing is
    /// lost.
    ///
    /// # Errors
    ///
    /// The server's, or that the row does not convert; then the next row can still be asked for.
    pub async fn try_next<T>(&mut self) -> Result<Option<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        if self.row >= self.batch.len() && self.try_next_batch().await?.is_none() {
            return Ok(None);
        }
        let row = self.row;
        self.row += 1;
        self.batch.row(row).map(|row| row.scan()).transpose()
    }

    /// All rows that are left.
    ///
    /// # Errors
    ///
    /// As [`try_next`](Self::try_next); the first one is the end.
    pub async fn collect<T>(mut self) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r>,
    {
        let mut rows = Vec::new();
        while let Some(row) = self.try_next().await? {
            rows.push(row);
        }
        Ok(rows)
    }
}

impl fmt::Debug for CopyOutRows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyOutRows").field("copy", &self.copy).finish_non_exhaustive()
    }
}
