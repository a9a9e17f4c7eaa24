-- read
SELECT 1

-- read
select * from rivers where id = $1

-- read
SELECT ALL a FROM t;

-- read
(SELECT a FROM t)

-- read
((SELECT a FROM t) LIMIT 1)

-- read
VALUES (1, 'a'), (2, 'b')

-- read
TABLE t

-- read
TABLE ONLY s.t

-- read
SELECT a FROM t WHERE b IS NULL AND c IS NOT TRUE AND d ISNULL

-- read
SELECT FROM t

-- read
SELECT a.*, b.c FROM a, b WHERE a.id = b.id

-- read
SELECT a FROM t ORDER BY b FETCH FIRST (5) ROWS WITH TIES

-- read
SELECT a FROM t ORDER BY a USING > LIMIT ALL

-- read
SELECT a FROM t FOR READ ONLY

-- read
SELECT a AS "update", b AS "for update" FROM t

-- read
SELECT t.update, t.delete, t.insert FROM t

-- read
SELECT 'SELECT 1; DROP TABLE t', $$ INTO b FOR UPDATE $$ FROM t

-- read
SELECT a -- FOR UPDATE
FROM t /* INTO b /* ; */ */

-- read
SELECT E'\'; DELETE FROM t; --' FROM t

-- read
SELECT U&'d\0061t' FROM t

-- read
SELECT B'1010', X'ff', N'a', 1_000, 1.5e3, .5 FROM t

-- read
SELECT 'a'
'b; c' FROM t

-- read
SELECT x[1], x[1:2], x[:], (r).f, ($1::r).g[2] FROM t

-- read
SELECT a::text, b::numeric(10, 2), CAST(c AS double precision), d::timestamp(3) with time zone FROM t

-- read
SELECT interval '1 day', interval(3) '1.5', date '2020-01-01', timestamp(3) '2020-01-01' FROM t

-- read
SELECT CURRENT_TIMESTAMP, current_timestamp(3), LOCALTIME(0), CURRENT_USER, session_user, current_schema FROM t

-- read
SELECT coalesce(a, b), nullif(a, b), greatest(a, b), least(a, b), extract(epoch FROM c), position('a' IN d), trim(LEADING FROM d) FROM t

-- read
SELECT a BETWEEN 1 AND 2, a NOT BETWEEN SYMMETRIC (1) AND (2), a IN (1, 2), a NOT IN (SELECT b FROM u) FROM t

-- read
SELECT ARRAY[1, 2], ARRAY(SELECT a FROM u), ROW(1, 2), (1, 2) = (3, 4), a = ANY ($1), b > ALL (ARRAY[1]), c = SOME (SELECT 1) FROM t

-- read
SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id) OR NOT EXISTS (SELECT 1 FROM v)

-- read
SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CASE WHEN b THEN 1 END FROM t

-- read
SELECT a FROM t GROUP BY (a), GROUPING SETS ((a), (a, b), ()) HAVING GROUPING(a) = 0

-- read
SELECT a FROM t LEFT JOIN u USING (id) NATURAL JOIN v CROSS JOIN w

-- read
SELECT a FROM t FULL OUTER JOIN u AS x (a, b) ON (t.a = x.b)

-- read
SELECT x.a FROM t x (a, b), LATERAL (SELECT 1) y (c), u AS z (d)

-- read
WITH a AS (SELECT 1) SELECT * FROM a

-- read
WITH a (x, y) AS (VALUES (1, 2)), b AS NOT MATERIALIZED (SELECT 1) TABLE a

-- read
WITH a AS MATERIALIZED (TABLE t) (SELECT * FROM a) UNION SELECT 1

-- read
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT n FROM t

-- read
WITH RECURSIVE t(a, b) AS (SELECT 1, 2 UNION SELECT a, b FROM t) SEARCH DEPTH FIRST BY a, b SET o SELECT * FROM t ORDER BY o

-- read
WITH RECURSIVE t(a) AS (SELECT 1 UNION SELECT a FROM t) CYCLE a SET c USING p SELECT * FROM t

-- read
WITH update AS (SELECT 1), insert (a) AS (SELECT 2) SELECT * FROM "update", "insert"

-- read
SELECT * FROM (WITH x(a) AS (SELECT 1) SELECT a FROM x) y

-- read
SELECT a FROM t UNION ALL SELECT b FROM u EXCEPT SELECT c FROM v INTERSECT ALL TABLE w

-- read
SELECT "select", "into" FROM "from"

-- read
EXPLAIN SELECT 1

-- read
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT a FROM t

-- read
EXPLAIN ANALYZE VERBOSE SELECT a FROM t

