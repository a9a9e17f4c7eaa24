/* libpq: one workload per process. Reads "first count" lines, does the operations, checks the answers, and
 * says "nanoseconds of wall clock, nanoseconds of CPU"; anything else it says is why it stopped. */
#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POINT "SELECT id, code, river, level_m FROM stations WHERE id = $1"
#define SCAN "SELECT id, code, river, level_m FROM stations LIMIT $1"
#define POINTS 10000
#define FLIGHT 64

static PGconn *conn;

static void stop(const char *why) {
    printf("%s: %s\n", why, conn ? PQerrorMessage(conn) : "");
    exit(1);
}

static int64_t key(uint64_t operation) {
    uint64_t mixed = operation + 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (int64_t)(mixed % POINTS) + 1;
}

static uint64_t big_endian(const char *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return __builtin_bswap64(value);
}

/* Copies the texts, as the peers in Rust do into their structs. */
static void check(const PGresult *result, int row, int64_t wanted) {
    int64_t id = (int64_t)big_endian(PQgetvalue(result, row, 0));
    char *code = strdup(PQgetvalue(result, row, 1));
    char *river = strdup(PQgetvalue(result, row, 2));
    int null = PQgetisnull(result, row, 3);
    uint64_t bits = null ? 0 : big_endian(PQgetvalue(result, row, 3));
    double level;
    memcpy(&level, &bits, 8);
    if (id != wanted || strlen(code) != 9 || strlen(river) <= 6 || null != (wanted % 10 == 0) ||
        level < 0)
        stop("a wrong answer");
    free(code);
    free(river);
}

static void send_argument(int64_t argument) {
    uint64_t bytes = __builtin_bswap64((uint64_t)argument);
    const char *values[1] = {(const char *)&bytes};
    int lengths[1] = {8}, formats[1] = {1};
    if (!PQsendQueryPrepared(conn, "s", 1, values, lengths, formats, 1)) stop("send");
}

static void one(int64_t wanted) {
    PGresult *result = PQgetResult(conn);
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) stop("no row");
    check(result, 0, wanted);
    PQclear(result);
    if (PQgetResult(conn)) stop("more than one result");
}

static void point(uint64_t first, uint64_t count) {
    for (uint64_t operation = first; operation < first + count; operation++) {
        send_argument(key(operation));
        one(key(operation));
    }
}

static void pipeline(uint64_t first, uint64_t count) {
    for (uint64_t start = first; start < first + count; start += FLIGHT) {
        uint64_t end = start + FLIGHT < first + count ? start + FLIGHT : first + count;
        for (uint64_t operation = start; operation < end; operation++)
            send_argument(key(operation));
        if (!PQpipelineSync(conn)) stop("sync");
        for (uint64_t operation = start; operation < end; operation++) one(key(operation));
        PGresult *result = PQgetResult(conn);
        if (PQresultStatus(result) != PGRES_PIPELINE_SYNC) stop("no sync");
        PQclear(result);
    }
}

static void scan(uint64_t scanned, uint64_t count) {
    while (count > 0) {
        uint64_t some = count < scanned ? count : scanned;
        send_argument((int64_t)some);
        if (!PQsetSingleRowMode(conn)) stop("single row mode");
        uint64_t rows = 0;
        PGresult *result;
        while ((result = PQgetResult(conn))) {
            if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
                check(result, 0, (int64_t)++rows);
            else if (PQresultStatus(result) != PGRES_TUPLES_OK)
                stop("scan");
            PQclear(result);
        }
        if (rows != some) stop("another number of rows");
        count -= some;
    }
}

static void hello(const char *url, uint64_t count) {
    while (count-- > 0) {
        PGconn *session = PQconnectdb(url);
        PGresult *result = PQexec(session, "SELECT 7");
        if (PQresultStatus(result) != PGRES_TUPLES_OK || strcmp(PQgetvalue(result, 0, 0), "7"))
            stop(PQerrorMessage(session));
        PQclear(result);
        PQfinish(session);
    }
}

static uint64_t nanos(struct timespec time) {
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t cpu(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return nanos(time);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return nanos(time);
}

/* workload, URL, rows of a scan */
int main(int argc, char **argv) {
    unsigned long long first, count;
    if (argc != 4) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *workload = argv[1];
    uint64_t scanned = strtoull(argv[3], NULL, 10);
    if (strcmp(workload, "connect")) {
        conn = PQconnectdb(argv[2]);
        if (PQstatus(conn) != CONNECTION_OK) stop("connect");
        PQclear(PQprepare(conn, "s", strcmp(workload, "scan") ? POINT : SCAN, 0, NULL));
        if (!strcmp(workload, "pipeline") && !PQenterPipelineMode(conn)) stop("pipeline mode");
    }
    while (scanf("%llu %llu", &first, &count) == 2) {
        uint64_t cpu_before = cpu(), started = now();
        if (!strcmp(workload, "point")) point(first, count);
        else if (!strcmp(workload, "pipeline")) pipeline(first, count);
        else if (!strcmp(workload, "scan")) scan(scanned, count);
        else hello(argv[2], count);
        printf("%llu %llu\n", (unsigned long long)(now() - started),
               (unsigned long long)(cpu() - cpu_before));
    }
    return 0;
}
