//! Prepared statements: what the server told of one, and the bounded LRU that one connection keeps.

use std::sync::{Arc, OnceLock};

use aquifer_driver::{Column, Columns, Description, Parameter, Result};
use foldhash::fast::RandomState;
use hashlink::LruCache;

use crate::protocol::backend::Field;
use crate::protocol::flight::Flight;
use crate::session_change;
use crate::types::{self, Codecs, Format, Oid, Transcode};

/// How the cells of one result lie on the wire, and what they become.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Arc<Columns>,
    pub(crate) cells: Box<[CellShape]>,
    /// Who reads the cells of types that are not built in.
    pub(crate) codecs: Codecs,
    /// No cell has to be moved: all are read where they lie.
    pub(crate) plain: bool,
}

/// How one column's cells lie on the wire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellShape {
    /// Leading bytes that are not part of the value.
    pub(crate) skip: u8,
    pub(crate) transcode: Option<Transcode>,
}

impl Shape {
    fn new(fields: &[Field], codecs: &Codecs, format: impl Fn(&Field) -> Format) -> Self {
        let mut columns = Vec::with_capacity(fields.len());
        let mut cells = Vec::with_capacity(fields.len());
        for field in fields {
            if let Some((user, encoding, name)) = codecs.column(field.oid, format(field)) {
                let column = Column::new(field.name.clone(), encoding);
                columns.push(column.with_type_name(name).with_type_id(field.oid));
                cells.push(CellShape { skip: 0, transcode: Some(Transcode::User(user)) });
                continue;
            }
            let read = types::column(field.oid, field.modifier, format(field));
            let column = Column::new(field.name.clone(), read.encoding)
                .with_type_name(types::name(field.oid))
                .with_type_id(field.oid);
            columns.push(with_modifier(column, field.oid, field.modifier));
            cells.push(CellShape { skip: read.skip, transcode: read.transcode });
        }
        let plain = cells.iter().all(|cell| cell.skip == 0 && cell.transcode.is_none());
        let columns = Arc::new(Columns::new(columns));
        Self { columns, cells: cells.into(), codecs: codecs.clone(), plain }
    }

    /// As the fields themselves say: for results that were described together with their formats.
    pub(crate) fn as_described(fields: &[Field], codecs: &Codecs) -> Self {
        Self::new(
            fields,
            codecs,
            |field| if field.format == 1 { Format::Binary } else { Format::Text },
        )
    }

    /// Every cell as text: the simple protocol, and the first use of a statement.
    pub(crate) fn text(fields: &[Field], codecs: &Codecs) -> Self {
        Self::new(fields, codecs, |_| Format::Text)
    }
}

/// True for `COPY ... FROM STDIN` and `TO STDOUT`. A file's name with such a word in it counts too.
pub(crate) fn copies(sql: &str) -> bool {
    let sql = skip_comments(sql).as_bytes();
    let is_copy = sql.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"COPY"));
    is_copy
        && [&b"STDIN"[..], b"STDOUT"]
            .iter()
            .any(|end| sql.windows(end.len()).any(|window| window.eq_ignore_ascii_case(end)))
}

/// The text from its first word on.
fn skip_comments(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        if let Some(line) = sql.strip_prefix("--") {
            sql = line.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(inside) = sql.strip_prefix("/*") {
            let mut depth = 1;
            let mut at = 0;
            while depth > 0 && at < inside.len() {
                let rest = &inside.as_bytes()[at..];
                depth += i32::from(rest.starts_with(b"/*")) - i32::from(rest.starts_with(b"*/"));
                at += if rest.starts_with(b"/*") || rest.starts_with(b"*/") { 2 } else { 1 };
            }
            sql = inside.get(at..).unwrap_or("");
        } else {
            return sql;
        }
    }
}

/// What a type's modifier says: a length for `varchar(n)` and `char(n)`, precision and scale for `numeric`.
fn with_modifier(column: Column, oid: Oid, modifier: i32) -> Column {
    /// The modifier counts a header of four bytes along.
    const HEADER: i32 = 4;
    let Ok(value) = u32::try_from(modifier.saturating_sub(HEADER)) else { return column };
    match oid {
        1042 | 1043 => column.with_length(value.into()),
        1560 | 1562 => column.with_length((value as u64) + HEADER as u64),
        // The scale has eleven bits, signed, since PostgreSQL 15.
        1700 => {
            let scale = ((value & 0x7ff) ^ 1024) as i16 - 1024;
            column.with_precision_scale((value >> 16) as u16, scale)
        }
        _ => column,
    }
}

