//! Written by `cargo xtask generate` from codes.txt: change that file instead.

use super::SqlState;

/// The codes that PostgreSQL defines. Where two classes have a condition of the same name, the
/// constants of the rarer classes begin with the class.
impl SqlState {
    /// `00000`: successful completion.
    pub const SUCCESSFUL_COMPLETION: Self = Self(*b"00000");
    /// `01000`: warning.
    pub const WARNING: Self = Self(*b"01000");
    /// `01003`: null value eliminated in set function.
    pub const NULL_VALUE_ELIMINATED_IN_SET_FUNCTION: Self = Self(*b"01003");
    /// `01004`: string data right truncation.
    pub const WARNING_STRING_DATA_RIGHT_TRUNCATION: Self = Self(*b"01004");
    /// `01006`: privilege not revoked.
    pub const PRIVILEGE_NOT_REVOKED: Self = Self(*b"01006");
    /// `01007`: privilege not granted.
    pub const PRIVILEGE_NOT_GRANTED: Self = Self(*b"01007");
    /// `01008`: implicit zero bit padding.
    pub const IMPLICIT_ZERO_BIT_PADDING: Self = Self(*b"01008");
    /// `0100C`: dynamic result sets returned.
    pub const DYNAMIC_RESULT_SETS_RETURNED: Self = Self(*b"0100C");
    /// `01P01`: deprecated feature.
    pub const DEPRECATED_FEATURE: Self = Self(*b"01P01");
    /// `02000`: no data.
    pub const NO_DATA: Self = Self(*b"02000");
    /// `02001`: no additional dynamic result sets returned.
    pub const NO_ADDITIONAL_DYNAMIC_RESULT_SETS_RETURNED: Self = Self(*b"02001");
    /// `03000`: sql statement not yet complete.
    pub const SQL_STATEMENT_NOT_YET_COMPLETE: Self = Self(*b"03000");
    /// `08000`: connection exception.
    pub const CONNECTION_EXCEPTION: Self = Self(*b"08000");
    /// `08001`: sqlclient unable to establish sqlconnection.
    pub const SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION: Self = Self(*b"08001");
    /// `08003`: connection does not exist.
    pub const CONNECTION_DOES_NOT_EXIST: Self = Self(*b"08003");
    /// `08004`: sqlserver rejected establishment of sqlconnection.
    pub const SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION: Self = Self(*b"08004");
    /// `08006`: connection failure.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `08007`: transaction resolution unknown.
    pub const TRANSACTION_RESOLUTION_UNKNOWN: Self = Self(*b"08007");
    /// `08P01`: protocol violation.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `09000`: triggered action exception.
    pub const TRIGGERED_ACTION_EXCEPTION: Self = Self(*b"09000");
    /// `0A000`: feature not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `0B000`: invalid transaction initiation.
    pub const INVALID_TRANSACTION_INITIATION: Self = Self(*b"0B000");
    /// `0F000`: locator exception.
    pub const LOCATOR_EXCEPTION: Self = Self(*b"0F000");
    /// `0F001`: invalid locator specification.
    pub const INVALID_LOCATOR_SPECIFICATION: Self = Self(*b"0F001");
    /// `0L000`: invalid grantor.
    pub const INVALID_GRANTOR: Self = Self(*b"0L000");
    /// `0LP01`: invalid grant operation.
    pub const INVALID_GRANT_OPERATION: Self = Self(*b"0LP01");
    /// `0P000`: invalid role specification.
    pub const INVALID_ROLE_SPECIFICATION: Self = Self(*b"0P000");
    /// `0Z000`: diagnostics exception.
    pub const DIAGNOSTICS_EXCEPTION: Self = Self(*b"0Z000");
    /// `0Z002`: stacked diagnostics accessed without active handler.
    pub const STACKED_DIAGNOSTICS_ACCESSED_WITHOUT_ACTIVE_HANDLER: Self = Self(*b"0Z002");
    /// `10608`: invalid argument for xquery.
    pub const INVALID_ARGUMENT_FOR_XQUERY: Self = Self(*b"10608");
    /// `20000`: case not found.
    pub const CASE_NOT_FOUND: Self = Self(*b"20000");
    /// `21000`: cardinality violation.
    pub const CARDINALITY_VIOLATION: Self = Self(*b"21000");
    /// `22000`: data exception.
    pub const DATA_EXCEPTION: Self = Self(*b"22000");
    /// `22001`: string data right truncation.
    pub const STRING_DATA_RIGHT_TRUNCATION: Self = Self(*b"22001");
    /// `22002`: null value no indicator parameter.
    pub const NULL_VALUE_NO_INDICATOR_PARAMETER: Self = Self(*b"22002");
    /// `22003`: numeric value out of range.
    pub const NUMERIC_VALUE_OUT_OF_RANGE: Self = Self(*b"22003");
    /// `22004`: null value not allowed.
    pub const NULL_VALUE_NOT_ALLOWED: Self = Self(*b"22004");
    /// `22005`: error in assignment.
    pub const ERROR_IN_ASSIGNMENT: Self = Self(*b"22005");
    /// `22007`: invalid datetime format.
    pub const INVALID_DATETIME_FORMAT: Self = Self(*b"22007");
    /// `22008`: datetime field overflow.
    pub const DATETIME_FIELD_OVERFLOW: Self = Self(*b"22008");
    /// `22009`: invalid time zone displacement value.
    pub const INVALID_TIME_ZONE_DISPLACEMENT_VALUE: Self = Self(*b"22009");
    /// `2200B`: escape character conflict.
    pub const ESCAPE_CHARACTER_CONFLICT: Self = Self(*b"2200B");
    /// `2200C`: invalid use of escape character.
    pub const INVALID_USE_OF_ESCAPE_CHARACTER: Self = Self(*b"2200C");
    /// `2200D`: invalid escape octet.
    pub const INVALID_ESCAPE_OCTET: Self = Self(*b"2200D");
    /// `2200F`: zero length character string.
    pub const ZERO_LENGTH_CHARACTER_STRING: Self = Self(*b"2200F");
    /// `2200G`: most specific type mismatch.
    pub const MOST_SPECIFIC_TYPE_MISMATCH: Self = Self(*b"2200G");
    /// `2200H`: sequence generator limit exceeded.
    pub const SEQUENCE_GENERATOR_LIMIT_EXCEEDED: Self = Self(*b"2200H");
    /// `2200L`: not an xml document.
    pub const NOT_AN_XML_DOCUMENT: Self = Self(*b"2200L");
    /// `2200M`: invalid xml document.
    pub const INVALID_XML_DOCUMENT: Self = Self(*b"2200M");
    /// `2200N`: invalid xml content.
    pub const INVALID_XML_CONTENT: Self = Self(*b"2200N");
    /// `2200S`: invalid xml comment.
    pub const INVALID_XML_COMMENT: Self = Self(*b"2200S");
    /// `2200T`: invalid xml processing instruction.
    pub const INVALID_XML_PROCESSING_INSTRUCTION: Self = Self(*b"2200T");
    /// `22010`: invalid indicator parameter value.
    pub const INVALID_INDICATOR_PARAMETER_VALUE: Self = Self(*b"22010");
    /// `22011`: substring error.
    pub const SUBSTRING_ERROR: Self = Self(*b"22011");
    /// `22012`: division by zero.
    pub const DIVISION_BY_ZERO: Self = Self(*b"22012");
    /// `22013`: invalid preceding or following size.
    pub const INVALID_PRECEDING_OR_FOLLOWING_SIZE: Self = Self(*b"22013");
    /// `22014`: invalid argument for ntile function.
    pub const INVALID_ARGUMENT_FOR_NTILE_FUNCTION: Self = Self(*b"22014");
    /// `22015`: interval field overflow.
    pub const INTERVAL_FIELD_OVERFLOW: Self = Self(*b"22015");
    /// `22016`: invalid argument for nth value function.
    pub const INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION: Self = Self(*b"22016");
    /// `22018`: invalid character value for cast.
    pub const INVALID_CHARACTER_VALUE_FOR_CAST: Self = Self(*b"22018");
    /// `22019`: invalid escape character.
    pub const INVALID_ESCAPE_CHARACTER: Self = Self(*b"22019");
    /// `2201B`: invalid regular expression.
    pub const INVALID_REGULAR_EXPRESSION: Self = Self(*b"2201B");
    /// `2201E`: invalid argument for logarithm.
    pub const INVALID_ARGUMENT_FOR_LOGARITHM: Self = Self(*b"2201E");
    /// `2201F`: invalid argument for power function.
    pub const INVALID_ARGUMENT_FOR_POWER_FUNCTION: Self = Self(*b"2201F");
    /// `2201G`: invalid argument for width bucket function.
    pub const INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION: Self = Self(*b"2201G");
    /// `2201W`: invalid row count in limit clause.
    pub const INVALID_ROW_COUNT_IN_LIMIT_CLAUSE: Self = Self(*b"2201W");
    /// `2201X`: invalid row count in result offset clause.
    pub const INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE: Self = Self(*b"2201X");
    /// `22021`: character not in repertoire.
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self(*b"22021");
    /// `22022`: indicator overflow.
    pub const INDICATOR_OVERFLOW: Self = Self(*b"22022");
    /// `22023`: invalid parameter value.
    pub const INVALID_PARAMETER_VALUE: Self = Self(*b"22023");
    /// `22024`: unterminated c string.
    pub const UNTERMINATED_C_STRING: Self = Self(*b"22024");
    /// `22025`: invalid escape sequence.
    pub const INVALID_ESCAPE_SEQUENCE: Self = Self(*b"22025");
    /// `22026`: string data length mismatch.
    pub const STRING_DATA_LENGTH_MISMATCH: Self = Self(*b"22026");
    /// `22027`: trim error.
    pub const TRIM_ERROR: Self = Self(*b"22027");
    /// `2202E`: array subscript error.
    pub const ARRAY_SUBSCRIPT_ERROR: Self = Self(*b"2202E");
    /// `2202G`: invalid tablesample repeat.
    pub const INVALID_TABLESAMPLE_REPEAT: Self = Self(*b"2202G");
    /// `2202H`: invalid tablesample argument.
    pub const INVALID_TABLESAMPLE_ARGUMENT: Self = Self(*b"2202H");
    /// `22030`: duplicate json object key value.
    pub const DUPLICATE_JSON_OBJECT_KEY_VALUE: Self = Self(*b"22030");
    /// `22031`: invalid argument for sql json datetime function.
    pub const INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION: Self = Self(*b"22031");
    /// `22032`: invalid json text.
    pub const INVALID_JSON_TEXT: Self = Self(*b"22032");
    /// `22033`: invalid sql json subscript.
    pub const INVALID_SQL_JSON_SUBSCRIPT: Self = Self(*b"22033");
    /// `22034`: more than one sql json item.
    pub const MORE_THAN_ONE_SQL_JSON_ITEM: Self = Self(*b"22034");
    /// `22035`: no sql json item.
    pub const NO_SQL_JSON_ITEM: Self = Self(*b"22035");
    /// `22036`: non numeric sql json item.
    pub const NON_NUMERIC_SQL_JSON_ITEM: Self = Self(*b"22036");
    /// `22037`: non unique keys in a json object.
    pub const NON_UNIQUE_KEYS_IN_A_JSON_OBJECT: Self = Self(*b"22037");
    /// `22038`: singleton sql json item required.
    pub const SINGLETON_SQL_JSON_ITEM_REQUIRED: Self = Self(*b"22038");
    /// `22039`: sql json array not found.
    pub const SQL_JSON_ARRAY_NOT_FOUND: Self = Self(*b"22039");
    /// `2203A`: sql json member not found.
    pub const SQL_JSON_MEMBER_NOT_FOUND: Self = Self(*b"2203A");
    /// `2203B`: sql json number not found.
    pub const SQL_JSON_NUMBER_NOT_FOUND: Self = Self(*b"2203B");
    /// `2203C`: sql json object not found.
    pub const SQL_JSON_OBJECT_NOT_FOUND: Self = Self(*b"2203C");
    /// `2203D`: too many json array elements.
    pub const TOO_MANY_JSON_ARRAY_ELEMENTS: Self = Self(*b"2203D");
    /// `2203E`: too many json object members.
    pub const TOO_MANY_JSON_OBJECT_MEMBERS: Self = Self(*b"2203E");
    /// `2203F`: sql json scalar required.
    pub const SQL_JSON_SCALAR_REQUIRED: Self = Self(*b"2203F");
    /// `2203G`: sql json item cannot be cast to target type.
    pub const SQL_JSON_ITEM_CANNOT_BE_CAST_TO_TARGET_TYPE: Self = Self(*b"2203G");
    /// `22P01`: floating point exception.
    pub const FLOATING_POINT_EXCEPTION: Self = Self(*b"22P01");
    /// `22P02`: invalid text representation.
    pub const INVALID_TEXT_REPRESENTATION: Self = Self(*b"22P02");
    /// `22P03`: invalid binary representation.
    pub const INVALID_BINARY_REPRESENTATION: Self = Self(*b"22P03");
    /// `22P04`: bad copy file format.
    pub const BAD_COPY_FILE_FORMAT: Self = Self(*b"22P04");
    /// `22P05`: untranslatable character.
    pub const UNTRANSLATABLE_CHARACTER: Self = Self(*b"22P05");
    /// `22P06`: nonstandard use of escape character.
    pub const NONSTANDARD_USE_OF_ESCAPE_CHARACTER: Self = Self(*b"22P06");
    /// `23000`: integrity constraint violation.
    pub const INTEGRITY_CONSTRAINT_VIOLATION: Self = Self(*b"23000");
    /// `23001`: restrict violation.
    pub const RESTRICT_VIOLATION: Self = Self(*b"23001");
    /// `23502`: not null violation.
    pub const NOT_NULL_VIOLATION: Self = Self(*b"23502");
    /// `23503`: foreign key violation.
    pub const FOREIGN_KEY_VIOLATION: Self = Self(*b"23503");
    /// `23505`: unique violation.
    pub const UNIQUE_VIOLATION: Self = Self(*b"23505");
    /// `23514`: check violation.
    pub const CHECK_VIOLATION: Self = Self(*b"23514");
    /// `23P01`: exclusion violation.
    pub const EXCLUSION_VIOLATION: Self = Self(*b"23P01");
    /// `24000`: invalid cursor state.
    pub const INVALID_CURSOR_STATE: Self = Self(*b"24000");
    /// `25000`: invalid transaction state.
    pub const INVALID_TRANSACTION_STATE: Self = Self(*b"25000");
    /// `25001`: active sql transaction.
    pub const ACTIVE_SQL_TRANSACTION: Self = Self(*b"25001");
    /// `25002`: branch transaction already active.
    pub const BRANCH_TRANSACTION_ALREADY_ACTIVE: Self = Self(*b"25002");
    /// `25003`: inappropriate access mode for branch transaction.
    pub const INAPPROPRIATE_ACCESS_MODE_FOR_BRANCH_TRANSACTION: Self = Self(*b"25003");
    /// `25004`: inappropriate isolation level for branch transaction.
    pub const INAPPROPRIATE_ISOLATION_LEVEL_FOR_BRANCH_TRANSACTION: Self = Self(*b"25004");
    /// `25005`: no active sql transaction for branch transaction.
    pub const NO_ACTIVE_SQL_TRANSACTION_FOR_BRANCH_TRANSACTION: Self = Self(*b"25005");
    /// `25006`: read only sql transaction.
    pub const READ_ONLY_SQL_TRANSACTION: Self = Self(*b"25006");
    /// `25007`: schema and data statement mixing not supported.
    pub const SCHEMA_AND_DATA_STATEMENT_MIXING_NOT_SUPPORTED: Self = Self(*b"25007");
    /// `25008`: held cursor requires same isolation level.
    pub const HELD_CURSOR_REQUIRES_SAME_ISOLATION_LEVEL: Self = Self(*b"25008");
    /// `25P01`: no active sql transaction.
    pub const NO_ACTIVE_SQL_TRANSACTION: Self = Self(*b"25P01");
    /// `25P02`: in failed sql transaction.
    pub const IN_FAILED_SQL_TRANSACTION: Self = Self(*b"25P02");
    /// `25P03`: idle in transaction session timeout.
    pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Self = Self(*b"25P03");
    /// `25P04`: transaction timeout.
    pub const TRANSACTION_TIMEOUT: Self = Self(*b"25P04");
    /// `26000`: invalid sql statement name.
    pub const INVALID_SQL_STATEMENT_NAME: Self = Self(*b"26000");
    /// `27000`: triggered data change violation.
    pub const TRIGGERED_DATA_CHANGE_VIOLATION: Self = Self(*b"27000");
    /// `28000`: invalid authorization specification.
    pub const INVALID_AUTHORIZATION_SPECIFICATION: Self = Self(*b"28000");
    /// `28P01`: invalid password.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `2B000`: dependent privilege descriptors still exist.
    pub const DEPENDENT_PRIVILEGE_DESCRIPTORS_STILL_EXIST: Self = Self(*b"2B000");
    /// `2BP01`: dependent objects still exist.
    pub const DEPENDENT_OBJECTS_STILL_EXIST: Self = Self(*b"2BP01");
    /// `2D000`: invalid transaction termination.
    pub const INVALID_TRANSACTION_TERMINATION: Self = Self(*b"2D000");
    /// `2F000`: sql routine exception.
    pub const SQL_ROUTINE_EXCEPTION: Self = Self(*b"2F000");
    /// `2F002`: modifying sql data not permitted.
    pub const SQL_ROUTINE_MODIFYING_SQL_DATA_NOT_PERMITTED: Self = Self(*b"2F002");
    /// `2F003`: prohibited sql statement attempted.
    pub const SQL_ROUTINE_PROHIBITED_SQL_STATEMENT_ATTEMPTED: Self = Self(*b"2F003");
    /// `2F004`: reading sql data not permitted.
    pub const SQL_ROUTINE_READING_SQL_DATA_NOT_PERMITTED: Self = Self(*b"2F004");
    /// `2F005`: function executed no return statement.
    pub const FUNCTION_EXECUTED_NO_RETURN_STATEMENT: Self = Self(*b"2F005");
    /// `34000`: invalid cursor name.
    pub const INVALID_CURSOR_NAME: Self = Self(*b"34000");
    /// `38000`: external routine exception.
    pub const EXTERNAL_ROUTINE_EXCEPTION: Self = Self(*b"38000");
    /// `38001`: containing sql not permitted.
    pub const CONTAINING_SQL_NOT_PERMITTED: Self = Self(*b"38001");
    /// `38002`: modifying sql data not permitted.
    pub const EXTERNAL_ROUTINE_MODIFYING_SQL_DATA_NOT_PERMITTED: Self = Self(*b"38002");
    /// `38003`: prohibited sql statement attempted.
    pub const EXTERNAL_ROUTINE_PROHIBITED_SQL_STATEMENT_ATTEMPTED: Self = Self(*b"38003");
    /// `38004`: reading sql data not permitted.
    pub const EXTERNAL_ROUTINE_READING_SQL_DATA_NOT_PERMITTED: Self = Self(*b"38004");
    /// `39000`: external routine invocation exception.
    pub const EXTERNAL_ROUTINE_INVOCATION_EXCEPTION: Self = Self(*b"39000");
    /// `39001`: invalid sqlstate returned.
    pub const INVALID_SQLSTATE_RETURNED: Self = Self(*b"39001");
    /// `39004`: null value not allowed.
    pub const EXTERNAL_ROUTINE_INVOCATION_NULL_VALUE_NOT_ALLOWED: Self = Self(*b"39004");
    /// `39P01`: trigger protocol violated.
    pub const TRIGGER_PROTOCOL_VIOLATED: Self = Self(*b"39P01");
    /// `39P02`: srf protocol violated.
    pub const SRF_PROTOCOL_VIOLATED: Self = Self(*b"39P02");
    /// `39P03`: event trigger protocol violated.
    pub const EVENT_TRIGGER_PROTOCOL_VIOLATED: Self = Self(*b"39P03");
    /// `3B000`: savepoint exception.
    pub const SAVEPOINT_EXCEPTION: Self = Self(*b"3B000");
    /// `3B001`: invalid savepoint specification.
    pub const INVALID_SAVEPOINT_SPECIFICATION: Self = Self(*b"3B001");
    /// `3D000`: invalid catalog name.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `3F000`: invalid schema name.
    pub const INVALID_SCHEMA_NAME: Self = Self(*b"3F000");
    /// `40000`: transaction rollback.
    pub const TRANSACTION_ROLLBACK: Self = Self(*b"40000");
    /// `40001`: serialization failure.
    pub const SERIALIZATION_FAILURE: Self = Self(*b"40001");
    /// `40002`: transaction integrity constraint violation.
    pub const TRANSACTION_INTEGRITY_CONSTRAINT_VIOLATION: Self = Self(*b"40002");
    /// `40003`: statement completion unknown.
    pub const STATEMENT_COMPLETION_UNKNOWN: Self = Self(*b"40003");
    /// `40P01`: deadlock detected.
    pub const DEADLOCK_DETECTED: Self = Self(*b"40P01");
    /// `42000`: syntax error or access rule violation.
    pub const SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: Self = Self(*b"42000");
    /// `42501`: insufficient privilege.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42601`: syntax error.
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// `42602`: invalid name.
    pub const INVALID_NAME: Self = Self(*b"42602");
    /// `42611`: invalid column definition.
    pub const INVALID_COLUMN_DEFINITION: Self = Self(*b"42611");
    /// `42622`: name too long.
    pub const NAME_TOO_LONG: Self = Self(*b"42622");
    /// `42701`: duplicate column.
    pub const DUPLICATE_COLUMN: Self = Self(*b"42701");
    /// `42702`: ambiguous column.
    pub const AMBIGUOUS_COLUMN: Self = Self(*b"42702");
    /// `42703`: undefined column.
    pub const UNDEFINED_COLUMN: Self = Self(*b"42703");
    /// `42704`: undefined object.
    pub const UNDEFINED_OBJECT: Self = Self(*b"42704");
    /// `42710`: duplicate object.
    pub const DUPLICATE_OBJECT: Self = Self(*b"42710");
    /// `42712`: duplicate alias.
    pub const DUPLICATE_ALIAS: Self = Self(*b"42712");
    /// `42723`: duplicate function.
    pub const DUPLICATE_FUNCTION: Self = Self(*b"42723");
    /// `42725`: ambiguous function.
    pub const AMBIGUOUS_FUNCTION: Self = Self(*b"42725");
    /// `42803`: grouping error.
    pub const GROUPING_ERROR: Self = Self(*b"42803");
    /// `42804`: datatype mismatch.
    pub const DATATYPE_MISMATCH: Self = Self(*b"42804");
    /// `42809`: wrong object type.
    pub const WRONG_OBJECT_TYPE: Self = Self(*b"42809");
    /// `42830`: invalid foreign key.
    pub const INVALID_FOREIGN_KEY: Self = Self(*b"42830");
    /// `42846`: cannot coerce.
    pub const CANNOT_COERCE: Self = Self(*b"42846");
    /// `42883`: undefined function.
    pub const UNDEFINED_FUNCTION: Self = Self(*b"42883");
    /// `428C9`: generated always.
    pub const GENERATED_ALWAYS: Self = Self(*b"428C9");
    /// `42939`: reserved name.
    pub const RESERVED_NAME: Self = Self(*b"42939");
    /// `42P01`: undefined table.
    pub const UNDEFINED_TABLE: Self = Self(*b"42P01");
    /// `42P02`: undefined parameter.
    pub const UNDEFINED_PARAMETER: Self = Self(*b"42P02");
    /// `42P03`: duplicate cursor.
    pub const DUPLICATE_CURSOR: Self = Self(*b"42P03");
    /// `42P04`: duplicate database.
    pub const DUPLICATE_DATABASE: Self = Self(*b"42P04");
    /// `42P05`: duplicate prepared statement.
    pub const DUPLICATE_PREPARED_STATEMENT: Self = Self(*b"42P05");
    /// `42P06`: duplicate schema.
    pub const DUPLICATE_SCHEMA: Self = Self(*b"42P06");
    /// `42P07`: duplicate table.
    pub const DUPLICATE_TABLE: Self = Self(*b"42P07");
    /// `42P08`: ambiguous parameter.
    pub const AMBIGUOUS_PARAMETER: Self = Self(*b"42P08");
    /// `42P09`: ambiguous alias.
    pub const AMBIGUOUS_ALIAS: Self = Self(*b"42P09");
    /// `42P10`: invalid column reference.
    pub const INVALID_COLUMN_REFERENCE: Self = Self(*b"42P10");
    /// `42P11`: invalid cursor definition.
    pub const INVALID_CURSOR_DEFINITION: Self = Self(*b"42P11");
    /// `42P12`: invalid database definition.
    pub const INVALID_DATABASE_DEFINITION: Self = Self(*b"42P12");
    /// `42P13`: invalid function definition.
    pub const INVALID_FUNCTION_DEFINITION: Self = Self(*b"42P13");
    /// `42P14`: invalid prepared statement definition.
    pub const INVALID_PREPARED_STATEMENT_DEFINITION: Self = Self(*b"42P14");
    /// `42P15`: invalid schema definition.
    pub const INVALID_SCHEMA_DEFINITION: Self = Self(*b"42P15");
    /// `42P16`: invalid table definition.
    pub const INVALID_TABLE_DEFINITION: Self = Self(*b"42P16");
    /// `42P17`: invalid object definition.
    pub const INVALID_OBJECT_DEFINITION: Self = Self(*b"42P17");
    /// `42P18`: indeterminate datatype.
    pub const INDETERMINATE_DATATYPE: Self = Self(*b"42P18");
    /// `42P19`: invalid recursion.
    pub const INVALID_RECURSION: Self = Self(*b"42P19");
    /// `42P20`: windowing error.
    pub const WINDOWING_ERROR: Self = Self(*b"42P20");
    /// `42P21`: collation mismatch.
    pub const COLLATION_MISMATCH: Self = Self(*b"42P21");
    /// `42P22`: indeterminate collation.
    pub const INDETERMINATE_COLLATION: Self = Self(*b"42P22");
    /// `44000`: with check option violation.
    pub const WITH_CHECK_OPTION_VIOLATION: Self = Self(*b"44000");
    /// `53000`: insufficient resources.
    pub const INSUFFICIENT_RESOURCES: Self = Self(*b"53000");
    /// `53100`: disk full.
    pub const DISK_FULL: Self = Self(*b"53100");
    /// `53200`: out of memory.
    pub const OUT_OF_MEMORY: Self = Self(*b"53200");
    /// `53300`: too many connections.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `53400`: configuration limit exceeded.
    pub const CONFIGURATION_LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// `54000`: program limit exceeded.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// `54001`: statement too complex.
    pub const STATEMENT_TOO_COMPLEX: Self = Self(*b"54001");
    /// `54011`: too many columns.
    pub const TOO_MANY_COLUMNS: Self = Self(*b"54011");
    /// `54023`: too many arguments.
    pub const TOO_MANY_ARGUMENTS: Self = Self(*b"54023");
    /// `55000`: object not in prerequisite state.
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: Self = Self(*b"55000");
    /// `55006`: object in use.
    pub const OBJECT_IN_USE: Self = Self(*b"55006");
    /// `55P02`: cant change runtime param.
    pub const CANT_CHANGE_RUNTIME_PARAM: Self = Self(*b"55P02");
    /// `55P03`: lock not available.
    pub const LOCK_NOT_AVAILABLE: Self = Self(*b"55P03");
    /// `55P04`: unsafe new enum value usage.
    pub const UNSAFE_NEW_ENUM_VALUE_USAGE: Self = Self(*b"55P04");
    /// `57000`: operator intervention.
    pub const OPERATOR_INTERVENTION: Self = Self(*b"57000");
    /// `57014`: query canceled.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `57P01`: admin shutdown.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P02`: crash shutdown.
    pub const CRASH_SHUTDOWN: Self = Self(*b"57P02");
    /// `57P03`: cannot connect now.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `57P04`: database dropped.
    pub const DATABASE_DROPPED: Self = Self(*b"57P04");
    /// `57P05`: idle session timeout.
    pub const IDLE_SESSION_TIMEOUT: Self = Self(*b"57P05");
    /// `58000`: system error.
    pub const SYSTEM_ERROR: Self = Self(*b"58000");
    /// `58030`: io error.
    pub const IO_ERROR: Self = Self(*b"58030");
    /// `58P01`: undefined file.
    pub const UNDEFINED_FILE: Self = Self(*b"58P01");
    /// `58P02`: duplicate file.
    pub const DUPLICATE_FILE: Self = Self(*b"58P02");
    /// `58P03`: file name too long.
    pub const FILE_NAME_TOO_LONG: Self = Self(*b"58P03");
    /// `72000`: snapshot too old.
    pub const SNAPSHOT_TOO_OLD: Self = Self(*b"72000");
    /// `F0000`: config file error.
    pub const CONFIG_FILE_ERROR: Self = Self(*b"F0000");
    /// `F0001`: lock file exists.
    pub const LOCK_FILE_EXISTS: Self = Self(*b"F0001");
    /// `HV000`: fdw error.
    pub const FDW_ERROR: Self = Self(*b"HV000");
    /// `HV001`: fdw out of memory.
    pub const FDW_OUT_OF_MEMORY: Self = Self(*b"HV001");
    /// `HV002`: fdw dynamic parameter value needed.
    pub const FDW_DYNAMIC_PARAMETER_VALUE_NEEDED: Self = Self(*b"HV002");
    /// `HV004`: fdw invalid data type.
    pub const FDW_INVALID_DATA_TYPE: Self = Self(*b"HV004");
    /// `HV005`: fdw column name not found.
    pub const FDW_COLUMN_NAME_NOT_FOUND: Self = Self(*b"HV005");
    /// `HV006`: fdw invalid data type descriptors.
    pub const FDW_INVALID_DATA_TYPE_DESCRIPTORS: Self = Self(*b"HV006");
    /// `HV007`: fdw invalid column name.
    pub const FDW_INVALID_COLUMN_NAME: Self = Self(*b"HV007");
    /// `HV008`: fdw invalid column number.
    pub const FDW_INVALID_COLUMN_NUMBER: Self = Self(*b"HV008");
    /// `HV009`: fdw invalid use of null pointer.
    pub const FDW_INVALID_USE_OF_NULL_POINTER: Self = Self(*b"HV009");
    /// `HV00A`: fdw invalid string format.
    pub const FDW_INVALID_STRING_FORMAT: Self = Self(*b"HV00A");
    /// `HV00B`: fdw invalid handle.
    pub const FDW_INVALID_HANDLE: Self = Self(*b"HV00B");
    /// `HV00C`: fdw invalid option index.
    pub const FDW_INVALID_OPTION_INDEX: Self = Self(*b"HV00C");
    /// `HV00D`: fdw invalid option name.
    pub const FDW_INVALID_OPTION_NAME: Self = Self(*b"HV00D");
    /// `HV00J`: fdw option name not found.
    pub const FDW_OPTION_NAME_NOT_FOUND: Self = Self(*b"HV00J");
    /// `HV00K`: fdw reply handle.
    pub const FDW_REPLY_HANDLE: Self = Self(*b"HV00K");
    /// `HV00L`: fdw unable to create execution.
    pub const FDW_UNABLE_TO_CREATE_EXECUTION: Self = Self(*b"HV00L");
    /// `HV00M`: fdw unable to create reply.
    pub const FDW_UNABLE_TO_CREATE_REPLY: Self = Self(*b"HV00M");
    /// `HV00N`: fdw unable to establish connection.
    pub const FDW_UNABLE_TO_ESTABLISH_CONNECTION: Self = Self(*b"HV00N");
    /// `HV00P`: fdw no schemas.
    pub const FDW_NO_SCHEMAS: Self = Self(*b"HV00P");
    /// `HV00Q`: fdw schema not found.
    pub const FDW_SCHEMA_NOT_FOUND: Self = Self(*b"HV00Q");
    /// `HV00R`: fdw table not found.
    pub const FDW_TABLE_NOT_FOUND: Self = Self(*b"HV00R");
    /// `HV010`: fdw function sequence error.
    pub const FDW_FUNCTION_SEQUENCE_ERROR: Self = Self(*b"HV010");
    /// `HV014`: fdw too many handles.
    pub const FDW_TOO_MANY_HANDLES: Self = Self(*b"HV014");
    /// `HV021`: fdw inconsistent descriptor information.
    pub const FDW_INCONSISTENT_DESCRIPTOR_INFORMATION: Self = Self(*b"HV021");
    /// `HV024`: fdw invalid attribute value.
    pub const FDW_INVALID_ATTRIBUTE_VALUE: Self = Self(*b"HV024");
    /// `HV090`: fdw invalid string length or buffer length.
    pub const FDW_INVALID_STRING_LENGTH_OR_BUFFER_LENGTH: Self = Self(*b"HV090");
    /// `HV091`: fdw invalid descriptor field identifier.
    pub const FDW_INVALID_DESCRIPTOR_FIELD_IDENTIFIER: Self = Self(*b"HV091");
    /// `P0000`: plpgsql error.
    pub const PLPGSQL_ERROR: Self = Self(*b"P0000");
    /// `P0001`: raise exception.
    pub const RAISE_EXCEPTION: Self = Self(*b"P0001");
    /// `P0002`: no data found.
    pub const NO_DATA_FOUND: Self = Self(*b"P0002");
    /// `P0003`: too many rows.
    pub const TOO_MANY_ROWS: Self = Self(*b"P0003");
    /// `P0004`: assert failure.
    pub const ASSERT_FAILURE: Self = Self(*b"P0004");
    /// `XX000`: internal error.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");
    /// `XX001`: data corrupted.
    pub const DATA_CORRUPTED: Self = Self(*b"XX001");
    /// `XX002`: index corrupted.
    pub const INDEX_CORRUPTED: Self = Self(*b"XX002");
}

