use std::fmt;

use super::by_its_text;

/// A `point`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// The first coordinate.
    pub x: f64,
    /// The second coordinate.
    pub y: f64,
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let (x, y) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        Some(Self { x: x.parse().ok()?, y: y.parse().ok()? })
    }
}

/// As PostgreSQL writes it: `(1.5,-2)`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?},{:?})", self.x, self.y)
    }
}

by_its_text!(Point);