/// A statement that the server keeps, or whose types are known.
#[derive(Debug)]
pub(crate) struct Statement {
    /// The server's name for it; empty if it is parsed anew at each use.
    pub(crate) name: Box<str>,
    pub(crate) text: Arc<str>,
    pub(crate) parameters: Box<[Oid]>,
    /// The types that the arguments of the first use declared themselves; empty if none did.
    pub(crate) declared: Box<[Oid]>,
    pub(crate) fields: Box<[Field]>,
    /// Running it may leave the session different.
    pub(crate) changes_session: bool,
    /// Running it makes data go to the server or come from it.
    pub(crate) copies: bool,
    /// The formats that are asked for from the second use on.
    pub(crate) formats: Box<[Format]>,
    codecs: Codecs,
    binary: OnceLock<Arc<Shape>>,
    /// What is sent each time it is run alone.
    flight: OnceLock<Option<Flight>>,
}

impl Statement {
    pub(crate) fn new(
        name: Box<str>,
        text: Arc<str>,
        parameters: Box<[Oid]>,
        declared: Box<[Oid]>,
        fields: Vec<Field>,
        codecs: &Codecs,
    ) -> Self {
        let mut formats: Vec<Format> =
            fields.iter().map(|field| format_of(field.oid, codecs)).collect();
        // One code stands for all columns, and none for text: shorter to send.
        if formats.iter().all(|format| *format == Format::Text) {
            formats.clear();
        } else if formats.iter().all(|format| *format == Format::Binary) {
            formats.truncate(1);
        }
        Self {
            changes_session: session_change::in_text(&text),
            copies: copies(&text),
            name,
            text,
            parameters,
            declared,
            formats: formats.into(),
            fields: fields.into(),
            codecs: codecs.clone(),
            binary: OnceLock::new(),
            flight: OnceLock::new(),
        }
    }

    /// How results lie from the second use on.
    #[inline]
    pub(crate) fn shape(&self) -> &Arc<Shape> {
        self.binary.get_or_init(|| {
            let format = |field: &Field| format_of(field.oid, &self.codecs);
            Arc::new(Shape::new(&self.fields, &self.codecs, format))
        })
    }

    /// What is sent each time it is run alone, if there is nothing more to it: it is kept by the server,
    /// leaves the session as it is, and its cells are read where they lie.
    #[inline]
    pub(crate) fn flight(&self) -> Option<&Flight> {
        let flight = self.flight.get_or_init(|| {
            let simple = !self.name.is_empty() && !self.changes_session && self.shape().plain;
            simple.then(|| Flight::new(&self.name, self.parameters.len(), &self.formats))
        });
        flight.as_ref()
    }

    /// The format of a COPY of these columns, which is the same for all: binary if it can be read for each of
    /// them. And how the cells lie then.
    pub(crate) fn uniform(&self) -> (Format, Shape) {
        let binary = |field: &Field| format_of(field.oid, &self.codecs) == Format::Binary;
        let format = if self.fields.iter().all(binary) { Format::Binary } else { Format::Text };
        (format, Shape::new(&self.fields, &self.codecs, |_| format))
    }

    /// Those who read and write types that are not built in.
    pub(crate) fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// True if another description names the same columns of the same types.
    pub(crate) fn has_fields(&self, fields: &[Field]) -> bool {
        self.fields.len() == fields.len()
            && self
                .fields
                .iter()
                .zip(fields)
                .all(|(a, b)| (&a.name, a.oid, a.modifier) == (&b.name, b.oid, b.modifier))
    }

    pub(crate) fn description(&self) -> Description {
        let parameters = self.parameters.iter().map(|oid| Parameter::new(None, types::name(*oid)));
        Description::new(parameters.collect(), Arc::clone(&self.shape().columns), None)
    }

    /// # Errors
    ///
    /// If the number of arguments is another than the statement's.
    #[inline]
    pub(crate) fn check_count(&self, given: usize) -> Result<()> {
        if given == self.parameters.len() { Ok(()) } else { Err(wrong_count(given, self)) }
    }
}

#[cold]
fn wrong_count(given: usize, statement: &Statement) -> aquifer_driver::Error {
    aquifer_driver::Error::new(
        aquifer_driver::ErrorKind::ArgumentMismatch,
        format!("the statement takes {} arguments, {given} were given", statement.parameters.len()),
    )
}

fn format_of(oid: Oid, codecs: &Codecs) -> Format {
    if types::binary_result(oid) || codecs.reads(oid) { Format::Binary } else { Format::Text }
}

