//! Rows into Rust types: [`FromRow`], and the [`Plan`] that maps columns to fields once per result.

use std::ops::Deref;
use std::sync::OnceLock;

use crate::from_value::ConversionError;
use crate::{Columns, Error, ErrorKind, FromValue, Result, Row};

/// A type that a whole row becomes: a scalar (one column), a tuple (by position), or a struct with
/// `#[derive(FromRow)]` (by name).
///
/// A type is a row or a value, never both: whatever implements [`FromValue`] is a row of one column.
/// [`plan`](Self::plan) runs once per statement or result, [`from_row`](Self::from_row) once per row; both
/// must make the same calls in the same order, which depend on nothing but the columns. Most users
/// derive this trait.
pub trait FromRow<'r>: Sized {
    /// Says which columns the fields take, in the order in which `from_row` will take them.
    ///
    /// # Errors
    ///
    /// If a column is missing.
    fn plan(columns: &Columns, plan: &mut Plan) -> Result<()>;

    /// Reads one row.
    ///
    /// # Errors
    ///
    /// If a value does not convert.
    fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self>;
}

/// What to do with columns that no field takes, and fields that no column gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mapping {
    /// Both are errors.
    #[default]
    Strict,
    /// Columns that no field takes are ignored; a missing column is still an error unless the field
    /// has a default.
    Lax,
}

/// Which column each field takes; made once per result, used for every row.
#[derive(Debug)]
pub struct Plan {
    /// Column of each field in reading order, [`ABSENT`](Self::ABSENT) where there is none.
    fields: Indexes,
    /// Where in `fields` a group's length stands instead of a column.
    groups: Vec<usize>,
    /// Columns taken so far, one bit each for the first 64.
    taken: u64,
    /// Later columns taken so far, each once.
    taken_late: Vec<u16>,
    taken_count: usize,
    lax: bool,
    positional: bool,
    named: bool,
    prefixes: Vec<&'static str>,
}

/// Up to [`INLINE`] indexes without allocation.
#[derive(Debug)]
struct Indexes {
    inline: [u16; INLINE],
    len: usize,
    /// All of them, once they are more.
    many: Vec<u16>,
}

const INLINE: usize = 24;

impl Indexes {
    #[inline]
    fn push(&mut self, index: u16) {
        match self.inline.get_mut(self.len) {
            Some(place) => *place = index,
            None => {
                if self.many.is_empty() {
                    self.many.extend_from_slice(&self.inline);
                }
                self.many.push(index);
            }
        }
        self.len += 1;
    }

    #[inline]
    fn as_slice(&self) -> &[u16] {
        self.inline.get(..self.len).unwrap_or(&self.many)
    }

    fn set(&mut self, at: usize, index: u16) {
        let all = if self.len <= INLINE { &mut self.inline[..] } else { &mut self.many[..] };
        all[at] = index;
    }
}

impl Plan {
    const ABSENT: u16 = u16::MAX;
    const ABSENT_INDEX: usize = Self::ABSENT as usize;

    /// The strict plan of `T` over these columns.
    ///
    /// # Errors
    ///
    /// If a field has no column, or a column has no field.
    #[inline]
    pub fn of<'r, T: FromRow<'r>>(columns: &Columns) -> Result<Self> {
        Self::with_mapping::<T>(columns, Mapping::Strict)
    }

    /// The plan of `T` over these columns.
    ///
    /// # Errors
    ///
    /// If a field has no column; with [`Mapping::Strict`] also if a column has no field.
    #[inline]
    pub fn with_mapping<'r, T: FromRow<'r>>(columns: &Columns, mapping: Mapping) -> Result<Self> {
        if columns.len() >= usize::from(Self::ABSENT) {
            return Err(Error::new(ErrorKind::Column, "the result has more than 65 534 columns"));
        }
        let mut plan = Self {
            fields: Indexes { inline: [0; INLINE], len: 0, many: Vec::new() },
            groups: Vec::new(),
            taken: 0,
            taken_late: Vec::new(),
            taken_count: 0,
            lax: mapping == Mapping::Lax,
            positional: false,
            named: false,
            prefixes: Vec::new(),
        };
        T::plan(columns, &mut plan)?;
        if plan.positional && plan.named {
            return Err(mixed());
        }
        if plan.taken_count < columns.len() && !plan.lax {
            return Err(plan.leftover(columns));
        }
        Ok(plan)
    }

