//! What makes a struct with a constant SQL text a statement that Diesel keeps prepared.

/// Declares that `$name`'s text depends on nothing but its type, and the columns it returns.
macro_rules! prepared {
    ($name:ident, $columns:ty) => {
        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $columns;
        }

        impl diesel::RunQueryDsl<diesel::PgConnection> for $name<'_> {}
    };
}

pub(super) use prepared;
