//! What does not compile, and what the compiler says to write instead.

#[test]
fn tenantless_work_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
