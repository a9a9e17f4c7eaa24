use std::ops::Bound::{Excluded, Included, Unbounded};

use aquifer_driver::{Cell, Date, Encoding, FromValue, ParamSink, Result, ToValue, ValueRef};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;

fn read<T: for<'a> FromValue<'a>>(text: &str) -> Option<T> {
    T::from_cell(Cell::new(Some(text.as_bytes()), Encoding::Text)).ok()
}

fn bound(value: &impl ToValue) -> String {
    struct Text(String);
    impl ParamSink for Text {
        fn put(&mut self, value: ValueRef<'_>) -> Result<()> {
            match value {
                ValueRef::Text(text) => self.0.push_str(text),
                other => panic!("{}", other.kind()),
            }
            Ok(())
        }
    }
    let mut text = Text(String::new());
    value.bind(&mut text).unwrap();
    text.0
}

#[test]
fn the_servers_texts_are_read() {
    assert_eq!(read("[1,5)"), Some(Range::from(1..5)));
    assert_eq!(read("empty"), Some(Range::<i32>::Empty));
    assert_eq!(read("(,)"), Some(Range::<i32>::Between(Unbounded, Unbounded)));
    assert_eq!(read("(,5]"), Some(Range::Between(Unbounded, Included(5i64))));
    assert_eq!(
        read("[\"a\"\"b\\\\c\",\"\")"),
        Some(Range::Between(Included("a\"b\\c".to_owned()), Excluded(String::new())))
    );
    assert_eq!(
        read("[2026-01-01,infinity)"),
        Some(Range::Between(Included(Date(20_454)), Excluded(Date(i32::MAX))))
    );
    assert_eq!(read("{[1,3),[5,)}"), Some(Multirange(vec![(1..3).into(), (5..).into()])));
    assert_eq!(read("{}"), Some(Multirange::<i32>(vec![])));
    let map = [("a", Some("1")), ("b\"", None)];
    let map = map.map(|(k, v)| (k.to_owned(), v.map(str::to_owned))).into_iter().collect();
    assert_eq!(read(r#""a"=>"1", "b\""=>NULL"#), Some(Hstore(map)));
    assert_eq!(read(""), Some(Hstore::default()));
    assert_eq!(read("192.168.0.1/24"), IpNet::new([192, 168, 0, 1].into(), 24));
    assert_eq!(read("::1"), Some(IpNet::from(std::net::IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16]))));
    assert_eq!(read("08:00:2b:01:02:03"), Some(MacAddr([8, 0, 0x2b, 1, 2, 3])));
    assert_eq!(read("(1e+15,-Infinity)"), Some(Point { x: 1e15, y: f64::NEG_INFINITY }));
    assert_eq!(read("101"), Some([true, false, true].into_iter().collect::<Bits>()));
    assert_eq!(
        read("08:15:00.25-03:30"),
        Some(TimeTz { micros: 29_700_250_000, offset_seconds: -12_600 })
    );
}

#[test]
fn composites_are_read_field_by_field() {
    assert_eq!(
        read("(1,\"a b\",,\"{2,NULL}\",\"(t,\"\"x\"\"\"\"y\"\")\",\"\")"),
        Some(Composite((
            1,
            "a b".to_owned(),
            None::<i32>,
            vec![Some(2), None],
            Composite((true, "x\"y".to_owned())),
            Some(String::new()),
        )))
    );
    assert_eq!(read("()"), Some(Composite((None::<i32>,))));
    for text in ["", "(1)", "(1,2,3)", "(1,2", "1,2", "(1,2)x", "(1,\"2)", "(a,2)"] {
        assert_eq!(read::<Composite<(i32, i32)>>(text), None, "{text}");
    }
    let cell = Cell::new(Some(b"(1,2,3)"), Encoding::Literal);
    let error = Composite::<(i32,)>::from_cell(cell).unwrap_err().to_string();
    assert_eq!(error, "cannot read text as Composite: it has 3 fields, the type 1");
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "[1,5", "1,5", "[1;5)", "[1,5)x", "[a,b)", "{", "[1,\"5)"] {
        assert_eq!(read::<Range<i32>>(text), None, "{text}");
    }
    for text in ["", "{[1,3)", "{[1,3)[5,7)}", "{x}", "[1,3)", "{,}"] {
        assert_eq!(read::<Multirange<i32>>(text), None, "{text}");
    }
    for text in ["a=>1", "\"a\"", "\"a\"=>", "\"a\"=>\"1\",\"b\"=>\"2\"", "\"a\"=>null"] {
        assert_eq!(read::<Hstore>(text), None, "{text}");
    }
    for text in ["", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "x/8", "::/129"] {
        assert_eq!(read::<IpNet>(text), None, "{text}");
    }
    for text in ["", "08:00:2b:01:02", "08:00:2b:01:02:03:04", "+8:00:2b:01:02:03"] {
        assert_eq!(read::<MacAddr>(text), None, "{text}");
    }
    for text in ["", "(1,2", "1,2", "(1)", "(a,b)"] {
        assert_eq!(read::<Point>(text), None, "{text}");
    }
    for text in ["08:15:00", "08:15:00+1", "08:15:00+01:00:00:00", "25:00:00+00"] {
        assert_eq!(read::<TimeTz>(text), None, "{text}");
    }
    assert_eq!(read::<Bits>("102"), None);
    let number = 5i64.to_le_bytes();
    let cell = Cell::new(Some(&number), Encoding::I64Le);
    let error = Range::<i32>::from_cell(cell).unwrap_err();
    assert_eq!(error.to_string(), "cannot read integer as Range");
}

