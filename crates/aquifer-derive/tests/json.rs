//! `#[aquifer(json)]`, on fields and on types.

extern crate aquifer_driver as aquifer;

mod support;

use aquifer_derive::{FromRow, FromValue, ToParams, ToValue};
use aquifer_driver::{ToParams as _, Value};
use serde::{Deserialize, Serialize};
use support::Put::Null;
use support::{argument, bound, cell, read, refusal};

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
struct Limits {
    low: f64,
    high: Option<f64>,
}

#[derive(FromRow, ToParams, Debug, PartialEq)]
struct Alarm {
    id: i64,
    #[aquifer(json)]
    limits: Limits,
    #[aquifer(json)]
    notes: Option<Vec<String>>,
    #[aquifer(json, default)]
    tags: Vec<String>,
}

const LIMITS: Limits = Limits { low: 0.5, high: None };

#[test]
fn a_json_field_is_a_document() {
    let batch = row! {
        "id" => 1, "limits" => r#"{"low":0.5,"high":null}"#, "notes" => r#"["a"]"#,
        "tags" => r#"["b"]"#,
    };
    let wanted =
        Alarm { id: 1, limits: LIMITS, notes: Some(vec!["a".into()]), tags: vec!["b".into()] };
    assert_eq!(read::<Alarm>(&batch), wanted);
    assert_eq!(argument(&wanted, "limits"), Some(Value::Json(r#"{"low":0.5,"high":null}"#.into())));
    assert_eq!(argument(&wanted, "notes"), Some(Value::Json(r#"["a"]"#.into())));
}

#[test]
fn an_option_is_none_for_null_and_for_the_document_null() {
    for notes in [Null, "null".into()] {
        let batch = row! { "id" => 1, "limits" => r#"{"low":0.5}"#, "notes" => notes };
        let alarm = read::<Alarm>(&batch);
        assert_eq!((alarm.notes.as_ref(), alarm.tags.len()), (None, 0));
        assert_eq!(argument(&alarm, "notes"), Some(Value::Null));
        assert!(alarm.param("note").is_none());
    }
}

#[test]
fn a_document_of_another_shape_names_the_column() {
    let batch = row! { "id" => 1, "limits" => "[", "notes" => Null };
    assert!(refusal::<Alarm>(&batch).starts_with("column 1 \"limits\": cannot read text as Json<"));
    let batch = row! { "id" => 1, "limits" => Null, "notes" => Null };
    assert!(refusal::<Alarm>(&batch).starts_with("column 1 \"limits\": cannot read NULL as Json<"));
}

#[test]
fn a_json_type_is_a_document_whatever_its_shape() {
    #[derive(FromValue, ToValue, Serialize, Deserialize, Debug, PartialEq)]
    #[aquifer(json)]
    enum Shape<T> {
        Circle { radius: T },
        Point,
    }
    assert_eq!(
        cell::<Shape<f64>>(&row! { "s" => r#"{"Circle":{"radius":1.5}}"# }),
        Shape::Circle { radius: 1.5 }
    );
    assert_eq!(bound(&Shape::<f64>::Point), Value::Json(r#""Point""#.into()));
}

#[test]
fn a_json_field_may_be_generic_or_borrow_from_the_row() {
    #[derive(FromRow, ToParams)]
    struct Document<T> {
        #[aquifer(json)]
        body: T,
        #[aquifer(json)]
        old: Option<T>,
    }
    let batch = row! { "body" => r#"{"low":0.5}"#, "old" => Null };
    let document = read::<Document<Limits>>(&batch);
    assert_eq!((&document.body, document.old.is_none()), (&LIMITS, true));
    assert_eq!(argument(&document, "old"), Some(Value::Null));

    #[derive(FromRow)]
    struct View<'r> {
        #[aquifer(json)]
        words: Vec<&'r str>,
    }
    assert_eq!(read::<View<'_>>(&row! { "words" => r#"["a","b"]"# }).words, ["a", "b"]);
}
