SELECT * FROM stations WHERE id = $1

SELECT * FROM stations WHERE river = $1

SELECT count(*) FROM stations

SELECT id, code, level_m FROM stations

UPDATE accounts SET balance = balance - $1 WHERE id = $2

UPDATE accounts SET balance = balance + $1 WHERE id = $2

SELECT 1

CREATE UNLOGGED TABLE arrivals (
id bigint NOT NULL, code text NOT NULL, river text NOT NULL, level_m double precision);

TRUNCATE arrivals

COPY arrivals (id, code, river, level_m) FROM STDIN (FORMAT binary)

SELECT id, code, river, level_m FROM stations WHERE id = $1

SELECT id, code, river, level_m FROM stations LIMIT $1

SELECT 7

SELECT $1

SELECT $1, $2, $3, $4

SELECT sqlite_version()

SELECT 1;

SELECT 1; SELECT 2

CREATE TABLE t (id text PRIMARY KEY, n int CHECK (n < 3), v varchar(3), e int NOT NULL DEFAULT 0);
CREATE TYPE mood AS ENUM ('sad');
CREATE FUNCTION loud(x text) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is too loud', x USING HINT = 'whisper ' || x, ERRCODE = '23505'; END $$;
CREATE FUNCTION dynamic(x text) RETURNS int LANGUAGE plpgsql AS
$$ BEGIN EXECUTE format('SELECT %I FROM t', x); RETURN 1; END $$;
INSERT INTO t (id) VALUES ('hunter2-s3cret'), ('12345678')

SELECT $1::int

SELECT $1::text::int

SELECT $1::numeric

SELECT $1::uuid

SELECT $1::date

SELECT $1::timestamptz

SELECT $1::bool

SELECT $1::json

SELECT $1::inet

SELECT $1::int[]

SELECT $1::int4range

SELECT $1::mood

SELECT $1::bytea

SELECT $1::point

SELECT $1::tsquery

SELECT $1::jsonpath

SELECT 'x' ~ $1

SELECT now() AT TIME ZONE $1

SELECT date_trunc($1, now())

SELECT make_date($1, 13, 1)

SELECT to_date($1, 'YYYY')

SELECT chr($1)

SELECT get_byte('x'::bytea, $1)

SELECT $1::regclass

SELECT $1::regtype

SELECT $1::text::regclass

SELECT nextval($1)

SELECT current_setting($1)

SELECT set_config('datestyle', $1, true)

SELECT pg_read_file($1)

SELECT encode('x'::bytea, $1)

SELECT convert_to('x', $1)

SELECT loud($1)

SELECT dynamic($1)

INSERT INTO t (id) VALUES ($1)

INSERT INTO t (id, n) VALUES ('a', $1)

INSERT INTO t (id, v) VALUES ('a', $1)

INSERT INTO t (id, e) VALUES ($1, NULL)

SELECT 'é€水',
levl_m, $1
FROM pg_class

COPY rivers (name, km) FROM STDIN (FORMAT csv)

COPY rivers TO STDOUT (FORMAT csv, HEADER)

SELECT name, km FROM rivers

SELECT id, name FROM rivers WHERE id > $1

SELECT $1,$2-$2, $3::int, $4

SELECT $1, $2

SELECT $2

SELECT $0

SELECT $99999999999999999999

LISTEN "a""; DROP"

SELECT pg_notify($1, $2)

SELECT pg_catalog.pg_notify($1, $2)

DEALLOCATE ALL

DISCARD ALL

SELECT id FROM t WHERE id > $1

SELECT 3

SELECT 10001

SELECT id FROM u WHERE id > $1

SELECT 1; CREATE TABLE x(); SELECT 2

COPY t FROM STDIN

SELECT 0

INSERT INTO t (id) VALUES ($1) RETURNING id

SET client_encoding = 'LATIN1'

SELECT 2

SET work_mem = '1MB'

RESET ALL

LISTEN orders

PREPARE p AS SELECT 1

EXECUTE p

DECLARE c CURSOR WITH HOLD FOR SELECT 1

CREATE TEMP TABLE t (id int)

SELECT 1 AS a INTO TEMPORARY TABLE t

WITH x AS (SELECT 1) SELECT pg_advisory_lock(7) FROM x

SELECT pg_catalog.set_config('a.b', $1, false)

SELECT 1; LISTEN a

BEGIN; SET LOCAL a.b = 1; COMMIT; SET a.b = 1

SET LOCAL work_mem = '1MB'

SET TRANSACTION READ ONLY

CREATE TABLE temp_t (temp int)

CREATE TABLE t AS SELECT 'SET' AS listen

UPDATE t SET a = 1

NOTIFY orders

SELECT pg_advisory_xact_lock(7)

SELECT 'pg_advisory_lock(7)' -- LISTEN

INSERT INTO temp VALUES (1)

BEGIN; LISTEN a; SAVEPOINT s; ROLLBACK TO s; SET a.b = 1; COMMIT

