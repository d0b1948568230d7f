//! Tenantless work does not compile, nor a metric that is told apart by tenant, and the compiler's message says what to do. Each case has the
//! reviewed message beside it; `TRYBUILD=overwrite` writes them anew.

#[test]
fn tenantless_code_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/core/*.rs");
    cases.compile_fail("tests/kafka/*.rs");
    cases.compile_fail("tests/otel/*.rs");
    cases.compile_fail("tests/sqlx/*.rs");
}
