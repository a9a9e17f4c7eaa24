//! The `rust_decimal` crate: 96 bits, and at most 28 digits behind the point.

use rust_decimal::Decimal;

use crate::{Cell, ConversionError, FromValue, ParamSink, Result, ToValue, ValueRef, notation};

const NAME: &str = "rust_decimal::Decimal";
const TOO_LONG: &str = "it has more digits than the type holds";

/// Reads decimals, integers, and text in plain notation. More digits than the type holds are an error,
/// never rounded; so are `NaN` and the infinities. Floating-point numbers are refused: 0.1 is not one.
impl FromValue<'_> for Decimal {
    fn from_cell(cell: Cell<'_>) -> Result<Self, ConversionError> {
        let value = cell.value()?;
        match value {
            ValueRef::Int(v) => Ok(v.into()),
            ValueRef::UInt(v) => Ok(v.into()),
            ValueRef::Decimal(text) | ValueRef::Text(text) => {
                if matches!(text, "NaN" | "Infinity" | "-Infinity") {
                    return Err(ConversionError::value(NAME, &value, "it is not finite"));
                }
                if !notation::is_decimal(text) {
                    let reason = "it is not a number in plain notation";
                    return Err(ConversionError::value(NAME, &value, reason));
                }
                Self::from_str_exact(text)
                    .map_err(|_| ConversionError::value(NAME, &value, TOO_LONG))
            }
            ValueRef::Float(_) => Err(ConversionError::kind(NAME, &value).with_hint(
                "a floating-point number is not exact: keep decimals in a TEXT column, or read f64",
            )),
            _ => Err(ConversionError::kind(NAME, &value)),
        }
    }
}

/// Binds a decimal; its scale is kept.
impl ToValue for Decimal {
    fn bind(&self, sink: &mut dyn ParamSink) -> Result<()> {
        sink.put(ValueRef::Decimal(&self.to_string()))
    }
}