SET a.b = 1

LISTEN a

DEALLOCATE a

DISCARD PLANS

SELECT 'DISCARD ALL'

SELECT hunter2

INSERT INTO t VALUES ($1)

CALL f($1)

SELECT 'é', x

SELECT id,
levl_m FROM stations

SELECT y

SELECT f()

SELECT * FROM Stations

SELECT 'abc'::int

SELECT 1 / $1

SELECT make_time($1, $2, $3)

SELECT $1::x

SET LOCAL work_mem = '1MB'; SET search_path = a

SET LOCAL work_mem = '1MB';

SET LOCAL a.b = 1; EXPLAIN EXECUTE x

SET LOCAL a.b = 1; /* now */ SET a.b = 2

CALL rotate()

INSERT INTO t VALUES (1)

SELECT Set_Config('a.b', $1, false)

CREATE TEMP TABLE x (id int)

SELECT id FROM rivers WHERE id = $1

SELECT pg_sleep(3600)

SELECT pg_backend_pid()

SELECT generate_series(1, 100000000), repeat('x', 1000)

CREATE TABLE t (id int)

INSERT INTO t VALUES (2)

SELECT * FROM t

SELECT length($1::text), pg_sleep(3600)

SELECT $1::int8, pg_sleep(0.001)::text

SELECT $1::int8

SELECT n FROM generate_series(1, $1::int8) AS n

SET search_path = elsewhere

SHOW search_path

SELECT count(*) FROM pg_prepared_statements

SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()

SELECT current_user::text

SELECT inet_client_addr() IS NULL

SELECT pg_is_in_recovery()

SELECT pg_promote()

SELECT inet_server_port()

SHOW application_name

SHOW work_mem

SHOW client_encoding

SELECT count(*) FROM pg_stat_activity WHERE usename = 'aquifer'

CREATE TABLE rivers (id int PRIMARY KEY, name text, km float8, data bytea)

SELECT count(*) FROM rivers

CREATE TYPE letter AS ENUM ('a')

TRUNCATE rivers

SELECT sum(id), sum(length(name)), count(km) FROM rivers

CREATE TABLE copied (LIKE rivers)

TRUNCATE copied

SELECT count(*) FROM copied NATURAL JOIN rivers
WHERE copied.km IS NOT NULL

COPY rivers (id) FROM STDIN

CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE SCHEMA "My data";
CREATE TABLE "My data"."T" ("A b" mood, d date, n numeric, j jsonb, a text[])

SELECT "A b", d, n, j, a FROM "My data"."T" ORDER BY 1, 2 -- all

COPY rivers FROM STDINN

COPY lakes FROM STDIN

SELECT generate_series(1, 1000)

COPY rivers TO STDOUT

COPY rivers FROM STDIN

COPY rivers (id) FROM STDIN; COPY rivers (id) FROM STDIN

SET work_mem = '1MB'; COPY rivers (id) FROM STDIN; SELECT 1

SELECT id FROM rivers WHERE id > $1

CREATE TABLE sink (id int, name text)

COPY sink FROM STDIN

SELECT count(*) FROM sink

TRUNCATE sink

SELECT id, name FROM rivers

CREATE TABLE big AS SELECT g FROM generate_series(1, 200000) g

COPY big TO STDOUT

CREATE TEMP TABLE t (id int, name text)

SELECT "id", "name" FROM "t"

SELECT string_agg(name, ' ' ORDER BY id) FROM rivers

SELECT $1::int8, 'right'

SELECT count(*) FROM t

TRUNCATE t

INSERT INTO t VALUES ($1) RETURNING id, repeat('x', 60)

SELECT 1 / $1::int

SELECT 1 / $1::int8

SELECT $1::text

INSERT INTO t VALUES (1); SELECT 1, repeat('x', 50); INSERT INTO t VALUES (2)

SELECT $1::int8 + 1, 'river'

SELECT n FROM generate_series(1, 50000) AS n

SELECT * FROM t WHERE id = $1

CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'Elbe')

ALTER TABLE t ADD length int DEFAULT 7

SELECT name FROM t

CREATE INDEX ON t (id)

ALTER TABLE t ADD length int

DROP TABLE t; CREATE TABLE t (id int, name text)

INSERT INTO t VALUES (1, 'Elbe')

SELECT name FROM t WHERE id = $1

ALTER TABLE t ALTER id TYPE text

CREATE TYPE mood AS ENUM ('sad', 'ok')

SELECT $1::mood::text

DROP TYPE mood; CREATE TYPE mood AS ENUM ('ok', 'fine')

DEALLOCATE ALL; SELECT 1

SELECT 1; DEALLOCATE PREPARE ALL; SELECT 2

DEALLOCATE ALL; COPY (SELECT 1) TO STDOUT

SELECT $1::int8 + 1

SELECT nothing FROM nowhere

SELECT $1::int8, 'x'::text

