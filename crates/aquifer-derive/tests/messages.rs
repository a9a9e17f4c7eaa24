//! What the compiler says of mistakes: each file in `ui/` beside its `.stderr`.

#[test]
fn every_mistake_is_explained_where_it_stands() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
