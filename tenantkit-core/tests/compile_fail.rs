//! Tenantless work does not compile, and the compiler's message says what to do. Each case has the
//! reviewed message beside it; `TRYBUILD=overwrite` writes them anew.

#[test]
fn tenantless_code_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