CREATE TABLE t (name text UNIQUE, n int NOT NULL)

INSERT INTO t VALUES ($1, $2::int)

SELECT $1::jsonb

SELECT copies()

SELECT pg_notify('c', n::text) FROM generate_series(1, 6) n

SELECT pg_notify('c', n || repeat('x', 1000)) FROM generate_series(1, 2000) n

INSERT INTO t VALUES ($1::int8, $2::int8)

SELECT pg_backend_pid() = $1::int

CREATE TABLE t (task int8, n int8)

SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'

CREATE TABLE kept (id int)

SET work_mem = '1234kB'

RESET work_mem

LISTEN channel

SELECT 1 AS id INTO TEMP t

SELECT pg_advisory_lock(1)

SELECT set_config('work_mem', '1234kB', false)

INSERT INTO kept VALUES (1)

SELECT count(*) FROM kept

SET LOCAL work_mem = '2345kB'

CREATE TEMP TABLE t (id int) ON COMMIT DROP

SELECT pg_advisory_xact_lock(1)

BEGIN; SET LOCAL work_mem = '2345kB'; COMMIT

SELECT count(*) FROM pg_listening_channels()

SHOW transaction_isolation

CREATE TABLE never (id int)

SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'

SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'

SELECT pg_advisory_unlock(1)

SELECT pg_advisory_lock(2)

CREATE TABLE t (id int PRIMARY KEY)

CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);

INSERT INTO child VALUES ($1) RETURNING parent

SELECT count(*) FROM child

INSERT INTO child VALUES (1)

INSERT INTO parent VALUES ($1)

SELECT sum(parent) FROM child

SET LOCAL synchronous_commit = 'on'

SET synchronous_commit = 'on'

INSERT INTO t VALUES ($1::int)

CREATE EXTENSION cube

SELECT $1::cube AS it, ($1::cube)::text AS said

SELECT $1::cube

SELECT '(1,2),(3,4)'::cube

SELECT ARRAY['(1,2)'::cube]

SELECT '(1)'::cube

DROP EXTENSION cube; CREATE EXTENSION cube

SELECT $1::place

SELECT $1::checked

SELECT ($1::place).street

SELECT $1::place[]

SELECT NULL::place

SELECT ROW('x', 7, 'home'::kind)

CREATE TABLE held (p place, ps place[], c checked)

INSERT INTO held VALUES ($1, $2, $3)

SELECT ps FROM held WHERE p = $1::place

SELECT $1::wide

SELECT ROW('hunter2', 'hunter2', 'home')

SELECT ROW('hunter2', NULL, 'home')

SELECT ROW('hunter2', 1, 'hunter2')

SELECT ROW('hunter2', 1)

SELECT 'hunter2'::text

SELECT $1::person[]

SELECT $1::person

CREATE EXTENSION hstore; CREATE EXTENSION citext

SELECT $1::mood[]

SELECT NULL::mood[]

CREATE TABLE felt (m mood, ms mood[])

INSERT INTO felt VALUES ($1, $2)

SELECT count(*) FROM felt WHERE m = $1 AND m = ANY ($2)

SELECT 'it''s'::mood

SELECT $1::natural_number

SELECT $1::natural_number[]

SELECT $1::list

SELECT $1::hash

SELECT $1::pair

SELECT $1::text_range

SELECT $1::hstore

SELECT $1::citext

SELECT 'ok'::mood FROM generate_series(1, 100000)

SELECT 2;

ROLLBACK TO s

SAVEPOINT s

EXPLAIN QUERY PLAN SELECT 1

SELECT $1, $2, nope FROM t

INSERT INTO rivers (id, name, length_km) VALUES ($1, $2, $3)

INSERT INTO stations (id, code, river, lat, lon, level_m) VALUES ($1, $2, $3, $4, $5, $6)

SELECT count(*) FROM readings

SELECT count(*) FROM readings WHERE level_m <= 0

SELECT level_m FROM readings WHERE station_id = $1 ORDER BY at

SELECT ';'

DROP TABLE stations

UPDATE t SET n = 0 - n WHERE n > $1

UPDATE t SET n = 0 - n WHERE n < $1

SELECT count(*) AS c FROM t

SELECT s FROM t WHERE n = $1

INSERT INTO t (s, n) VALUES ($1, $2)

SELECT s, n FROM t ORDER BY id

CREATE TABLE u (a INTEGER)

SELECT FROM WHERE

SELECT a FROM missing

SELECT missing FROM t

INSERT INTO k (k) VALUES ($1)

INSERT INTO k (n) VALUES ($1)

INSERT INTO k (p) VALUES ($1)

INSERT INTO t (s, n) VALUES (NULL, $1)

SELECT $1 FROM missing

INSERT INTO t (id, s) VALUES ($1, $2)

INSERT INTO t (s, n) VALUES ($1, $2), ($3, $4), ($5, $6)

UPDATE t SET n = $1 WHERE n = $2