-- read
EXPLAIN (SELECT 1)

-- read
EXPLAIN WITH a AS (SELECT 1) TABLE a

-- read
EXPLAIN VALUES (1)

-- read
; SELECT 1 ;;

-- read
SELECT a FROM pg_catalog.pg_class WHERE relname = 'pg_temp'

-- read
SELECT a FROM pg_locks

-- read
SELECT a FROM pg_stat_activity

-- read
SELECT DISTINCT ON (a, b) a, c FROM t ORDER BY a, b

-- read
SELECT a ? 'b', a ?| ARRAY['c'], a @? '$.x' FROM t

-- read
SELECT a FROM t ORDER BY (a), (b) NULLS FIRST

-- read
SELECT xmlelement(NAME x, xmlattributes(a AS b), xmlforest(c, d)), xmlserialize(CONTENT e AS text) FROM t

-- read
SELECT treatment, settings, valueset FROM t

-- read
SELECT count FROM t WHERE lower IS NULL AND upper > 1

-- read
SELECT a OPERATOR(pg_catalog.+) b FROM t

-- read
SELECT a AS over, b AS filter, c AS cube FROM t

-- read
SELECT * FROM t AS x(a, b)

-- read: count
SELECT count(*) FROM t

-- read: count
SELECT count(*) FILTER (WHERE a) FROM t

-- read: count
SELECT count(*) OVER (PARTITION BY a) FROM t

-- read: count
SELECT count(a) FILTER (WHERE b) OVER (w ORDER BY c) FROM t WINDOW w AS (PARTITION BY (d))

-- read: count
SELECT COUNT (DISTINCT a) FROM t

-- read: count
SELECT pg_catalog.count(*) FROM t

-- read: count
SELECT "count"(*) FROM t

-- read: f
SELECT f(1)

-- read: f
SELECT F ( 1 )

-- read: f
SELECT s.f(1), "f"(2), "S" . "f" (3)

-- read: f
SELECT f/* ( */(1)

