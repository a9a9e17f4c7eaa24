//! Values of expressions.

use std::cmp::Ordering;

use aquifer_driver::{Error, ErrorKind, Result, Value};

use super::kind::Kind;
use super::statement::{Aggregate, ColumnDef, Expr, Op};

/// What an expression is evaluated over.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) columns: &'a [ColumnDef],
    pub(super) params: &'a [Value],
}

/// An error for a table, column or other thing that does not exist.
pub(super) fn undefined(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::UndefinedObject, format!("no such {what}: {name}"))
        .with_code("FAKE_UNDEFINED")
        .with_sqlstate("42P01")
}

impl Scope<'_> {
    /// The position of a column.
    pub(super) fn position(&self, name: &str) -> Result<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| undefined("column", name).with_column(name))
    }

    /// Checks that all columns of an expression exist, before any row is looked at.
    pub(super) fn check(&self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Literal(_) | Expr::Param(_) => Ok(()),
            Expr::Column(name) => self.position(name).map(|_| ()),
            Expr::Binary(_, left, right) => {
                self.check(left)?;
                self.check(right)
            }
            Expr::Not(inner) | Expr::IsNull(inner) => self.check(inner),
            Expr::In(inner, list) => {
                self.check(inner)?;
                list.iter().try_for_each(|item| self.check(item))
            }
            Expr::Aggregate(_, inner) => inner.as_ref().map_or(Ok(()), |inner| self.check(inner)),
        }
    }

    /// The type of an expression's values, as far as it can be told without rows.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::Literal(value) => Kind::of_value(value),
            Expr::Param(index) => self.params.get(*index).map_or(Kind::Any, Kind::of_value),
            Expr::Column(name) => self
                .position(name)
                .map_or(Kind::Any, |index| Kind::of_type(&self.columns[index].type_name)),
            Expr::Binary(Op::Concat, ..) => Kind::Text,
            Expr::Binary(Op::Add | Op::Sub | Op::Mul | Op::Div, left, right) => {
                match (self.kind(left), self.kind(right)) {
                    (Kind::Float, _) | (_, Kind::Float) => Kind::Float,
                    _ => Kind::Int,
                }
            }
            Expr::Binary(..) | Expr::Not(_) | Expr::IsNull(_) | Expr::In(..) => Kind::Bool,
            Expr::Aggregate(Aggregate::Count, _) | Expr::Aggregate(_, None) => Kind::Int,
            Expr::Aggregate(_, Some(inner)) => match self.kind(inner) {
                Kind::Int4 => Kind::Int,
                kind => kind,
            },
        }
    }

    /// The value of an expression over one row.
    pub(super) fn value(&self, expr: &Expr, row: &[Value]) -> Result<Value> {
        Ok(match expr {
            Expr::Literal(value) => value.clone(),
            Expr::Param(index) => self.params.get(*index).cloned().unwrap_or_default(),
            Expr::Column(name) => row.get(self.position(name)?).cloned().unwrap_or_default(),
            Expr::Not(inner) => match self.value(inner, row)? {
                Value::Null => Value::Null,
                value => Value::Bool(!truth(&value)),
            },
            Expr::IsNull(inner) => Value::Bool(self.value(inner, row)?.is_null()),
            Expr::In(inner, list) => {
                let wanted = self.value(inner, row)?;
                let mut found = false;
                for item in list {
                    found |= compare(&wanted, &self.value(item, row)?) == Some(Ordering::Equal);
                }
                Value::Bool(found)
            }
            Expr::Binary(op, left, right) => {
                binary(*op, self.value(left, row)?, self.value(right, row)?)?
            }
            Expr::Aggregate(..) => {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    "an aggregate may stand only in the list of a SELECT",
                ));
            }
        })
    }

    /// Whether a row passes a filter.
    pub(super) fn passes(&self, filter: Option<&Expr>, row: &[Value]) -> Result<bool> {
        filter.map_or(Ok(true), |filter| Ok(truth(&self.value(filter, row)?)))
    }

    /// The value of an expression with aggregates over all rows of a result.
    pub(super) fn aggregate<R: AsRef<[Value]>>(&self, expr: &Expr, rows: &[R]) -> Result<Value> {
        match expr {
            Expr::Aggregate(Aggregate::Count, None) => Ok(Value::Int(rows.len() as i64)),
            Expr::Aggregate(function, inner) => {
                let mut found = Vec::new();
                for row in rows {
                    let value = match inner {
                        Some(inner) => self.value(inner, row.as_ref())?,
                        None => Value::Int(1),
                    };
                    if !value.is_null() {
                        found.push(value);
                    }
                }
                fold(*function, found)
            }
            Expr::Binary(op, left, right) => {
                binary(*op, self.aggregate(left, rows)?, self.aggregate(right, rows)?)
            }
            other => match rows.first() {
                Some(row) => self.value(other, row.as_ref()),
                None => self.value(other, &[]),
            },
        }
    }
}

