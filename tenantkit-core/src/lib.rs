//! Who is acting: tenant identity, context, scope, tokens, refusals, audit.
