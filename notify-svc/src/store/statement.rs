//! Statements that Diesel keeps prepared.
//!
//! Diesel prepares `sql_query`, `UPDATE` and `ON CONFLICT DO UPDATE` anew for each call; only a query with a static
//! `QueryId` is prepared once per connection. Sets go in as arrays, so that the text never depends on their size. Of many
//! columns, those of a fixed width are taken by subscript: Postgres puts all that a function like unnest returns into a
//! table first, a value at a time.

/// Declares a statement: a struct of its binds, the types of the columns it returns, and its text, in which binds
/// stand by name between the literals.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        struct $name:ident { $($field:ident: $rust:ty as $sql:ty),+ $(,)? } -> $columns:ty =
        $($text:literal $($bind:ident)?)+
    ) => {
        $(#[$doc])*
        struct $name { $($field: $rust),+ }

        impl $name {
            $(
                fn $field<'b>(
                    &'b self,
                    out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
                ) -> diesel::QueryResult<()> {
                    out.push_bind_param::<$sql, _>(&self.$field)
                }
            )+
        }

        impl diesel::query_builder::QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name {
            type SqlType = $columns;
        }

        impl diesel::query_builder::QueryFragment<diesel::pg::Pg> for $name {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
            ) -> diesel::QueryResult<()> {
                $(
                    out.push_sql($text);
                    $(self.$bind(&mut out)?;)?
                )+
                Ok(())
            }
        }

        impl diesel::RunQueryDsl<diesel::PgConnection> for $name {}
    };
}

pub(super) use statement;