DELETE FROM t WHERE n = $1

SELECT id FROM t WHERE s = $1

INSERT INTO t (s, n) VALUES ($1, $2), ($3, $4) RETURNING s, n

DELETE FROM t WHERE n = $1 RETURNING s

SELECT n FROM t WHERE s = $1

INSERT INTO t (s, n) VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING s

INSERT INTO t (s, n) VALUES ($1, $2) RETURNING s

DELETE FROM t

DROP TABLE t

SELECT n FROM series(1, $1)

SET zone = 'north'

SHOW zone

SELECT n FROM t WHERE n = 2

SELECT 1 AS a, 2 AS a

INSERT INTO large (s, n) VALUES ($1, $2)

SELECT s FROM large ORDER BY n

SELECT 1 AS a; INSERT INTO t (s, n) VALUES ('x;y', 5); SELECT n AS b, s FROM t;

SELECT 1; SELECT 2; SELECT count(*) FROM t

SELECT count(*) FROM t WHERE s = 'b'

BEGIN; INSERT INTO t (s, n) VALUES ('a', 1); COMMIT

BEGIN; INSERT INTO t (s, n) VALUES ('b', 2)

SELECT s, n AS level FROM t WHERE id = $1 AND n > $2

SELECT n FROM t

INSERT INTO t (n) VALUES ($1)

UPDATE t SET n = $1

SELECT max(n) FROM t

SAVEPOINT one

ROLLBACK TO SAVEPOINT one

SELECT s FROM t ORDER BY s

INSERT INTO u (a) VALUES ($1)

SELECT a FROM u

INSERT INTO vals (v) VALUES ($1)

SELECT v FROM vals ORDER BY id

SELECT v FROM vals

INSERT INTO vals (a, b) VALUES ($1, $2)

SELECT * FROM vals

INSERT INTO vals VALUES ($1, $2, $3, $4)

SELECT a, b, c, d FROM vals

SELECT n FROM t WHERE n = $1

DROP TABLE IF EXISTS t

ALTER TABLE t ADD COLUMN c TEXT

INSERT INTO t (a, b) VALUES ($1, $2), ($3, 1 + $4) RETURNING a, b AS c

SELECT -1 AS x, 'a' || $1

UPDATE t SET a = a - $1, b = NULL WHERE id <> $2

DELETE FROM t WHERE id = $1

SAVEPOINT a;

ROLLBACK TO SAVEPOINT a

SET zone = 'UTC'

SELECT 1; ;SELECT $1; -- done

SHOW CONFIG

SELECT 6 * 7

SET password_encryption = 'md5';
ALTER ROLE aquifer PASSWORD 'aquifer';

SET password_encryption = 'md5';
CREATE ROLE "r" LOGIN PASSWORD 'p''w';

CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL UNIQUE)

INSERT INTO t (s) VALUES ($1)

INSERT INTO t (s) VALUES ($1), ($2)

SELECT s, id FROM t WHERE id IN ($1, $2) ORDER BY id DESC

UPDATE t SET s = s || $1 WHERE id = $2 RETURNING s

SELECT * FROM k

INSERT INTO k (b) VALUES ($1)

ROLLBACK TO one

SELECT n FROM series(1, 100)

SELECT 39

SELECT n FROM series(1, 1000)

CREATE TABLE t (a TEXT)

SELECT 7;

SHOW DATABASES

SELECT current_database(), current_user

SELECT current_user

SHOW fsync; SHOW server_encoding

SELECT rolname, left(rolpassword, 3), rolsuper FROM pg_authid
WHERE rolname IN ('hashed', 'scrammed') ORDER BY 1

SELECT left(rolpassword, 3) FROM pg_authid WHERE rolname = 'aquifer'

SHOW ssl

SELECT 1; SELECT nothing

CREATE TABLE t AS SELECT 7 AS n

SHOW in_hot_standby

CREATE TABLE t ()

SELECT 'of the testkit'

SELECT datname FROM pg_database WHERE datname ~ '^test_'

SELECT current_database()

SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$'

SELECT generate_series(1, 3)

SELECT pg_sleep(600)

SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'

UPDATE stations SET code = $1 WHERE id = $2

UPDATE tanks SET litres = litres - $1 WHERE id = $2

UPDATE tanks SET litres = litres + $1 WHERE id = $2

SELECT id FROM stations ORDER BY id

INSERT INTO renames (station_id) VALUES ($1)

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT)

INSERT INTO stations (code) VALUES ($1)

SELECT id, code FROM stations

DELETE FROM aquifer_commits WHERE id IN ('a', 'b')

SELECT id, code FROM stations ORDER BY id

EXPLAIN (FORMAT JSON) SELECT 1

EXPLAIN (FORMAT JSON, BUFFERS) SELECT 1

EXPLAIN (FORMAT JSON, ANALYZE, TIMING, BUFFERS OFF) SELECT 1

EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE, TIMING OFF, BUFFERS) SELECT 1