    /// Reads a row that has the columns this plan was made for.
    ///
    /// # Errors
    ///
    /// If a value does not convert.
    #[inline]
    pub fn read<'r, T: FromRow<'r>>(&self, row: Row<'r>) -> Result<T> {
        let indexes = self.fields.as_slice();
        T::from_row(row, &mut Fields { indexes, next: 0, groups: &self.groups })
    }

    /// From here on, columns that no field takes are ignored: `#[aquifer(lax)]`.
    pub fn lax(&mut self) {
        self.lax = true;
    }

    /// The next field takes the column of this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    #[inline]
    pub fn column(&mut self, columns: &Columns, name: &'static str) -> Result<()> {
        self.named = true;
        match self.find(columns, name) {
            Some(index) => {
                self.take(index);
                Ok(())
            }
            None => Err(missing(columns, &self.full_name(name))),
        }
    }

    /// The next field takes the column of this name, or none if there is none: `#[aquifer(default)]`.
    #[inline]
    pub fn optional_column(&mut self, columns: &Columns, name: &'static str) {
        self.named = true;
        match self.find(columns, name) {
            Some(index) => self.take(index),
            None => self.fields.push(Self::ABSENT),
        }
    }

    /// The next field takes the column at this position: tuples and scalars.
    ///
    /// # Errors
    ///
    /// If there are fewer columns.
    #[inline]
    pub fn position(&mut self, columns: &Columns, index: usize, width: usize) -> Result<()> {
        if self.named {
            return Err(mixed());
        }
        if index >= columns.len() || (!self.lax && width != columns.len()) {
            return Err(wrong_width(columns, width));
        }
        self.positional = true;
        self.take(index);
        Ok(())
    }

    /// Plans a nested struct whose columns all carry `prefix`: `#[aquifer(nested = "owner_")]`.
    ///
    /// The nested fields form a group, so that the reader can tell a missing one (all NULL, the outer
    /// side of a LEFT JOIN) from a present one.
    ///
    /// # Errors
    ///
    /// If a nested field has no column.
    pub fn nested<'r, T: FromRow<'r>>(
        &mut self,
        columns: &Columns,
        prefix: &'static str,
    ) -> Result<()> {
        let at = self.fields.len;
        self.named = true;
        self.groups.push(at);
        self.fields.push(0);
        self.prefixes.push(prefix);
        let planned = T::plan(columns, self);
        self.prefixes.pop();
        planned?;
        let len = self.fields.len - at - 1;
        self.fields.set(at, len.min(usize::from(u16::MAX)) as u16);
        Ok(())
    }

    #[inline]
    fn take(&mut self, index: usize) {
        if index < 64 {
            let bit = 1 << index;
            if self.taken & bit == 0 {
                self.taken |= bit;
                self.taken_count += 1;
            }
        } else if !self.taken_late.contains(&(index as u16)) {
            self.taken_late.push(index as u16);
            self.taken_count += 1;
        }
        self.fields.push(index as u16);
    }

    /// Results mostly have their columns in field order: the first look is at the next position.
    #[inline]
    fn find(&self, columns: &Columns, name: &str) -> Option<usize> {
        if self.prefixes.is_empty() {
            let next = self.taken_count;
            if columns.get(next).is_some_and(|column| &*column.name == name) {
                return Some(next);
            }
            return columns.position(name);
        }
        columns.iter().position(|column| {
            let mut rest = Some(&*column.name);
            for prefix in &self.prefixes {
                rest = rest.and_then(|rest| rest.strip_prefix(prefix));
            }
            rest == Some(name)
        })
    }