fn fold(function: Aggregate, values: Vec<Value>) -> Result<Value> {
    if function == Aggregate::Count {
        return Ok(Value::Int(values.len() as i64));
    }
    let mut values = values.into_iter();
    let Some(mut folded) = values.next() else { return Ok(Value::Null) };
    for value in values {
        folded = match (function, compare(&value, &folded)) {
            (Aggregate::Max, Some(Ordering::Greater)) | (Aggregate::Min, Some(Ordering::Less)) => {
                value
            }
            (Aggregate::Sum, _) => binary(Op::Add, folded, value)?,
            _ => folded,
        };
    }
    Ok(folded)
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(v) => *v,
        Value::Int(v) => *v != 0,
        Value::Float(v) => *v != 0.0,
        _ => false,
    }
}

/// The order of two values; none if either is NULL or they are of kinds that do not compare.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Int(b)) => Some(i64::from(*a).cmp(b)),
        (Value::Int(a), Value::Bool(b)) => Some(a.cmp(&i64::from(*b))),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::UInt(a), Value::UInt(b)) => Some(a.cmp(b)),
        (Value::Int(_), Value::UInt(_)) => Some(Ordering::Less),
        (Value::UInt(_), Value::Int(_)) => Some(Ordering::Greater),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => (*a as f64).partial_cmp(b),
        (Value::Float(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Text(a), Value::Text(b))
        | (Value::Decimal(a), Value::Decimal(b))
        | (Value::Json(a), Value::Json(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Uuid(a), Value::Uuid(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b))
        | (Value::TimestampTz(a), Value::TimestampTz(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn data(message: &'static str) -> Error {
    Error::new(ErrorKind::Data, message).with_code("FAKE_DATA").with_sqlstate("22000")
}

fn binary(op: Op, left: Value, right: Value) -> Result<Value> {
    match op {
        Op::And => return Ok(Value::Bool(truth(&left) && truth(&right))),
        Op::Or => return Ok(Value::Bool(truth(&left) || truth(&right))),
        _ => {}
    }
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let order = || compare(&left, &right);
    let is = |test: fn(Ordering) -> bool| order().map_or(Value::Null, |o| Value::Bool(test(o)));
    match op {
        Op::Eq => Ok(is(Ordering::is_eq)),
        Op::Ne => Ok(is(Ordering::is_ne)),
        Op::Lt => Ok(is(Ordering::is_lt)),
        Op::Le => Ok(is(Ordering::is_le)),
        Op::Gt => Ok(is(Ordering::is_gt)),
        Op::Ge => Ok(is(Ordering::is_ge)),
        Op::Concat => match (left, right) {
            (Value::Text(a), Value::Text(b)) => Ok(Value::Text(a + &b)),
            _ => Err(data("only text can be joined")),
        },
        Op::Add | Op::Sub | Op::Mul | Op::Div => arithmetic(op, &left, &right),
        Op::And | Op::Or => Ok(Value::Null),
    }
}

fn arithmetic(op: Op, left: &Value, right: &Value) -> Result<Value> {
    let (a, b) = match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            let done = match op {
                Op::Add => a.checked_add(*b),
                Op::Sub => a.checked_sub(*b),
                Op::Mul => a.checked_mul(*b),
                _ => a.checked_div(*b),
            };
            return done.map(Value::Int).ok_or_else(|| data("out of range or divided by zero"));
        }
        (Value::Float(a), Value::Float(b)) => (*a, *b),
        (Value::Int(a), Value::Float(b)) => (*a as f64, *b),
        (Value::Float(a), Value::Int(b)) => (*a, *b as f64),
        _ => return Err(data("only numbers can be added, subtracted, multiplied or divided")),
    };
    Ok(Value::Float(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        _ => a / b,
    }))
}