WITH d AS (DELETE FROM t RETURNING id) SELECT * FROM d

SELECT nextval('s')

SELECT id FROM t FOR UPDATE

EXECUTE something

SELECT 1; DELETE FROM t

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL)

INSERT INTO stations (code, level_m) VALUES ($1, $2)

SELECT code, level_m FROM stations WHERE id = $1

SELECT code FROM stations WHERE id IN ($1)

SELECT id, code FROM stations WHERE id = $1

SELECT level_m FROM stations WHERE id = $1

UPDATE stations SET level_m = $1 WHERE id = $2

SELECT code FROM stations WHERE id IN ($1, $2) ORDER BY id

SELECT id, code, level_m FROM stations ORDER BY id

SELECT code, level_m FROM stations ORDER BY id

SELECT code FROM stations ORDER BY id

SELECT * FROM stations ORDER BY id

INSERT INTO stations (code, river) VALUES ($1, $2)

SELECT id FROM stations WHERE code = $1

SELECT id FROM stations WHERE code = $1 AND level_m > $2 AND code = $3

SELECT * FROM stations WHERE code = $1

INSERT INTO stations (id, code) VALUES ($1, $2)

SELECT * FROM stations WHERE river <> $1 AND id IN ($2) ORDER BY id

SELECT $11 + $21

SELECT '12:30', $1

DELETE FROM accounts

UPDATE accounts SET balance = balance + 1

UPDATE accounts SET balance = balance + 1 WHERE id = $1

SELECT sum(balance) FROM accounts

UPDATE accounts SET balance = balance - $1 WHERE id = 1

SELECT balance FROM accounts WHERE id = 1

UPDATE stations SET code = $1 WHERE id = 7

SELECT nonsense

SELECT code FROM stations WHERE id = $1

SELECT code FROM stations WHERE id = 7

SELECT * FROM stations

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT count(*) FROM n

UPDATE accounts SET balance = 5

SELECT balance FROM accounts

INSERT INTO more VALUES (3); INSERT INTO missing VALUES (4)

SELECT count(*) FROM more

SELECT * FROM statoins

SELECT * FROM side.t

SELECT id FROM t

INSERT INTO side.t VALUES (1)

INSERT INTO u SELECT id FROM side.t

SELECT id FROM u

UPDATE accounts SET balance = 0

SELECT id FROM stations WHERE id IN ($1)

SELECT id FROM stations WHERE id = $1

DELETE FROM stations WHERE id = $1

SELECT * FROM stations WHERE id = 7

SELECT * FROM stations WHERE id = 8

SELECT 1 AS a; SELECT 'x' AS b, 2 AS c

SELECT 1 AS id, 2 AS id, 'x' AS name

SELECT 1 AS id, 2 AS id

SELECT 1 AS id, 'x' AS name

SELECT 1 AS id

SELECT 1.0

SELECT id FROM stations WHERE id IN ($1) ORDER BY id

UPDATE stations SET river = $1 WHERE code = $2

DELETE FROM stations; DELETE FROM accounts WHERE id = $1

SELECT 'closed'

UPDATE stations SET level_m = 3

SELECT level_m FROM stations WHERE id = 7

DELETE FROM stations

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE)

INSERT INTO stations (id, code) VALUES (9, 'S-09')

SELECT id FROM stations WHERE id > $1

SELECT code FROM stations

DELETE FROM rivers

INSERT INTO accounts VALUES (1, 0)

UPDATE accounts SET balance = $1 WHERE id = 2

SELECT balance FROM accounts WHERE id = $1

SELECT id, balance FROM accounts WHERE id = $1

SELECT id FROM accounts WHERE id = $1

UPDATE accounts SET balance = $1

SELECT id FROM accounts WHERE id IN ($1) ORDER BY id

SELECT id FROM accounts WHERE id = 9

CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER)

INSERT INTO accounts VALUES (1, 100)

SELECT count(*) FROM accounts

SHOW setting

SELECT n FROM series(1, 30)

UPDATE accounts SET balance = balance

UPDATE accounts SET balance = balance; SELECT 1; SELECT 2

SELECT n FROM series(1, 30); SELECT 1; SELECT 2

DROP TABLE IF EXISTS log

CREATE TABLE log (id INTEGER, note TEXT)

INSERT INTO log (id, note) VALUES ($1, $2)

SELECT count(*) FROM log

DELETE FROM log

SELECT 1 AS one

SET greeting = $1

SHOW greeting

SELECT 'alive'

SELECT n FROM series(1, 300)

INSERT INTO journal VALUES ($1, $2, $3, $4)

CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)

CREATE TABLE journal (id INTEGER PRIMARY KEY, payer INTEGER, payee INTEGER, amount INTEGER)

CREATE TABLE notes (id INTEGER PRIMARY KEY)

INSERT INTO accounts VALUES ($1, 1000)

INSERT INTO notes VALUES ($1)