    fn full_name(&self, name: &str) -> String {
        let mut full = self.prefixes.concat();
        full.push_str(name);
        full
    }

    #[cold]
    fn leftover(&self, columns: &Columns) -> Error {
        if self.positional {
            return wrong_width(columns, self.fields.len);
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut extra: Vec<String> = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let taken = match index {
                0..64 => self.taken & (1 << index) != 0,
                _ => self.taken_late.contains(&(index as u16)),
            };
            if !taken {
                if seen.contains(&&*column.name) {
                    extra.push(format!("`{}` (a second column of that name)", column.name));
                } else {
                    extra.push(format!("`{}`", column.name));
                }
            }
            seen.push(&column.name);
        }
        Error::new(
            ErrorKind::Column,
            format!("no field takes the column{} {}", plural(extra.len()), extra.join(", ")),
        )
        .with_hint("select only what the type has, or mark the type `#[aquifer(lax)]`")
    }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cold]
pub(crate) fn missing(columns: &Columns, name: &str) -> Error {
    let error = if columns.is_empty() {
        Error::new(ErrorKind::Column, format!("no column `{name}`: the statement gives no columns"))
    } else {
        let names: Vec<_> = columns.names().take(32).map(|name| format!("`{name}`")).collect();
        let more = if columns.len() > 32 { ", …" } else { "" };
        Error::new(
            ErrorKind::Column,
            format!("no column `{name}`: the result has {}{more}", names.join(", ")),
        )
    };
    let error = error.with_column(name);
    match crate::suggest::nearest(name, columns.names()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error,
    }
}

#[cold]
fn mixed() -> Error {
    Error::new(ErrorKind::Column, "a part of the type is read by position, another by name")
        .with_hint("flatten and nest only structs that are read by name")
}

#[cold]
fn wrong_width(columns: &Columns, width: usize) -> Error {
    let got = columns.len();
    let names: Vec<_> = columns.names().take(16).collect();
    Error::new(
        ErrorKind::Column,
        format!(
            "expected {width} column{}, got {got}{}{}",
            plural(width),
            if got == 0 { "" } else { ": " },
            names.join(", ")
        ),
    )
}

/// A plan that columns keep, and for whom it was made.
#[derive(Debug)]
pub(crate) struct KeptPlan {
    /// Where `T::plan` is. Two types for which it is the same code have the same plan.
    planner: usize,
    mapping: Mapping,
    plan: Box<Plan>,
}

/// A [`Plan`] as [`Columns::plan`] gives it: the one that they keep, or one of its own.
#[derive(Debug)]
pub struct Planned<'c>(Whose<'c>);

#[derive(Debug)]
enum Whose<'c> {
    Columns(&'c Plan),
    Own(Box<Plan>),
}

impl<'c> Planned<'c> {
    #[inline]
    pub(crate) fn of<'r, T: FromRow<'r>>(
        columns: &Columns,
        kept: &'c [OnceLock<KeptPlan>],
        mapping: Mapping,
    ) -> Result<Self> {
        let planner = T::plan as fn(&Columns, &mut Plan) -> Result<()> as usize;
        for kept in kept {
            match kept.get() {
                Some(kept) if kept.planner == planner && kept.mapping == mapping => {
                    return Ok(Self(Whose::Columns(&kept.plan)));
                }
                Some(_) => {}
                None => break,
            }
        }
        Self::make::<T>(columns, kept, mapping, planner)
    }

    #[cold]
    fn make<'r, T: FromRow<'r>>(
        columns: &Columns,
        kept: &'c [OnceLock<KeptPlan>],
        mapping: Mapping,
        planner: usize,
    ) -> Result<Self> {
        let plan = Box::new(Plan::with_mapping::<T>(columns, mapping)?);
        let mut made = KeptPlan { planner, mapping, plan };
        for empty in kept {
            match empty.set(made) {
                Ok(()) => return Self::of::<T>(columns, kept, mapping),
                Err(refused) => made = refused,
            }
        }
        Ok(Self(Whose::Own(made.plan)))
    }
}

