//! The types that are built in, with the numbers they have on every server. Written by catalogue.sql.

use super::Type;

/// Sorted by number.
#[rustfmt::skip]
pub(super) static TYPES: &[Type] = &[
    Type { oid: 16, name: "BOOL", element: 0, array: 1000 },
    Type { oid: 17, name: "BYTEA", element: 0, array: 1001 },
    Type { oid: 18, name: "CHAR", element: 0, array: 1002 },
    Type { oid: 19, name: "NAME", element: 0, array: 1003 },
    Type { oid: 20, name: "INT8", element: 0, array: 1016 },
    Type { oid: 21, name: "INT2", element: 0, array: 1005 },
    Type { oid: 22, name: "INT2VECTOR", element: 0, array: 1006 },
    Type { oid: 23, name: "INT4", element: 0, array: 1007 },
    Type { oid: 24, name: "REGPROC", element: 0, array: 1008 },
    Type { oid: 25, name: "TEXT", element: 0, array: 1009 },
    Type { oid: 26, name: "OID", element: 0, array: 1028 },
    Type { oid: 27, name: "TID", element: 0, array: 1010 },
    Type { oid: 28, name: "XID", element: 0, array: 1011 },
    Type { oid: 29, name: "CID", element: 0, array: 1012 },
    Type { oid: 30, name: "OIDVECTOR", element: 0, array: 1013 },
    Type { oid: 32, name: "PG_DDL_COMMAND", element: 0, array: 0 },
    Type { oid: 114, name: "JSON", element: 0, array: 199 },
    Type { oid: 142, name: "XML", element: 0, array: 143 },
    Type { oid: 143, name: "XML[]", element: 142, array: 0 },
    Type { oid: 194, name: "PG_NODE_TREE", element: 0, array: 0 },
    Type { oid: 199, name: "JSON[]", element: 114, array: 0 },
    Type { oid: 269, name: "TABLE_AM_HANDLER", element: 0, array: 0 },
    Type { oid: 271, name: "XID8[]", element: 5069, array: 0 },
    Type { oid: 325, name: "INDEX_AM_HANDLER", element: 0, array: 0 },
    Type { oid: 600, name: "POINT", element: 0, array: 1017 },
    Type { oid: 601, name: "LSEG", element: 0, array: 1018 },
    Type { oid: 602, name: "PATH", element: 0, array: 1019 },
    Type { oid: 603, name: "BOX", element: 0, array: 1020 },
    Type { oid: 604, name: "POLYGON", element: 0, array: 1027 },
    Type { oid: 628, name: "LINE", element: 0, array: 629 },
    Type { oid: 629, name: "LINE[]", element: 628, array: 0 },
    Type { oid: 650, name: "CIDR", element: 0, array: 651 },
    Type { oid: 651, name: "CIDR[]", element: 650, array: 0 },
    Type { oid: 700, name: "FLOAT4", element: 0, array: 1021 },
    Type { oid: 701, name: "FLOAT8", element: 0, array: 1022 },
    Type { oid: 705, name: "UNKNOWN", element: 0, array: 0 },
    Type { oid: 718, name: "CIRCLE", element: 0, array: 719 },
    Type { oid: 719, name: "CIRCLE[]", element: 718, array: 0 },
    Type { oid: 774, name: "MACADDR8", element: 0, array: 775 },
    Type { oid: 775, name: "MACADDR8[]", element: 774, array: 0 },
    Type { oid: 790, name: "MONEY", element: 0, array: 791 },
    Type { oid: 791, name: "MONEY[]", element: 790, array: 0 },
    Type { oid: 829, name: "MACADDR", element: 0, array: 1040 },
    Type { oid: 869, name: "INET", element: 0, array: 1041 },
    Type { oid: 1000, name: "BOOL[]", element: 16, array: 0 },
    Type { oid: 1001, name: "BYTEA[]", element: 17, array: 0 },
    Type { oid: 1002, name: "CHAR[]", element: 18, array: 0 },
    Type { oid: 1003, name: "NAME[]", element: 19, array: 0 },
    Type { oid: 1005, name: "INT2[]", element: 21, array: 0 },
    Type { oid: 1006, name: "INT2VECTOR[]", element: 22, array: 0 },
    Type { oid: 1007, name: "INT4[]", element: 23, array: 0 },
    Type { oid: 1008, name: "REGPROC[]", element: 24, array: 0 },
    Type { oid: 1009, name: "TEXT[]", element: 25, array: 0 },
    Type { oid: 1010, name: "TID[]", element: 27, array: 0 },
    Type { oid: 1011, name: "XID[]", element: 28, array: 0 },
    Type { oid: 1012, name: "CID[]", element: 29, array: 0 },
    Type { oid: 1013, name: "OIDVECTOR[]", element: 30, array: 0 },
    Type { oid: 1014, name: "BPCHAR[]", element: 1042, array: 0 },
    Type { oid: 1015, name: "VARCHAR[]", element: 1043, array: 0 },
    Type { oid: 1016, name: "INT8[]", element: 20, array: 0 },
    Type { oid: 1017, name: "POINT[]", element: 600, array: 0 },
    Type { oid: 1018, name: "LSEG[]", element: 601, array: 0 },
    Type { oid: 1019, name: "PATH[]", element: 602, array: 0 },
    Type { oid: 1020, name: "BOX[]", element: 603, array: 0 },
    Type { oid: 1021, name: "FLOAT4[]", element: 700, array: 0 },
    Type { oid: 1022, name: "FLOAT8[]", element: 701, array: 0 },
    Type { oid: 1027, name: "POLYGON[]", element: 604, array: 0 },
    Type { oid: 1028, name: "OID[]", element: 26, array: 0 },
    Type { oid: 1033, name: "ACLITEM", element: 0, array: 1034 },
    Type { oid: 1034, name: "ACLITEM[]", element: 1033, array: 0 },
    Type { oid: 1040, name: "MACADDR[]", element: 829, array: 0 },
    Type { oid: 1041, name: "INET[]", element: 869, array: 0 },
    Type { oid: 1042, name: "BPCHAR", element: 0, array: 1014 },
    Type { oid: 1043, name: "VARCHAR", element: 0, array: 1015 },
    Type { oid: 1082, name: "DATE", element: 0, array: 1182 },
    Type { oid: 1083, name: "TIME", element: 0, array: 1183 },
    Type { oid: 1114, name: "TIMESTAMP", element: 0, array: 1115 },
    Type { oid: 1115, name: "TIMESTAMP[]", element: 1114, array: 0 },
    Type { oid: 1182, name: "DATE[]", element: 1082, array: 0 },
    Type { oid: 1183, name: "TIME[]", element: 1083, array: 0 },
    Type { oid: 1184, name: "TIMESTAMPTZ", element: 0, array: 1185 },
    Type { oid: 1185, name: "TIMESTAMPTZ[]", element: 1184, array: 0 },
    Type { oid: 1186, name: "INTERVAL", element: 0, array: 1187 },
    Type { oid: 1187, name: "INTERVAL[]", element: 1186, array: 0 },
    Type { oid: 1231, name: "NUMERIC[]", element: 1700, array: 0 },
    Type { oid: 1263, name: "CSTRING[]", element: 2275, array: 0 },
    Type { oid: 1266, name: "TIMETZ", element: 0, array: 1270 },
    Type { oid: 1270, name: "TIMETZ[]", element: 1266, array: 0 },
    Type { oid: 1560, name: "BIT", element: 0, array: 1561 },
    Type { oid: 1561, name: "BIT[]", element: 1560, array: 0 },
    Type { oid: 1562, name: "VARBIT", element: 0, array: 1563 },
    Type { oid: 1563, name: "VARBIT[]", element: 1562, array: 0 },
    Type { oid: 1700, name: "NUMERIC", element: 0, array: 1231 },
    Type { oid: 1790, name: "REFCURSOR", element: 0, array: 2201 },
    Type { oid: 2201, name: "REFCURSOR[]", element: 1790, array: 0 },
    Type { oid: 2202, name: "REGPROCEDURE", element: 0, array: 2207 },
    Type { oid: 2203, name: "REGOPER", element: 0, array: 2208 },
    Type { oid: 2204, name: "REGOPERATOR", element: 0, array: 2209 },
    Type { oid: 2205, name: "REGCLASS", element: 0, array: 2210 },
    Type { oid: 2206, name: "REGTYPE", element: 0, array: 2211 },
    Type { oid: 2207, name: "REGPROCEDURE[]", element: 2202, array: 0 },
    Type { oid: 2208, name: "REGOPER[]", element: 2203, array: 0 },
    Type { oid: 2209, name: "REGOPERATOR[]", element: 2204, array: 0 },
    Type { oid: 2210, name: "REGCLASS[]", element: 2205, array: 0 },
    Type { oid: 2211, name: "REGTYPE[]", element: 2206, array: 0 },
    Type { oid: 2249, name: "RECORD", element: 0, array: 2287 },
    Type { oid: 2275, name: "CSTRING", element: 0, array: 1263 },
    Type { oid: 2276, name: "ANY", element: 0, array: 0 },
    Type { oid: 2277, name: "ANYARRAY", element: 0, array: 0 },
    Type { oid: 2278, name: "VOID", element: 0, array: 0 },
    Type { oid: 2279, name: "TRIGGER", element: 0, array: 0 },
    Type { oid: 2280, name: "LANGUAGE_HANDLER", element: 0, array: 0 },
    Type { oid: 2281, name: "INTERNAL", element: 0, array: 0 },
    Type { oid: 2283, name: "ANYELEMENT", element: 0, array: 0 },
    Type { oid: 2287, name: "RECORD[]", element: 2249, array: 0 },
    Type { oid: 2776, name: "ANYNONARRAY", element: 0, array: 0 },
    Type { oid: 2949, name: "TXID_SNAPSHOT[]", element: 2970, array: 0 },
    Type { oid: 2950, name: "UUID", element: 0, array: 2951 },
    Type { oid: 2951, name: "UUID[]", element: 2950, array: 0 },
    Type { oid: 2970, name: "TXID_SNAPSHOT", element: 0, array: 2949 },
    Type { oid: 3115, name: "FDW_HANDLER", element: 0, array: 0 },
    Type { oid: 3220, name: "PG_LSN", element: 0, array: 3221 },
    Type { oid: 3221, name: "PG_LSN[]", element: 3220, array: 0 },
    Type { oid: 3310, name: "TSM_HANDLER", element: 0, array: 0 },
    Type { oid: 3361, name: "PG_NDISTINCT", element: 0, array: 0 },
    Type { oid: 3402, name: "PG_DEPENDENCIES", element: 0, array: 0 },
    Type { oid: 3500, name: "ANYENUM", element: 0, array: 0 },
    Type { oid: 3614, name: "TSVECTOR", element: 0, array: 3643 },
    Type { oid: 3615, name: "TSQUERY", element: 0, array: 3645 },
    Type { oid: 3642, name: "GTSVECTOR", element: 0, array: 3644 },
    Type { oid: 3643, name: "TSVECTOR[]", element: 3614, array: 0 },
    Type { oid: 3644, name: "GTSVECTOR[]", element: 3642, array: 0 },
    Type { oid: 3645, name: "TSQUERY[]", element: 3615, array: 0 },
    Type { oid: 3734, name: "REGCONFIG", element: 0, array: 3735 },
    Type { oid: 3735, name: "REGCONFIG[]", element: 3734, array: 0 },
    Type { oid: 3769, name: "REGDICTIONARY", element: 0, array: 3770 },
    Type { oid: 3770, name: "REGDICTIONARY[]", element: 3769, array: 0 },
    Type { oid: 3802, name: "JSONB", element: 0, array: 3807 },
    Type { oid: 3807, name: "JSONB[]", element: 3802, array: 0 },
    Type { oid: 3831, name: "ANYRANGE", element: 0, array: 0 },
    Type { oid: 3838, name: "EVENT_TRIGGER", element: 0, array: 0 },
    Type { oid: 3904, name: "INT4RANGE", element: 0, array: 3905 },
    Type { oid: 3905, name: "INT4RANGE[]", element: 3904, array: 0 },
    Type { oid: 3906, name: "NUMRANGE", element: 0, array: 3907 },
    Type { oid: 3907, name: "NUMRANGE[]", element: 3906, array: 0 },
    Type { oid: 3908, name: "TSRANGE", element: 0, array: 3909 },
    Type { oid: 3909, name: "TSRANGE[]", element: 3908, array: 0 },
    Type { oid: 3910, name: "TSTZRANGE", element: 0, array: 3911 },
    Type { oid: 3911, name: "TSTZRANGE[]", element: 3910, array: 0 },
    Type { oid: 3912, name: "DATERANGE", element: 0, array: 3913 },
    Type { oid: 3913, name: "DATERANGE[]", element: 3912, array: 0 },
    Type { oid: 3926, name: "INT8RANGE", element: 0, array: 3927 },
    Type { oid: 3927, name: "INT8RANGE[]", element: 3926, array: 0 },
    Type { oid: 4072, name: "JSONPATH", element: 0, array: 4073 },
    Type { oid: 4073, name: "JSONPATH[]", element: 4072, array: 0 },
    Type { oid: 4089, name: "REGNAMESPACE", element: 0, array: 4090 },
    Type { oid: 4090, name: "REGNAMESPACE[]", element: 4089, array: 0 },
    Type { oid: 4096, name: "REGROLE", element: 0, array: 4097 },
    Type { oid: 4097, name: "REGROLE[]", element: 4096, array: 0 },
    Type { oid: 4191, name: "REGCOLLATION", element: 0, array: 4192 },
    Type { oid: 4192, name: "REGCOLLATION[]", element: 4191, array: 0 },
    Type { oid: 4451, name: "INT4MULTIRANGE", element: 0, array: 6150 },
    Type { oid: 4532, name: "NUMMULTIRANGE", element: 0, array: 6151 },
    Type { oid: 4533, name: "TSMULTIRANGE", element: 0, array: 6152 },
    Type { oid: 4534, name: "TSTZMULTIRANGE", element: 0, array: 6153 },
    Type { oid: 4535, name: "DATEMULTIRANGE", element: 0, array: 6155 },
    Type { oid: 4536, name: "INT8MULTIRANGE", element: 0, array: 6157 },
    Type { oid: 4537, name: "ANYMULTIRANGE", element: 0, array: 0 },
    Type { oid: 4538, name: "ANYCOMPATIBLEMULTIRANGE", element: 0, array: 0 },
    Type { oid: 4600, name: "PG_BRIN_BLOOM_SUMMARY", element: 0, array: 0 },
    Type { oid: 4601, name: "PG_BRIN_MINMAX_MULTI_SUMMARY", element: 0, array: 0 },
    Type { oid: 5017, name: "PG_MCV_LIST", element: 0, array: 0 },
    Type { oid: 5038, name: "PG_SNAPSHOT", element: 0, array: 5039 },
    Type { oid: 5039, name: "PG_SNAPSHOT[]", element: 5038, array: 0 },
    Type { oid: 5069, name: "XID8", element: 0, array: 271 },
    Type { oid: 5077, name: "ANYCOMPATIBLE", element: 0, array: 0 },
    Type { oid: 5078, name: "ANYCOMPATIBLEARRAY", element: 0, array: 0 },
    Type { oid: 5079, name: "ANYCOMPATIBLENONARRAY", element: 0, array: 0 },
    Type { oid: 5080, name: "ANYCOMPATIBLERANGE", element: 0, array: 0 },
    Type { oid: 6150, name: "INT4MULTIRANGE[]", element: 4451, array: 0 },
    Type { oid: 6151, name: "NUMMULTIRANGE[]", element: 4532, array: 0 },
    Type { oid: 6152, name: "TSMULTIRANGE[]", element: 4533, array: 0 },
    Type { oid: 6153, name: "TSTZMULTIRANGE[]", element: 4534, array: 0 },
    Type { oid: 6155, name: "DATEMULTIRANGE[]", element: 4535, array: 0 },
    Type { oid: 6157, name: "INT8MULTIRANGE[]", element: 4536, array: 0 },
];