/// The statements of one connection, by their full text.
#[derive(Debug)]
pub(crate) struct Cache {
    max: usize,
    statements: LruCache<Arc<str>, Arc<Statement>, RandomState>,
    /// The one found last: callers often run one text again and again.
    last: Option<Arc<Statement>>,
}

impl Cache {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            statements: LruCache::with_hasher(usize::MAX, RandomState::default()),
            last: None,
        }
    }

    /// How many statements it may hold.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn len(&self) -> usize {
        self.statements.len()
    }

    /// As [`find`](Self::find), of a statement that is [given back](Self::give_back) when it was used: that
    /// spares two atomic steps. Without that it is as well kept, and found a little later.
    #[inline]
    pub(crate) fn lend(&mut self, sql: &str) -> Option<Arc<Statement>> {
        self.last.take_if(|last| *last.text == *sql).or_else(|| self.statements.get(sql).cloned())
    }

    /// See [`lend`](Self::lend). Not for a statement that was removed meanwhile.
    #[inline]
    pub(crate) fn give_back(&mut self, lent: Arc<Statement>) {
        self.last = Some(lent);
    }

    /// The statement of this text; it becomes the most recently used.
    #[inline]
    pub(crate) fn find(&mut self, sql: &str) -> Option<Arc<Statement>> {
        if let Some(last) = &self.last
            && *last.text == *sql
        {
            return Some(Arc::clone(last));
        }
        let found = Arc::clone(self.statements.get(sql)?);
        self.last = Some(Arc::clone(&found));
        Some(found)
    }

    /// The statement of that text, which is not used by that.
    pub(crate) fn peek(&self, sql: &str) -> Option<&Arc<Statement>> {
        self.statements.peek(sql)
    }

    /// Takes out the least recently used statement if the cache is full, to make room for one more.
    pub(crate) fn make_room(&mut self) -> Option<Arc<Statement>> {
        if self.statements.len() < self.max {
            return None;
        }
        let (_, evicted) = self.statements.remove_lru()?;
        self.forget_last(&evicted);
        Some(evicted)
    }

    /// Keeps a statement; gives back those that are no longer kept: an older one of the same text, or
    /// the statement itself if nothing can be kept.
    pub(crate) fn insert(&mut self, statement: &Arc<Statement>) -> Option<Arc<Statement>> {
        if self.max == 0 {
            return Some(Arc::clone(statement));
        }
        // The newest was used last, whatever found others in between.
        self.last = Some(Arc::clone(statement));
        let replaced = self.statements.insert(Arc::clone(&statement.text), Arc::clone(statement));
        replaced.filter(|replaced| !Arc::ptr_eq(replaced, statement))
    }

    /// Forgets this very statement; false if it is not the one that is kept for its text.
    pub(crate) fn remove(&mut self, statement: &Arc<Statement>) -> bool {
        self.forget_last(statement);
        let kept = self.statements.peek(&*statement.text);
        if !kept.is_some_and(|kept| Arc::ptr_eq(kept, statement)) {
            return false;
        }
        self.statements.remove(&*statement.text);
        true
    }

    /// Forgets all: the server has dropped them.
    pub(crate) fn clear(&mut self) {
        self.statements.clear();
        self.last = None;
    }

    fn forget_last(&mut self, statement: &Arc<Statement>) {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, statement)) {
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Arc<Statement> {
        let codecs = Codecs::default();
        Arc::new(Statement::new(
            text.into(),
            text.into(),
            [].into(),
            [].into(),
            Vec::new(),
            &codecs,
        ))
    }

    #[test]
    fn the_least_recently_used_statement_leaves_a_full_cache() {
        let mut cache = Cache::new(2);
        for text in ["a", "b"] {
            assert!(cache.make_room().is_none());
            assert!(cache.insert(&statement(text)).is_none());
        }
        assert!(cache.find("a").is_some());
        assert_eq!(&*cache.make_room().unwrap().text, "b");
        cache.insert(&statement("c"));
        assert!(
            cache.find("b").is_none() && cache.find("a").is_some() && cache.find("c").is_some()
        );
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_statement_replaced_or_not_kept_is_given_back_to_be_closed() {
        let mut cache = Cache::new(1);
        let old = statement("a");
        cache.insert(&old);
        assert!(Arc::ptr_eq(&cache.insert(&statement("a")).unwrap(), &old));
        assert!(!cache.remove(&old), "another one is kept for the text");
        assert!(cache.find("a").is_some());
        assert!(Cache::new(0).insert(&old).is_some());
    }
}
