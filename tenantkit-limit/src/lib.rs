//! One tenant's load stays its own.