SELECT n FROM series(1, 500)

SELECT id, payer, payee, amount FROM journal

SELECT id FROM notes

INSERT INTO log (id, code, note) VALUES ($1, $2, $3)

CREATE TABLE log (id INTEGER PRIMARY KEY, code TEXT, note TEXT)

SELECT * FROM log WHERE id = $1

SELECT id FROM log WHERE code = $1 OR code = 'b' ORDER BY id

SELECT id FROM log WHERE id = $1 OR id = $2

SELECT code FROM log WHERE id = $1

INSERT INTO log (id, code) VALUES ($1, $2)

SELECT id FROM log WHERE (id IN ($1) OR code = $2) AND id IN ($3) ORDER BY id

INSERT INTO log (id) VALUES (-2)

INSERT INTO log (id) VALUES (-1)

SELECT n FROM series(1, 0)

SELECT 'x' AS word

SELECT id FROM accounts

SELECT 1 WHERE 1 = 0

SELECT n FROM series(1, 100000)

SELECT balance

SELECT 1 AS misjudged

SELECT 11

SELECT 12

SELECT 13

SELECT 14

SELECT 15

SELECT n AS number FROM series(1, 2)

CREATE TABLE t (id INTEGER, word TEXT)

INSERT INTO t VALUES (1, '7'), (2, 'x'), (3, '9')

SELECT word FROM t ORDER BY id

SELECT id, word FROM t ORDER BY id

SELECT 1 AS a; SELECT n AS b FROM series(1, 100); SELECT 3 AS c, 4 AS d

SELECT 1; SELECT 2; SELECT 3

UPDATE accounts SET balance = 1; SELECT nonsense FROM accounts; SELECT 1

UPDATE accounts SET balance = 2 WHERE id = 1; UPDATE accounts SET balance = 3

SELECT 1; SELECT $1

SELECT n FROM series(5, 1000000000)

UPDATE accounts SET balance = balance + $1 RETURNING id, balance

UPDATE accounts SET balance = balance + 1 RETURNING id, balance

UPDATE accounts SET balance = 0 RETURNING id

SELECT id, balance FROM accounts

SELECT id, balance FROM accounts ORDER BY id

SELECT id FROM accounts ORDER BY id; SELECT 9

DELETE FROM accounts WHERE id = 1; SELECT count(*) FROM accounts; DELETE FROM accounts

SELECT id FROM accounts; SELECT 9

DELETE FROM accounts; DELETE FROM accounts

SELECT 1; SELECT nonsense

SELECT 1; INSERT INTO accounts (id, balance) VALUES (5, 5)

INSERT INTO accounts (id, balance) VALUES ($1, $2)

CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT UNIQUE, n INTEGER)

INSERT INTO t (id, word) VALUES ($1, $2)

SELECT $1 FROM nothing

SELECT word FROM t WHERE word = $1

SELECT id FROM t WHERE word = $1

INSERT INTO t (word) VALUES ($1)

INSERT INTO t (id, word) VALUES (1, $1)

SELECT word FROM t WHERE word IN ($1)

SET word = $1

WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 100000) SELECT id FROM n

SELECT id FROM nothing

INSERT INTO accounts (id, balance) VALUES (3, 7)

SELECT * FROM accounts WHERE id = $1

ALTER TABLE accounts ADD COLUMN name TEXT

INSERT INTO accounts (id, balance) VALUES (1, 100), (2, 100)

SELECT balance FROM accounts ORDER BY id

UPDATE accounts SET balance = 100

COMMIT; BEGIN

SELECT 1; END

SAVEPOINT mine

ROLLBACK TO mine

CREATE TABLE more (id INTEGER)

CREATE TABLE rivers (id bigint PRIMARY KEY, name text NOT NULL);
CREATE SEQUENCE names;
INSERT INTO rivers SELECT n, 'river ' || n FROM generate_series(1, 2000) AS n;
ANALYZE rivers

SELECT name FROM rivers WHERE id = $1

SELECT id FROM rivers WHERE name = $1

SELECT * FROM rivers WHERE id IN ($1)

SELECT * FROM rivers WHERE id IN ($1) AND name <> $2

DELETE FROM rivers WHERE id = $1

DROP INDEX IF EXISTS none

DELETE FROM rivers WHERE id <= $1

DELETE FROM rivers WHERE id = 1

INSERT INTO rivers VALUES (2, 'x')

CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT, length REAL)

CREATE INDEX by_name ON rivers (name)

SELECT * FROM (SELECT name FROM rivers UNION ALL SELECT 'x') ORDER BY 1

DELETE FROM rivers WHERE length > $1

SELECT nothing FROM rivers

INSERT INTO rivers (id, name) VALUES (2, 'x')

SELECT wipes()

CREATE TABLE kept (n INT) ENGINE = MyISAM

INSERT INTO kept VALUES ($1)

SELECT id FROM rivers WHERE id IN ($1)