#[test]
fn a_network_has_the_addresses_of_its_prefix() {
    let net: IpNet = "10.1.0.0/16".parse().unwrap();
    assert!(net.contains([10, 1, 2, 3].into()) && !net.contains([10, 2, 0, 0].into()));
    assert!(!net.contains([0u16; 8].into()) && !net.is_host());
    let all: IpNet = "0.0.0.0/0".parse().unwrap();
    assert!(all.contains([255, 255, 255, 255].into()));
    assert!("1.2.3.4/40".parse::<IpNet>().unwrap_err().to_string().contains("IpNet"));
}

#[test]
fn bits_are_counted_from_the_left() {
    let bits: Bits = "100000001".parse().unwrap();
    assert_eq!((bits.len(), bits.as_bytes()), (9, &[0x80, 0x80][..]));
    assert_eq!(
        (bits.get(0), bits.get(7), bits.get(8), bits.get(9)),
        (Some(true), Some(false), Some(true), None)
    );
}

fn ranges<T: std::fmt::Debug + Clone + 'static>(
    bounds: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Range<T>> {
    let side =
        prop_oneof![Just(Unbounded), bounds.clone().prop_map(Included), bounds.prop_map(Excluded)];
    prop_oneof![
        1 => Just(Range::Empty),
        9 => (side.clone(), side).prop_map(|(lower, upper)| Range::Between(lower, upper)),
    ]
}

proptest! {
    #[test]
    fn ranges_come_back(numbers in ranges(any::<i64>()), texts in ranges("\\PC{0,6}|[\",\\\\)\\](\\[{} ]{0,6}")) {
        prop_assert_eq!(read(&bound(&numbers)), Some(numbers));
        prop_assert_eq!(read(&bound(&texts)), Some(texts));
    }

    #[test]
    fn multiranges_come_back(all in vec(ranges("[\",\\\\)\\](\\[{} a]{0,4}"), 0..4)) {
        let all = Multirange(all);
        prop_assert_eq!(read(&bound(&all)), Some(all));
    }

    #[test]
    fn composites_come_back(
        number: Option<i64>,
        text in option::of("\\PC{0,6}|[\",\\\\)(\\{} ]{0,6}"),
        inner in "\\PC{0,6}|[\",\\\\)(\\{} ]{0,6}",
        date in -719_162..2_932_897i32,
    ) {
        let composite = Composite((number, text, Composite((inner, true)), Date(date)));
        prop_assert_eq!(read(&bound(&composite)), Some(composite));
    }

    #[test]
    fn maps_come_back(map in btree_map("\\PC{0,6}|[\"\\\\=>, ]{0,6}", option::of("\\PC{0,6}|[\"\\\\=>,N ]{0,6}"), 0..4)) {
        let map = Hstore(map);
        prop_assert_eq!(read(&bound(&map)), Some(map));
    }

    #[test]
    fn the_small_ones_come_back(
        net: (std::net::IpAddr, u8), mac: [u8; 6], x: f64, y: f64, bits in vec(any::<bool>(), 0..40),
        micros in 0..=86_400_000_000i64, offset_seconds in -57_599..57_599i32,
    ) {
        if let Some(net) = IpNet::new(net.0, net.1) {
            prop_assert_eq!(read(&bound(&net)), Some(net));
        }
        prop_assert_eq!(read(&bound(&MacAddr(mac))), Some(MacAddr(mac)));
        prop_assert_eq!(read(&bound(&Point { x, y })), Some(Point { x, y }));
        let bits: Bits = bits.into_iter().collect();
        prop_assert_eq!(read(&bound(&bits)), Some(bits));
        let time = TimeTz { micros, offset_seconds };
        prop_assert_eq!(read(&bound(&time)), Some(time));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,12}|[\\[(1,5)\\]{}\"\\\\=>empty]{0,12}") {
        let _ = read::<Range<i32>>(&text);
        let _ = read::<Multirange<String>>(&text);
        let _ = read::<Hstore>(&text);
        let _ = (read::<IpNet>(&text), read::<MacAddr>(&text), read::<Point>(&text));
        let _ = (read::<Bits>(&text), read::<TimeTz>(&text));
    }
}