impl Deref for Planned<'_> {
    type Target = Plan;

    #[inline]
    fn deref(&self) -> &Plan {
        match &self.0 {
            Whose::Columns(plan) => plan,
            Whose::Own(plan) => plan,
        }
    }
}

/// The reading side of a [`Plan`]: hands each field its column.
#[derive(Debug)]
pub struct Fields<'p> {
    indexes: &'p [u16],
    next: usize,
    groups: &'p [usize],
}

impl Fields<'_> {
    /// The next field's value.
    ///
    /// # Errors
    ///
    /// If the value does not convert.
    // Always: with its cells in registers a row takes half the instructions.
    #[inline(always)]
    pub fn next<'r, T: FromValue<'r>>(&mut self, row: Row<'r>) -> Result<T> {
        // An absent column's number is beyond every row.
        let Some(cell) = self.step().and_then(|index| row.cell(index)) else {
            return Err(planned_otherwise());
        };
        match T::from_cell(cell) {
            Ok(value) => Ok(value),
            Err(error) => Err(self.misread(error, row)),
        }
    }

    /// The next field's value, or `None` if the result has no column for it.
    ///
    /// # Errors
    ///
    /// If the value does not convert.
    #[inline]
    pub fn next_optional<'r, T: FromValue<'r>>(&mut self, row: Row<'r>) -> Result<Option<T>> {
        match self.step() {
            Some(Plan::ABSENT_INDEX) | None => Ok(None),
            Some(index) => row.decode(index).map(Some),
        }
    }

    /// The next group, which must be there.
    ///
    /// # Errors
    ///
    /// If a value does not convert.
    pub fn nested<'r, T: FromRow<'r>>(&mut self, row: Row<'r>) -> Result<T> {
        self.next += 1;
        T::from_row(row, self)
    }

    /// The next group, or `None` if all its columns are NULL: the outer side of a LEFT JOIN.
    ///
    /// # Errors
    ///
    /// If a value does not convert.
    pub fn nested_optional<'r, T: FromRow<'r>>(&mut self, row: Row<'r>) -> Result<Option<T>> {
        let len = self.step().unwrap_or_default();
        let group = self.next..self.next + len;
        let absent = group.clone().all(|at| match self.indexes.get(at) {
            Some(&Plan::ABSENT) | None => true,
            Some(&index) => row.is_null(usize::from(index)) || self.groups.contains(&at),
        });
        if absent {
            self.next = group.end;
            Ok(None)
        } else {
            T::from_row(row, self).map(Some)
        }
    }

    #[inline(always)]
    fn step(&mut self) -> Option<usize> {
        let index = self.indexes.get(self.next)?;
        self.next += 1;
        Some(usize::from(*index))
    }

    /// The error of the last field, with its place.
    #[cold]
    fn misread(&self, error: ConversionError, row: Row<'_>) -> Error {
        let index = self.indexes.get(self.next.wrapping_sub(1)).copied().map_or(0, usize::from);
        row.misread(error, index)
    }
}

#[cold]
fn planned_otherwise() -> Error {
    Error::new(ErrorKind::Column, "the type reads a column that its plan did not name").with_hint(
        "`FromRow::plan` and `FromRow::from_row` must name the same fields in the same order",
    )
}

impl<'r, T: FromValue<'r>> FromRow<'r> for T {
    #[inline]
    fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
        plan.position(columns, 0, 1)
    }

    #[inline]
    fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
        fields.next(row)
    }
}