/// The numbers by name.
pub(super) mod oid {
    use super::super::Oid;

    pub(in super::super) const BOOL: Oid = 16;
    pub(in super::super) const BYTEA: Oid = 17;
    pub(in super::super) const CHAR: Oid = 18;
    pub(in super::super) const NAME: Oid = 19;
    pub(in super::super) const INT8: Oid = 20;
    pub(in super::super) const INT2: Oid = 21;
    pub(in super::super) const INT2VECTOR: Oid = 22;
    pub(in super::super) const INT4: Oid = 23;
    pub(in super::super) const REGPROC: Oid = 24;
    pub(in super::super) const TEXT: Oid = 25;
    pub(in super::super) const OID: Oid = 26;
    pub(in super::super) const TID: Oid = 27;
    pub(in super::super) const XID: Oid = 28;
    pub(in super::super) const CID: Oid = 29;
    pub(in super::super) const OIDVECTOR: Oid = 30;
    pub(in super::super) const JSON: Oid = 114;
    pub(in super::super) const XML: Oid = 142;
    pub(in super::super) const PG_NODE_TREE: Oid = 194;
    pub(in super::super) const POINT: Oid = 600;
    pub(in super::super) const LSEG: Oid = 601;
    pub(in super::super) const PATH: Oid = 602;
    pub(in super::super) const BOX: Oid = 603;
    pub(in super::super) const POLYGON: Oid = 604;
    pub(in super::super) const LINE: Oid = 628;
    pub(in super::super) const CIDR: Oid = 650;
    pub(in super::super) const FLOAT4: Oid = 700;
    pub(in super::super) const FLOAT8: Oid = 701;
    pub(in super::super) const UNKNOWN: Oid = 705;
    pub(in super::super) const CIRCLE: Oid = 718;
    pub(in super::super) const MACADDR8: Oid = 774;
    pub(in super::super) const MONEY: Oid = 790;
    pub(in super::super) const MACADDR: Oid = 829;
    pub(in super::super) const INET: Oid = 869;
    pub(in super::super) const ACLITEM: Oid = 1033;
    pub(in super::super) const BPCHAR: Oid = 1042;
    pub(in super::super) const VARCHAR: Oid = 1043;
    pub(in super::super) const DATE: Oid = 1082;
    pub(in super::super) const TIME: Oid = 1083;
    pub(in super::super) const TIMESTAMP: Oid = 1114;
    pub(in super::super) const TIMESTAMPTZ: Oid = 1184;
    pub(in super::super) const INTERVAL: Oid = 1186;
    pub(in super::super) const TIMETZ: Oid = 1266;
    pub(in super::super) const BIT: Oid = 1560;
    pub(in super::super) const VARBIT: Oid = 1562;
    pub(in super::super) const NUMERIC: Oid = 1700;
    pub(in super::super) const REFCURSOR: Oid = 1790;
    pub(in super::super) const REGPROCEDURE: Oid = 2202;
    pub(in super::super) const REGOPER: Oid = 2203;
    pub(in super::super) const REGOPERATOR: Oid = 2204;
    pub(in super::super) const REGCLASS: Oid = 2205;
    pub(in super::super) const REGTYPE: Oid = 2206;
    pub(in super::super) const RECORD: Oid = 2249;
    pub(in super::super) const CSTRING: Oid = 2275;
    pub(in super::super) const VOID: Oid = 2278;
    pub(in super::super) const UUID: Oid = 2950;
    pub(in super::super) const TXID_SNAPSHOT: Oid = 2970;
    pub(in super::super) const PG_LSN: Oid = 3220;
    pub(in super::super) const PG_NDISTINCT: Oid = 3361;
    pub(in super::super) const PG_DEPENDENCIES: Oid = 3402;
    pub(in super::super) const TSVECTOR: Oid = 3614;
    pub(in super::super) const TSQUERY: Oid = 3615;
    pub(in super::super) const GTSVECTOR: Oid = 3642;
    pub(in super::super) const REGCONFIG: Oid = 3734;
    pub(in super::super) const REGDICTIONARY: Oid = 3769;
    pub(in super::super) const JSONB: Oid = 3802;
    pub(in super::super) const INT4RANGE: Oid = 3904;
    pub(in super::super) const NUMRANGE: Oid = 3906;
    pub(in super::super) const TSRANGE: Oid = 3908;
    pub(in super::super) const TSTZRANGE: Oid = 3910;
    pub(in super::super) const DATERANGE: Oid = 3912;
    pub(in super::super) const INT8RANGE: Oid = 3926;
    pub(in super::super) const JSONPATH: Oid = 4072;
    pub(in super::super) const REGNAMESPACE: Oid = 4089;
    pub(in super::super) const REGROLE: Oid = 4096;
    pub(in super::super) const REGCOLLATION: Oid = 4191;
    pub(in super::super) const INT4MULTIRANGE: Oid = 4451;
    pub(in super::super) const NUMMULTIRANGE: Oid = 4532;
    pub(in super::super) const TSMULTIRANGE: Oid = 4533;
    pub(in super::super) const TSTZMULTIRANGE: Oid = 4534;
    pub(in super::super) const DATEMULTIRANGE: Oid = 4535;
    pub(in super::super) const INT8MULTIRANGE: Oid = 4536;
    pub(in super::super) const PG_BRIN_BLOOM_SUMMARY: Oid = 4600;
    pub(in super::super) const PG_BRIN_MINMAX_MULTI_SUMMARY: Oid = 4601;
    pub(in super::super) const PG_MCV_LIST: Oid = 5017;
    pub(in super::super) const PG_SNAPSHOT: Oid = 5038;
    pub(in super::super) const XID8: Oid = 5069;
}