SHOW plan_cache_mode

INSERT INTO rivers VALUES ($1, $2)

UPDATE rivers SET name = 'y' WHERE id = 3000 RETURNING id

SELECT nextval('names')

SELECT id FROM rivers WHERE id = 1 FOR UPDATE

WITH d AS (DELETE FROM rivers WHERE id = 3000 RETURNING id) SELECT id FROM d

EXPLAIN SELECT 1

SELECT no FROM rivers

SELECT count(*) FROM rivers, pg_sleep(600)

CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT)

SELECT id FROM rivers WHERE id IN ($1) LIMIT $2

SELECT count(*) FROM rivers WHERE made > '2021-01-01'

SELECT length FROM rivers WHERE id = $1

SELECT max(id) FROM rivers

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE, level REAL)

INSERT INTO stations (id, code, level) VALUES ($1, $2, $3)

SELECT id, code, level FROM stations WHERE id = $1

SELECT id, code, level FROM stations ORDER BY id

SELECT id FROM stations

UPDATE stations SET level = $1 WHERE id = $2

UPDATE stations SET level = $1

SELECT level FROM stations WHERE id = $1

SELECT $1 AS n

BEGIN; DELETE FROM stations WHERE id = 1

DELETE FROM stations WHERE id = 1

INSERT INTO tanks VALUES ($1, $2)

SELECT string_agg(litres::text, ' ' ORDER BY id) FROM tanks

CREATE TABLE tanks (id int PRIMARY KEY, litres int CHECK (litres >= 0));
CREATE TABLE taps (tank int REFERENCES tanks DEFERRABLE INITIALLY DEFERRED);
INSERT INTO tanks VALUES (1, 100), (2, 100)

SELECT id FROM tanks ORDER BY id

SELECT count(*) FROM tanks

SELECT id FROM tanks WHERE id = $1

UPDATE tankz SET litres = 0

INSERT INTO taps VALUES (9)

SELECT count(*) FROM taps

COPY tanks FROM STDIN

COPY tanks TO STDOUT

SET DateStyle = 'German'

SELECT litres FROM tanks ORDER BY id

CREATE INDEX CONCURRENTLY i ON tanks (litres)

SELECT 1 / 0

SELECT id FROM tanks

ALTER ROLE app PASSWORD 'second'

ALTER ROLE few CONNECTION LIMIT 5

SELECT nextval('computed') FROM generate_series(1, 1000)

CREATE SEQUENCE computed

SELECT last_value FROM computed

SELECT 1::int8

CREATE TABLE rivers (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
name text NOT NULL UNIQUE, length_km double precision)

INSERT INTO rivers (name, length_km) VALUES ($1, $2)

SELECT id, name, length_km FROM rivers WHERE name = $1

SELECT id, name, length_km FROM rivers ORDER BY id

SELECT id, name, length_km FROM rivers WHERE id = $1

SELECT name FROM rivers WHERE id = ANY($1) ORDER BY id

INSERT INTO rivers (name) VALUES ($1)

SELECT pg_backend_pid()::bigint

SET TIME ZONE 'Asia/Tokyo'

DROP TABLE IF EXISTS nowhere

SELECT id FROM t WHERE id = $1

SELECT $1::int8, 'river'

INSERT INTO t VALUES (3)

INSERT INTO t VALUES (4)

INSERT INTO t VALUES (5)

INSERT INTO t VALUES (6)

SELECT string_agg(id::text, ' ' ORDER BY id) FROM t

SELECT pg_advisory_lock($1)

SELECT pg_advisory_unlock($1)

SELECT generate_series(1, 2000000000), repeat('x', 100)

INSERT INTO t VALUES (4); INSERT INTO t VALUES (5)

SELECT id FROM t ORDER BY id

SELECT count(*) FROM aquifer_commits

CREATE TABLE child (t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)

INSERT INTO child VALUES ($1)

SELECT $1::int8 + $2::int8

CREATE TABLE t (id int8)

SELECT count(*) FROM t WHERE id >= 0

SELECT count(*) FROM t WHERE id < 0

SELECT i, repeat('x', 100) FROM generate_series(1, 300000) AS i

CREATE FUNCTION w(i int) RETURNS text LANGUAGE sql AS
$$ INSERT INTO t VALUES (i + 100); SELECT repeat('y', 1000) $$

SELECT w(i) FROM generate_series(1, 2000) AS i

SELECT w($1)

CREATE FUNCTION w(i int) RETURNS int LANGUAGE sql AS
$$ INSERT INTO t VALUES (i); SELECT 1 $$

SET search_path = evil, public; COPY t FROM STDIN

SET LOCAL work_mem = '1MB'; SET search_path = evil

SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()

INSERT INTO t VALUES ('x')

ALTER TABLE t ALTER id TYPE bigint

SELECT max(id) FROM t

CALL p($1)

SELECT $11, $21 * 2

CREATE TABLE a (id INTEGER); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)

