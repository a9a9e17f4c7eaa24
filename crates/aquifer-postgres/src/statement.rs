//! Prepared statements: what the server told of one.

use std::sync::{Arc, OnceLock};

use aquifer_driver::{Column, Columns, Description, Parameter, Result};
use aquifer_net::ByText;

use crate::pooler::Drops;
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
    pub(crate) drops: Drops,
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
            drops: Drops::of(&text),
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
            simple.then(|| {
                let plain = self.codecs.is_empty();
                Flight::new(&self.name, &self.parameters, &self.formats, plain)
            })
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

impl ByText for Statement {
    #[inline]
    fn text(&self) -> &Arc<str> {
        &self.text
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