macro_rules! tuple_rows {
    ($(($len:literal: $($name:ident $index:literal),*))*) => {$(
        impl<'r, $($name: FromValue<'r>),*> FromRow<'r> for ($($name,)*) {
            #[inline]
            fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
                $(plan.position(columns, $index, $len)?;)*
                Ok(())
            }

            #[inline]
            fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
                Ok(($(fields.next::<$name>(row)?,)*))
            }
        }
    )*};
}
tuple_rows! {
    (1: A 0)
    (2: A 0, B 1)
    (3: A 0, B 1, C 2)
    (4: A 0, B 1, C 2, D 3)
    (5: A 0, B 1, C 2, D 3, E 4)
    (6: A 0, B 1, C 2, D 3, E 4, F 5)
    (7: A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
    (13: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12)
    (14: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13)
    (15: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14)
    (16: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Encoding, Mapping, RowBatch};

    /// As many fields as a plan keeps in itself, and one more.
    struct Wide([i64; INLINE + 1]);

    impl<'r> FromRow<'r> for Wide {
        fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
            (0..=INLINE).try_for_each(|_| plan.column(columns, "n"))
        }

        fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
            let mut all = [0; INLINE + 1];
            all.iter_mut().try_for_each(|field| fields.next(row).map(|value| *field = value))?;
            Ok(Self(all))
        }
    }

    struct Nested {
        wide: Wide,
        group: Option<Pair>,
        absent: Option<i64>,
        last: i64,
    }

    struct Pair(Option<i64>, Option<i64>);

    impl<'r> FromRow<'r> for Pair {
        fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
            plan.column(columns, "a")?;
            plan.column(columns, "b")
        }

        fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
            Ok(Self(fields.next(row)?, fields.next(row)?))
        }
    }

    impl<'r> FromRow<'r> for Nested {
        fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
            Wide::plan(columns, plan)?;
            plan.nested::<Pair>(columns, "p_")?;
            plan.optional_column(columns, "nowhere");
            plan.column(columns, "n")
        }

        fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
            Ok(Self {
                wide: Wide::from_row(row, fields)?,
                group: fields.nested_optional(row)?,
                absent: fields.next_optional(row)?,
                last: fields.next(row)?,
            })
        }
    }

    #[test]
    fn a_group_is_found_behind_more_fields_than_a_plan_keeps_in_itself() {
        let columns = ["n", "p_a", "p_b"].map(|name| Column::new(name, Encoding::I64Be));
        let mut batch = RowBatch::new();
        batch.set_columns(&std::sync::Arc::new(Columns::new(columns)));
        for group in [None, Some(8_i64)] {
            batch.push_bytes(&7_i64.to_be_bytes()).unwrap();
            batch.push_null();
            match group {
                Some(value) => batch.push_bytes(&value.to_be_bytes()).unwrap(),
                None => batch.push_null(),
            }
            batch.end_row();
        }
        let plan = batch.columns().plan::<Nested>(Mapping::Strict).unwrap();
        let read = |index| plan.read::<Nested>(batch.row(index).unwrap()).unwrap();
        let (without, with) = (read(0), read(1));
        assert!(without.group.is_none());
        assert!(matches!(with.group, Some(Pair(None, Some(8)))));
        for row in [without, with] {
            assert_eq!((row.wide.0, row.absent, row.last), ([7; INLINE + 1], None, 7));
        }
    }

    #[test]
    fn a_type_that_reads_another_column_than_it_planned_is_told_so() {
        struct Careless;
        impl<'r> FromRow<'r> for Careless {
            fn plan(columns: &Columns, plan: &mut Plan) -> Result<()> {
                plan.column(columns, "n")?;
                plan.optional_column(columns, "nowhere");
                Ok(())
            }

            fn from_row(row: Row<'r>, fields: &mut Fields<'_>) -> Result<Self> {
                fields.next::<i64>(row)?;
                let absent = fields.next::<i64>(row).unwrap_err();
                let beyond = fields.next::<i64>(row).unwrap_err();
                assert_eq!(absent.to_string(), beyond.to_string());
                Err(beyond)
            }
        }
        let mut batch = RowBatch::new();
        let columns = Columns::new([Column::new("n", Encoding::I64Be)]);
        batch.set_columns(&std::sync::Arc::new(columns));
        batch.push_bytes(&7_i64.to_be_bytes()).unwrap();
        batch.end_row();
        let error = batch.row(0).unwrap().scan::<Careless>().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("did not name"), "{error}");
    }
}