SELECT count(*) FROM orders WHERE state = $1

SELECT id FROM events ORDER BY id

SELECT * FROM orders WHERE id = $1

COPY rivers (id, name) FROM STDIN (FORMAT csv)

SELECT id, name, km FROM rivers

SELECT code, level_m FROM stations ORDER BY level_m DESC LIMIT 1

CREATE TABLE stations (code TEXT PRIMARY KEY, level_m REAL)

INSERT INTO stations VALUES ($1, $2)

SELECT code, level_m FROM stations ORDER BY code

DELETE FROM stations WHERE level_m > $1

CREATE TABLE readings (station_id INTEGER, minute INTEGER, level_m REAL)

INSERT INTO readings (station_id, minute, level_m)
VALUES ($1, $2, $3)

INSERT INTO readings VALUES ($1, $2, $3)

SELECT station_id, count(*) FROM readings GROUP BY 1 ORDER BY 1

SELECT max(level) FROM readings WHERE station = $1

DROP TABLE IF EXISTS readings;
CREATE TABLE readings (station INTEGER, level REAL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 800)
INSERT INTO readings SELECT i % 8, i * 37 % 100 FROM n;

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE)

SELECT 300 AS level

UPDATE stations SET code = $1 WHERE id = $2 AND code = $3

UPDATE station SET x = 1

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, level_m REAL);
INSERT INTO stations VALUES (1, 'N-01', 1.5), (2, 'N-02', NULL), (3, 'T-01', 0.25);

SELECT code FROM stations WHERE id IN ($1) ORDER BY id

SELECT code FROM stations WHERE level_m BETWEEN $1 AND $2

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)
SELECT sum(i) FROM n

INSERT INTO journal (text) VALUES ($1)

SELECT text FROM journal ORDER BY rowid

CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
CREATE TABLE journal (text TEXT);
INSERT INTO stations VALUES (1, 'A'), (2, 'B');

SELECT id, title, price, published, copies, lent_out FROM books ORDER BY id

UPDATE books SET copies = copies - 1, lent_out = $1 WHERE id = $2

INSERT INTO loans (book_id, reader, at) VALUES ($1, $2, $3)

DROP TABLE IF EXISTS loans; DROP TABLE IF EXISTS books

INSERT INTO books (isbn, title, price, published, copies, lent_out)
VALUES ($1, $2, $3, $4, $5, $6)

SELECT count(*) FROM loans

SELECT max(at) FROM loans

UPDATE books SET copies = copies + $1 WHERE id = $2

INSERT INTO books (isbn) VALUES ($1)

SELECT avg(copies) FROM books

SELECT title, price, copies FROM books WHERE id IN ($1) ORDER BY title DESC

DELETE FROM books WHERE id = 1

SELECT * FROM readers

SELECT pages FROM books

DELETE FROM books WHERE id = 99

SELECT id, title, price, published, copies, lent_out FROM books WHERE isbn = $1

SELECT id FROM books WHERE isbn = $1

UPDATE books SET copies = copies WHERE copies > $1

DROP TABLE loans; DROP TABLE books

UPDATE example_tanks.tanks SET litres = litres + $1 WHERE id = $2

SELECT litres FROM example_tanks.tanks ORDER BY id

DROP SCHEMA IF EXISTS example_tanks CASCADE;
CREATE SCHEMA example_tanks;
CREATE TABLE example_tanks.tanks (id int PRIMARY KEY, litres int CHECK (litres >= 0));
INSERT INTO example_tanks.tanks VALUES (1, 100), (2, 100)

SELECT count(*) FROM example_tanks.tanks

SELECT generate_series(1, 1000000000)

DROP SCHEMA example_tanks CASCADE

DROP SCHEMA IF EXISTS example_levels CASCADE;
CREATE SCHEMA example_levels;
CREATE TABLE example_levels.readings (station text, minute int, level_m float8)

SELECT * FROM example_levels.readings WHERE level_m IS NULL ORDER BY minute

COPY (SELECT * FROM example_levels.readings ORDER BY minute LIMIT 3) TO STDOUT (FORMAT csv, HEADER)

DROP SCHEMA example_levels CASCADE

WITH RECURSIVE minutes (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM minutes)
SELECT n, 'N-' || (n % 7) AS code, (n % 100) / 10.0 AS level_m FROM minutes LIMIT $1

CREATE TABLE rivers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE stations (id INTEGER PRIMARY KEY, code TEXT, river_id INTEGER, state TEXT);
INSERT INTO rivers VALUES (1, 'Nera');

INSERT INTO stations (code, river_id, state) VALUES ($1, $2, $3)

SELECT s.id, s.code, s.state, r.id AS river_id, r.name AS river_name
FROM stations s LEFT JOIN rivers r ON r.id = s.river_id ORDER BY s.id

SELECT code FROM stations WHERE state = $1

CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0));
INSERT INTO accounts VALUES (1, 100), (2, 0);