/// Condition names, in the order of their codes.
pub(super) const NAMES: &[([u8; 5], &str)] = &[
    (*b"00000", "successful_completion"),
    (*b"01000", "warning"),
    (*b"01003", "null_value_eliminated_in_set_function"),
    (*b"01004", "string_data_right_truncation"),
    (*b"01006", "privilege_not_revoked"),
    (*b"01007", "privilege_not_granted"),
    (*b"01008", "implicit_zero_bit_padding"),
    (*b"0100C", "dynamic_result_sets_returned"),
    (*b"01P01", "deprecated_feature"),
    (*b"02000", "no_data"),
    (*b"02001", "no_additional_dynamic_result_sets_returned"),
    (*b"03000", "sql_statement_not_yet_complete"),
    (*b"08000", "connection_exception"),
    (*b"08001", "sqlclient_unable_to_establish_sqlconnection"),
    (*b"08003", "connection_does_not_exist"),
    (*b"08004", "sqlserver_rejected_establishment_of_sqlconnection"),
    (*b"08006", "connection_failure"),
    (*b"08007", "transaction_resolution_unknown"),
    (*b"08P01", "protocol_violation"),
    (*b"09000", "triggered_action_exception"),
    (*b"0A000", "feature_not_supported"),
    (*b"0B000", "invalid_transaction_initiation"),
    (*b"0F000", "locator_exception"),
    (*b"0F001", "invalid_locator_specification"),
    (*b"0L000", "invalid_grantor"),
    (*b"0LP01", "invalid_grant_operation"),
    (*b"0P000", "invalid_role_specification"),
    (*b"0Z000", "diagnostics_exception"),
    (*b"0Z002", "stacked_diagnostics_accessed_without_active_handler"),
    (*b"10608", "invalid_argument_for_xquery"),
    (*b"20000", "case_not_found"),
    (*b"21000", "cardinality_violation"),
    (*b"22000", "data_exception"),
    (*b"22001", "string_data_right_truncation"),
    (*b"22002", "null_value_no_indicator_parameter"),
    (*b"22003", "numeric_value_out_of_range"),
    (*b"22004", "null_value_not_allowed"),
    (*b"22005", "error_in_assignment"),
    (*b"22007", "invalid_datetime_format"),
    (*b"22008", "datetime_field_overflow"),
    (*b"22009", "invalid_time_zone_displacement_value"),
    (*b"2200B", "escape_character_conflict"),
    (*b"2200C", "invalid_use_of_escape_character"),
    (*b"2200D", "invalid_escape_octet"),
    (*b"2200F", "zero_length_character_string"),
    (*b"2200G", "most_specific_type_mismatch"),
    (*b"2200H", "sequence_generator_limit_exceeded"),
    (*b"2200L", "not_an_xml_document"),
    (*b"2200M", "invalid_xml_document"),
    (*b"2200N", "invalid_xml_content"),
    (*b"2200S", "invalid_xml_comment"),
    (*b"2200T", "invalid_xml_processing_instruction"),
    (*b"22010", "invalid_indicator_parameter_value"),
    (*b"22011", "substring_error"),
    (*b"22012", "division_by_zero"),
    (*b"22013", "invalid_preceding_or_following_size"),
    (*b"22014", "invalid_argument_for_ntile_function"),
    (*b"22015", "interval_field_overflow"),
    (*b"22016", "invalid_argument_for_nth_value_function"),
    (*b"22018", "invalid_character_value_for_cast"),
    (*b"22019", "invalid_escape_character"),
    (*b"2201B", "invalid_regular_expression"),
    (*b"2201E", "invalid_argument_for_logarithm"),
    (*b"2201F", "invalid_argument_for_power_function"),
    (*b"2201G", "invalid_argument_for_width_bucket_function"),
    (*b"2201W", "invalid_row_count_in_limit_clause"),
    (*b"2201X", "invalid_row_count_in_result_offset_clause"),
    (*b"22021", "character_not_in_repertoire"),
    (*b"22022", "indicator_overflow"),
    (*b"22023", "invalid_parameter_value"),
    (*b"22024", "unterminated_c_string"),
    (*b"22025", "invalid_escape_sequence"),
    (*b"22026", "string_data_length_mismatch"),
    (*b"22027", "trim_error"),
    (*b"2202E", "array_subscript_error"),
    (*b"2202G", "invalid_tablesample_repeat"),
    (*b"2202H", "invalid_tablesample_argument"),
    (*b"22030", "duplicate_json_object_key_value"),
    (*b"22031", "invalid_argument_for_sql_json_datetime_function"),
    (*b"22032", "invalid_json_text"),
    (*b"22033", "invalid_sql_json_subscript"),
    (*b"22034", "more_than_one_sql_json_item"),
    (*b"22035", "no_sql_json_item"),
    (*b"22036", "non_numeric_sql_json_item"),
    (*b"22037", "non_unique_keys_in_a_json_object"),
    (*b"22038", "singleton_sql_json_item_required"),
    (*b"22039", "sql_json_array_not_found"),
    (*b"2203A", "sql_json_member_not_found"),
    (*b"2203B", "sql_json_number_not_found"),
    (*b"2203C", "sql_json_object_not_found"),
    (*b"2203D", "too_many_json_array_elements"),
    (*b"2203E", "too_many_json_object_members"),
    (*b"2203F", "sql_json_scalar_required"),
    (*b"2203G", "sql_json_item_cannot_be_cast_to_target_type"),
    (*b"22P01", "floating_point_exception"),
    (*b"22P02", "invalid_text_representation"),
    (*b"22P03", "invalid_binary_representation"),
    (*b"22P04", "bad_copy_file_format"),
    (*b"22P05", "untranslatable_character"),
    (*b"22P06", "nonstandard_use_of_escape_character"),
    (*b"23000", "integrity_constraint_violation"),
    (*b"23001", "restrict_violation"),
    (*b"23502", "not_null_violation"),
    (*b"23503", "foreign_key_violation"),
    (*b"23505", "unique_violation"),
    (*b"23514", "check_violation"),
    (*b"23P01", "exclusion_violation"),
    (*b"24000", "invalid_cursor_state"),
    (*b"25000", "invalid_transaction_state"),
    (*b"25001", "active_sql_transaction"),
    (*b"25002", "branch_transaction_already_active"),
    (*b"25003", "inappropriate_access_mode_for_branch_transaction"),
    (*b"25004", "inappropriate_isolation_level_for_branch_transaction"),
    (*b"25005", "no_active_sql_transaction_for_branch_transaction"),
    (*b"25006", "read_only_sql_transaction"),
    (*b"25007", "schema_and_data_statement_mixing_not_supported"),
    (*b"25008", "held_cursor_requires_same_isolation_level"),
    (*b"25P01", "no_active_sql_transaction"),
    (*b"25P02", "in_failed_sql_transaction"),
    (*b"25P03", "idle_in_transaction_session_timeout"),
    (*b"25P04", "transaction_timeout"),
    (*b"26000", "invalid_sql_statement_name"),
    (*b"27000", "triggered_data_change_violation"),
    (*b"28000", "invalid_authorization_specification"),
    (*b"28P01", "invalid_password"),
    (*b"2B000", "dependent_privilege_descriptors_still_exist"),
    (*b"2BP01", "dependent_objects_still_exist"),
    (*b"2D000", "invalid_transaction_termination"),
    (*b"2F000", "sql_routine_exception"),
    (*b"2F002", "modifying_sql_data_not_permitted"),
    (*b"2F003", "prohibited_sql_statement_attempted"),
    (*b"2F004", "reading_sql_data_not_permitted"),
    (*b"2F005", "function_executed_no_return_statement"),
    (*b"34000", "invalid_cursor_name"),
    (*b"38000", "external_routine_exception"),
    (*b"38001", "containing_sql_not_permitted"),
    (*b"38002", "modifying_sql_data_not_permitted"),
    (*b"38003", "prohibited_sql_statement_attempted"),
    (*b"38004", "reading_sql_data_not_permitted"),
    (*b"39000", "external_routine_invocation_exception"),
    (*b"39001", "invalid_sqlstate_returned"),
    (*b"39004", "null_value_not_allowed"),
    (*b"39P01", "trigger_protocol_violated"),
    (*b"39P02", "srf_protocol_violated"),
    (*b"39P03", "event_trigger_protocol_violated"),
    (*b"3B000", "savepoint_exception"),
    (*b"3B001", "invalid_savepoint_specification"),
    (*b"3D000", "invalid_catalog_name"),
    (*b"3F000", "invalid_schema_name"),
    (*b"40000", "transaction_rollback"),
    (*b"40001", "serialization_failure"),
    (*b"40002", "transaction_integrity_constraint_violation"),
    (*b"40003", "statement_completion_unknown"),
    (*b"40P01", "deadlock_detected"),
    (*b"42000", "syntax_error_or_access_rule_violation"),
    (*b"42501", "insufficient_privilege"),
    (*b"42601", "syntax_error"),
    (*b"42602", "invalid_name"),
    (*b"42611", "invalid_column_definition"),
    (*b"42622", "name_too_long"),
    (*b"42701", "duplicate_column"),
    (*b"42702", "ambiguous_column"),
    (*b"42703", "undefined_column"),
    (*b"42704", "undefined_object"),
    (*b"42710", "duplicate_object"),
    (*b"42712", "duplicate_alias"),
    (*b"42723", "duplicate_function"),
    (*b"42725", "ambiguous_function"),
    (*b"42803", "grouping_error"),
    (*b"42804", "datatype_mismatch"),
    (*b"42809", "wrong_object_type"),
    (*b"42830", "invalid_foreign_key"),
    (*b"42846", "cannot_coerce"),
    (*b"42883", "undefined_function"),
    (*b"428C9", "generated_always"),
    (*b"42939", "reserved_name"),
    (*b"42P01", "undefined_table"),
    (*b"42P02", "undefined_parameter"),
    (*b"42P03", "duplicate_cursor"),
    (*b"42P04", "duplicate_database"),
    (*b"42P05", "duplicate_prepared_statement"),
    (*b"42P06", "duplicate_schema"),
    (*b"42P07", "duplicate_table"),
    (*b"42P08", "ambiguous_parameter"),
    (*b"42P09", "ambiguous_alias"),
    (*b"42P10", "invalid_column_reference"),
    (*b"42P11", "invalid_cursor_definition"),
    (*b"42P12", "invalid_database_definition"),
    (*b"42P13", "invalid_function_definition"),
    (*b"42P14", "invalid_prepared_statement_definition"),
    (*b"42P15", "invalid_schema_definition"),
    (*b"42P16", "invalid_table_definition"),
    (*b"42P17", "invalid_object_definition"),
    (*b"42P18", "indeterminate_datatype"),
    (*b"42P19", "invalid_recursion"),
    (*b"42P20", "windowing_error"),
    (*b"42P21", "collation_mismatch"),
    (*b"42P22", "indeterminate_collation"),
    (*b"44000", "with_check_option_violation"),
    (*b"53000", "insufficient_resources"),
    (*b"53100", "disk_full"),
    (*b"53200", "out_of_memory"),
    (*b"53300", "too_many_connections"),
    (*b"53400", "configuration_limit_exceeded"),
    (*b"54000", "program_limit_exceeded"),
    (*b"54001", "statement_too_complex"),
    (*b"54011", "too_many_columns"),
    (*b"54023", "too_many_arguments"),
    (*b"55000", "object_not_in_prerequisite_state"),
    (*b"55006", "object_in_use"),
    (*b"55P02", "cant_change_runtime_param"),
    (*b"55P03", "lock_not_available"),
    (*b"55P04", "unsafe_new_enum_value_usage"),
    (*b"57000", "operator_intervention"),
    (*b"57014", "query_canceled"),
    (*b"57P01", "admin_shutdown"),
    (*b"57P02", "crash_shutdown"),
    (*b"57P03", "cannot_connect_now"),
    (*b"57P04", "database_dropped"),
    (*b"57P05", "idle_session_timeout"),
    (*b"58000", "system_error"),
    (*b"58030", "io_error"),
    (*b"58P01", "undefined_file"),
    (*b"58P02", "duplicate_file"),
    (*b"58P03", "file_name_too_long"),
    (*b"72000", "snapshot_too_old"),
    (*b"F0000", "config_file_error"),
    (*b"F0001", "lock_file_exists"),
    (*b"HV000", "fdw_error"),
    (*b"HV001", "fdw_out_of_memory"),
    (*b"HV002", "fdw_dynamic_parameter_value_needed"),
    (*b"HV004", "fdw_invalid_data_type"),
    (*b"HV005", "fdw_column_name_not_found"),
    (*b"HV006", "fdw_invalid_data_type_descriptors"),
    (*b"HV007", "fdw_invalid_column_name"),
    (*b"HV008", "fdw_invalid_column_number"),
    (*b"HV009", "fdw_invalid_use_of_null_pointer"),
    (*b"HV00A", "fdw_invalid_string_format"),
    (*b"HV00B", "fdw_invalid_handle"),
    (*b"HV00C", "fdw_invalid_option_index"),
    (*b"HV00D", "fdw_invalid_option_name"),
    (*b"HV00J", "fdw_option_name_not_found"),
    (*b"HV00K", "fdw_reply_handle"),
    (*b"HV00L", "fdw_unable_to_create_execution"),
    (*b"HV00M", "fdw_unable_to_create_reply"),
    (*b"HV00N", "fdw_unable_to_establish_connection"),
    (*b"HV00P", "fdw_no_schemas"),
    (*b"HV00Q", "fdw_schema_not_found"),
    (*b"HV00R", "fdw_table_not_found"),
    (*b"HV010", "fdw_function_sequence_error"),
    (*b"HV014", "fdw_too_many_handles"),
    (*b"HV021", "fdw_inconsistent_descriptor_information"),
    (*b"HV024", "fdw_invalid_attribute_value"),
    (*b"HV090", "fdw_invalid_string_length_or_buffer_length"),
    (*b"HV091", "fdw_invalid_descriptor_field_identifier"),
    (*b"P0000", "plpgsql_error"),
    (*b"P0001", "raise_exception"),
    (*b"P0002", "no_data_found"),
    (*b"P0003", "too_many_rows"),
    (*b"P0004", "assert_failure"),
    (*b"XX000", "internal_error"),
    (*b"XX001", "data_corrupted"),
    (*b"XX002", "index_corrupted"),
];