-- read: f
SELECT f--(
(1)

-- read: f
SELECT * FROM f(1) x(a, b)

-- read: f
SELECT * FROM f(1) AS (a int, b text)

-- read: f
SELECT * FROM t, f(t.a) WITH ORDINALITY AS x(a, n)

-- read: f
SELECT * FROM ROWS FROM (f(1) AS (a int), f(2)) AS x

-- read: f
SELECT DISTINCT ON (a) f(b) FROM t

-- read: f
SELECT a FROM t WHERE b = f(c) AND NOT f(d)

-- read: f
SELECT x[f(1)] FROM t

-- read: f
SELECT x[1:f(2)] FROM t

-- read: f
SELECT x[1:s.f(2)] FROM t

-- read: f
SELECT (f(1)).a, (f(2)).b[3]

-- read: f
SELECT a FROM t ORDER BY f(a), b

-- read: f
SELECT CASE WHEN f(1) THEN f(2) ELSE f(3) END

-- read: f
SELECT a LIKE f(b) ESCAPE f(c) FROM t

-- read: f
SELECT - f(1), @ f(2), a || f(3), a -f(4) FROM t

-- read: f
SELECT coalesce(f(1), 2), nullif(3, f(4))

-- read: f
SELECT extract(year FROM f(1)), trim(BOTH f(2) FROM f(3)), position(f(4) IN f(5))

-- read: f
SELECT CAST(f(1) AS numeric(10, 2)), f(2)::varchar(3)

-- read: f
SELECT interval '1' * f(2), date '2020-01-01' - f(3)

-- read: f
SELECT a IN (f(1), f(2)), a BETWEEN f(3) AND f(4), a = ANY (f(5)) FROM t

-- read: f
SELECT a AT TIME ZONE f(1) FROM t

-- read: f
SELECT a FROM t LIMIT f(1) OFFSET f(2)

-- read: f
WITH a (x) AS (SELECT f(1)) SELECT x FROM a

-- read: f
VALUES (f(1)), (f(2))

-- read: f
SELECT ROW (f(1)), (f(2), 3)

-- read: f
SELECT a FROM t JOIN u ON f(t.a)

-- read: f
SELECT a OPERATOR(pg_catalog.+) f(b) FROM t

-- read: f
SELECT f(a => 1)

-- read: f
EXPLAIN (COSTS OFF) SELECT f(1)

-- read: f g
SELECT f(g(1))

-- read: f g
SELECT f(a := g(1))

-- read: f g
SELECT f(VARIADIC g(1))

-- read: f g
SELECT f(ARRAY[g(1)])

-- read: f g
SELECT f(DISTINCT g(a) ORDER BY b) FROM t

-- read: f g
SELECT f(a) FILTER (WHERE g(b)) OVER (ORDER BY c) FROM t

-- read: f g
SELECT f(a) OVER (PARTITION BY g(b)) FROM t

-- read: f g
SELECT f(0.5) WITHIN GROUP (ORDER BY g(a)) FROM t

-- read: f g
SELECT x[f(1):g(2)] FROM t

-- read: f Ä ü
SELECT "Ä"(1), ü(2), F(3)

-- read: left replace right
SELECT left(a, 1), right(a, 2), replace(a, b, c) FROM t

-- read: overlay substring
SELECT substring(a, 1), substring(a FROM 2 FOR 3), overlay(a PLACING b FROM 1) FROM t

-- read: cube rollup
SELECT a FROM t GROUP BY ROLLUP (a, b), CUBE (c)

-- read: json_array json_value
SELECT json_value(a, '$.b' RETURNING int DEFAULT 1 ON EMPTY), json_array(1, 2) FROM t

-- read: bernoulli
SELECT a FROM t TABLESAMPLE bernoulli (10)

-- read: bernoulli
SELECT a FROM t TABLESAMPLE bernoulli (10) REPEATABLE (1)

-- read
SELECT x.* FROM t, XMLTABLE('/a' PASSING b COLUMNS c int PATH '@c', d FOR ORDINALITY) x

-- read: over
SELECT over(1)

-- read: over
SELECT DISTINCT ON (a) over(b) FROM t

-- read: random
SELECT random()

-- write
INSERT INTO t DEFAULT VALUES

-- write
INSERT INTO t (a, b) VALUES ($1, $2), ($3, DEFAULT) RETURNING id

-- write
INSERT INTO s.t AS x (a) SELECT b FROM u

-- write
INSERT INTO t (a[1], b.c) OVERRIDING SYSTEM VALUE VALUES (1, 2)

-- write
INSERT INTO t TABLE u

-- write
INSERT INTO t (SELECT 1)

-- write
INSERT INTO t WITH x(a) AS (SELECT 1) SELECT a FROM x

-- write
INSERT INTO t (a) (WITH x(a) AS (SELECT 1) SELECT a FROM x)

-- write
INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING

-- write
INSERT INTO t (a) VALUES (1) ON CONFLICT ON CONSTRAINT k DO UPDATE SET a = excluded.a WHERE t.b

-- write
UPDATE t SET a = 1

-- write
UPDATE ONLY t AS x SET a = DEFAULT, b = x.c WHERE id = $1 RETURNING *

-- write: set
UPDATE t * SET (a, b) = (SELECT 1, 2) FROM u WHERE u.id = t.id

-- write
UPDATE t SET a = 1 WHERE id = (SELECT id FROM q ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id

-- write
DELETE FROM t

-- write
DELETE FROM ONLY t AS x USING u, v WHERE x.id = u.id RETURNING x.id;

-- write
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE

-- write
MERGE INTO ONLY t AS x USING (SELECT 1 AS a) AS y ON x.a = y.a WHEN MATCHED AND y.b THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN DO NOTHING

-- write
WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a

-- write
WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a

-- write
WITH a AS (DELETE FROM t RETURNING *), b AS (INSERT INTO u SELECT * FROM a) SELECT 1

-- write
WITH a AS (UPDATE t SET b = 1 RETURNING *) DELETE FROM u USING a WHERE u.id = a.id

-- write
WITH a AS MATERIALIZED (INSERT INTO t VALUES (1) RETURNING id) SELECT id FROM a

-- write
WITH RECURSIVE a(n) AS (SELECT 1) UPDATE t SET b = n FROM a

-- write
WITH insert AS (SELECT 1) DELETE FROM t

-- write: conflict
INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2

-- write: conflict
INSERT INTO t (a) VALUES (1) ON CONFLICT (a) WHERE b DO NOTHING

-- write: insert
MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1, 2)

-- write: f
INSERT INTO t (a) VALUES (f(1))

-- write: f
UPDATE t SET a = f(a) WHERE f(b) RETURNING f(c)

-- write: f
DELETE FROM t WHERE a = f(1)

-- write: f
INSERT INTO t (a) SELECT f(b) FROM u

-- write: f set
INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET (a, b) = (f(1), 2)

-- Empty
-- nothing

-- Empty
/* nothing */ ;

-- Several
SELECT 1; SELECT 2

-- Several
SELECT 1;; COMMIT

-- Several
INSERT INTO t VALUES (1); SELECT 1;

-- Several
SELECT (1; 2)

-- Unreadable
SELECT 'a

-- Unreadable
SELECT "a

-- Unreadable
SELECT $$a

-- Unreadable
SELECT 1 /* a

-- Unreadable
SELECT U&"d\0061t"(1)

-- Unreadable
SELECT U&"pg!005ftemp" UESCAPE '!' FROM t

-- Transaction
BEGIN

-- Transaction
START TRANSACTION READ ONLY

-- Transaction
COMMIT

-- Transaction
END

-- Transaction
ROLLBACK

-- Transaction
ROLLBACK TO a

-- Transaction
ABORT

-- Transaction
SAVEPOINT a

-- Transaction
RELEASE SAVEPOINT a

-- Transaction
COMMIT PREPARED 'a'

-- Setting
SET a.b = 1

-- Setting
SET LOCAL work_mem = '1MB'

-- Setting
SET ROLE r

-- Setting
RESET ALL

-- Setting
DISCARD TEMP

-- Setting
SHOW work_mem

-- Setting
SHOW ALL

-- Notify
LISTEN a

-- Notify
UNLISTEN *

-- Notify
NOTIFY a, 'b'

-- Prepared
PREPARE p AS SELECT 1

-- Prepared
PREPARE TRANSACTION 'a'

-- Prepared
EXECUTE p(1)

-- Prepared
DEALLOCATE ALL

-- Cursor
DECLARE c CURSOR WITH HOLD FOR SELECT 1

-- Cursor
FETCH 10 FROM c

-- Cursor
MOVE c

-- Cursor
CLOSE c

-- Cursor
UPDATE t SET a = 1 WHERE CURRENT OF c

-- Cursor
DELETE FROM t WHERE CURRENT OF c

-- Copy
COPY t TO STDOUT

-- Copy
COPY t FROM STDIN

-- Copy
COPY (SELECT 1) TO STDOUT

-- Lock
LOCK TABLE t

-- Lock
LOCK t IN SHARE MODE NOWAIT

-- Lock
SELECT a FROM t FOR UPDATE

-- Lock
SELECT a FROM t FOR NO KEY UPDATE OF t

-- Lock
SELECT a FROM t FOR SHARE SKIP LOCKED

-- Lock
SELECT a FROM t FOR KEY SHARE

-- Lock
SELECT a FROM (SELECT b FROM t FOR UPDATE) x

-- Lock
WITH a AS (SELECT 1 FROM t FOR UPDATE) SELECT 1

-- Lock
(SELECT a FROM t FOR SHARE)

-- Temporary
SELECT a FROM pg_temp.t

-- Temporary
SELECT a FROM "pg_temp".t

-- Temporary
INSERT INTO pg_temp_12.t VALUES (1)

-- Temporary
SELECT pg_temp.f(1)

-- Temporary
SELECT PG_TEMP . f(1)

-- Temporary
SELECT a FROM pg_toast_temp_3.t

-- Block
DO $$ BEGIN PERFORM f(1); END $$

-- Block
CALL p(1)

-- Explain
EXPLAIN DELETE FROM t

-- Explain
EXPLAIN ANALYZE INSERT INTO t VALUES (1)

-- Explain
EXPLAIN (ANALYZE) UPDATE t SET a = 1

-- Explain
EXPLAIN EXECUTE p

-- Explain
EXPLAIN CREATE TABLE t AS SELECT 1

-- Explain
EXPLAIN ANALYZE WITH a AS (DELETE FROM t RETURNING 1) SELECT * FROM a

-- Maintenance
VACUUM t

-- Maintenance
ANALYZE t

-- Maintenance
REINDEX TABLE t

-- Maintenance
REFRESH MATERIALIZED VIEW v

-- Maintenance
CLUSTER t

-- Maintenance
CHECKPOINT

-- Maintenance
LOAD 'x'

-- Definition
CREATE TABLE t (a int)

-- Definition
CREATE TEMP TABLE t (a int)

-- Definition
CREATE TABLE t AS SELECT 1

-- Definition
ALTER TABLE t ADD COLUMN b int

-- Definition
DROP TABLE t

-- Definition
TRUNCATE t

-- Definition
COMMENT ON TABLE t IS 'a'

-- Definition
GRANT SELECT ON t TO r

-- Definition
REVOKE ALL ON t FROM r

-- Definition
REASSIGN OWNED BY a TO b

-- Definition
SECURITY LABEL ON TABLE t IS 'a'

-- Definition
IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y

-- Definition
SELECT a INTO b FROM t

-- Definition
SELECT a INTO TEMP b FROM t

-- Definition
SELECT insert INTO b FROM t

-- Definition
WITH a AS (SELECT 1) SELECT * INTO b FROM a

-- Definition
INSERT INTO t SELECT a INTO b FROM u

-- Definition
SELECT 1 UNION SELECT 2 INTO b

-- SessionFunction
SELECT pg_advisory_lock(1)

-- SessionFunction
SELECT pg_catalog.pg_try_advisory_xact_lock_shared(1, 2)

-- SessionFunction
SELECT PG_ADVISORY_UNLOCK_ALL()

-- SessionFunction
SELECT "pg_catalog" . "set_config" ('a.b', 'c', true)

-- SessionFunction
SELECT current_setting('a.b')

-- SessionFunction
SELECT pg_notify('a', 'b')

-- SessionFunction
SELECT nextval('s')

-- SessionFunction
SELECT currval('s'), lastval()

-- SessionFunction
INSERT INTO t (id) VALUES (nextval('s'))

-- SessionFunction
SELECT setval('s', 1)

-- SessionFunction
SELECT x[1:nextval('s')] FROM t

-- SessionFunction
SELECT x[1:pg_catalog.nextval('s')] FROM t

-- SessionFunction
SELECT pg_export_snapshot()

-- SessionFunction
SELECT txid_current()

-- SessionFunction
SELECT pg_current_xact_id_if_assigned()

-- SessionFunction
SELECT pg_backend_pid()

-- SessionFunction
SELECT pg_sleep(1)

-- SessionFunction
SELECT pg_sleep_for('1s')

-- SessionFunction
SELECT pg_terminate_backend(1)

-- SessionFunction
SELECT pg_cancel_backend(1)

-- SessionFunction
SELECT pg_reload_conf()

-- SessionFunction
SELECT pg_rotate_logfile()

-- SessionFunction
SELECT * FROM dblink('a', 'b') AS x(c int)

-- SessionFunction
SELECT dblink_exec('a')

-- SessionFunction
SELECT lo_create(0)

-- SessionFunction
SELECT loread(1, 2), lowrite(3, 'x')

-- SessionFunction
SELECT pg_logical_emit_message(true, 'a', 'b')

-- SessionFunction
SELECT pg_create_restore_point('a')

-- SessionFunction
SELECT pg_create_logical_replication_slot('a', 'b')

-- SessionFunction
SELECT pg_stat_reset()

-- SessionFunction
SELECT pg_stat_reset_shared('io')

-- SessionFunction
SELECT pg_switch_wal()

-- SessionFunction
SELECT setseed(0.5)

-- SessionFunction
SELECT * FROM pg_prepared_statement()

-- SessionFunction
SELECT * FROM pg_cursor()

-- SessionFunction
SELECT query_to_xml('DELETE FROM t', true, true, '')

-- SessionFunction
SELECT * FROM crosstab('SELECT 1') AS x(a int)

-- SessionFunction
SELECT a FROM t WHERE pg_try_advisory_lock(a)

-- SessionFunction
WITH a AS (SELECT pg_notify('a', 'b')) SELECT 1

-- SessionFunction
EXPLAIN ANALYZE SELECT nextval('s')

-- SessionView
SELECT * FROM pg_prepared_statements

-- SessionView
SELECT * FROM pg_catalog.pg_cursors

-- SessionView
SELECT setting FROM pg_settings

-- SessionView
SELECT * FROM "pg_settings"

-- SessionView
SELECT * FROM pg_stat_xact_all_tables

-- SessionView
TABLE pg_backend_memory_contexts

-- Unknown
GRAB t

-- Unknown
SELECT update FROM t

-- Unknown
WITH a AS (SELECT 1)

-- Unknown
WITH a AS (GRAB t) SELECT 1

-- Unknown
WITH a AS (COPY t TO STDOUT) SELECT 1

-- Unknown
"select" 1

-- Unknown
$1

-- Unknown
(

-- Unknown
(DROP TABLE t)

-- Unknown
PRAGMA x

-- Unknown
REPLACE INTO t VALUES (1)

-- Unknown
WITH RECURSIVE

-- Unknown
XA BEGIN 'a'

-- write: f
INSERT INTO t TABLE u RETURNING f(a)

-- write: f
INSERT INTO t (SELECT 1) RETURNING WITH (OLD AS o) f(o.a)

-- write: f
UPDATE t SET a = 1 RETURNING WITH (OLD AS o, NEW AS n) f(o.a)

-- read: f json_objectagg
SELECT json_objectagg('k':f(a)) FROM t

-- read: f
SELECT a FROM t FETCH FIRST f(1) ROWS ONLY

-- read: f
SELECT 1AND f(a) FROM t

-- read: f g sum
SELECT sum(a) OVER (ORDER BY b ROWS f(1) PRECEDING), x[1:2] || g(1) FROM t
