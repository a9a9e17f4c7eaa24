-- Writes catalogue.rs from a server's own pg_type. Run with a server of the newest major version known:
--   psql -AtX -f catalogue.sql > catalogue.rs && rustfmt catalogue.rs
-- Row types and the domains of information_schema have no fixed numbers; they stay out.
\set QUIET on
create temporary view known as
select t.oid::int8 as number, t.typname as name, t.typtype as kind, t.typelem, t.typarray::int8 as array_number,
       e.oid is not null as is_array, e.typname as element, e.oid::int8 as element_number,
       t.typdelim = ';' as semicolon
from pg_type t
left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
where t.oid < 10000 and t.typtype <> 'c' and coalesce(e.typtype, 'b') <> 'c';
\echo '//! The types that are built in, with the numbers they have on every server. Written by catalogue.sql.'
\echo
\echo 'use super::Type;'
\echo
\echo '/// Sorted by number.'
\echo '#[rustfmt::skip]'
\echo 'pub(super) static TYPES: &[Type] = &['
select format('    Type { oid: %s, name: "%s", element: %s, array: %s },', number,
       case when is_array then upper(element) || '[]' else upper(name) end,
       case when is_array then element_number else 0 end, array_number)
from known order by number;
\echo '];'
\echo
\echo '/// The numbers by name.'
\echo 'pub(super) mod oid {'
\echo '    use super::super::Oid;'
\echo
select format('    pub(in super::super) const %s: Oid = %s;', upper(name), number)
from known where not is_array and kind <> 'p' or name in ('void', 'unknown', 'record', 'cstring') order by number;
\echo '}'