/// Class titles, in the order of their codes.
pub(super) const CLASSES: &[([u8; 2], &str)] = &[
    (*b"00", "Successful Completion"),
    (*b"01", "Warning"),
    (*b"02", "No Data (this is also a warning class per the SQL standard)"),
    (*b"03", "SQL Statement Not Yet Complete"),
    (*b"08", "Connection Exception"),
    (*b"09", "Triggered Action Exception"),
    (*b"0A", "Feature Not Supported"),
    (*b"0B", "Invalid Transaction Initiation"),
    (*b"0F", "Locator Exception"),
    (*b"0L", "Invalid Grantor"),
    (*b"0P", "Invalid Role Specification"),
    (*b"0Z", "Diagnostics Exception"),
    (*b"10", "XQuery Error"),
    (*b"20", "Case Not Found"),
    (*b"21", "Cardinality Violation"),
    (*b"22", "Data Exception"),
    (*b"23", "Integrity Constraint Violation"),
    (*b"24", "Invalid Cursor State"),
    (*b"25", "Invalid Transaction State"),
    (*b"26", "Invalid SQL Statement Name"),
    (*b"27", "Triggered Data Change Violation"),
    (*b"28", "Invalid Authorization Specification"),
    (*b"2B", "Dependent Privilege Descriptors Still Exist"),
    (*b"2D", "Invalid Transaction Termination"),
    (*b"2F", "SQL Routine Exception"),
    (*b"34", "Invalid Cursor Name"),
    (*b"38", "External Routine Exception"),
    (*b"39", "External Routine Invocation Exception"),
    (*b"3B", "Savepoint Exception"),
    (*b"3D", "Invalid Catalog Name"),
    (*b"3F", "Invalid Schema Name"),
    (*b"40", "Transaction Rollback"),
    (*b"42", "Syntax Error or Access Rule Violation"),
    (*b"44", "WITH CHECK OPTION Violation"),
    (*b"53", "Insufficient Resources"),
    (*b"54", "Program Limit Exceeded"),
    (*b"55", "Object Not In Prerequisite State"),
    (*b"57", "Operator Intervention"),
    (*b"58", "System Error (errors external to PostgreSQL itself)"),
    (*b"72", "Snapshot Failure"),
    (*b"F0", "Configuration File Error"),
    (*b"HV", "Foreign Data Wrapper Error (SQL/MED)"),
    (*b"P0", "PL/pgSQL Error"),
    (*b"XX", "Internal Error"),
];
