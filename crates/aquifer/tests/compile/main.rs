//! What must compile, and what must not: bounds of handles and futures, lifetimes of rows.

mod send;

#[cfg(all(feature = "sqlite", feature = "derive"))]
#[test]
fn what_go_finds_at_run_time_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile/refused/*.rs");
}
