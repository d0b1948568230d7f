//! One verified tenant from the request to the row.
