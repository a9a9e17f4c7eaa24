//! The conformance suite: every rule of the driver contract as a check that any driver can run.
//!
//! # For authors of drivers
//!
//! Describe your driver as a [`Target`]: how to make a fresh, empty database, and where your engine
//! differs from the default. Then let the macro write the tests, one per check:
//!
//! ```
//! use aquifer_testkit::conformance::Target;
//! use aquifer_testkit::fake::FakeServer;
//!
//! fn target() -> Target {
//!     Target::new("SELECT n FROM series(1, ?)", || FakeServer::new().connector())
//!         .statements_max(16)
//!         .session("SET zone = 'north'", "SHOW zone")
//! }
//!
//! mod conformance {
//!     use super::*;
//!     aquifer_testkit::conformance_suite!(target);
//! }
//! # fn main() {
//! # let report = aquifer_testkit::conformance::run(&target(), "execute");
//! # assert!(report.passed(), "{report}");
//! # }
//! ```
//!
//! Or call [`run`] and print the [`Report`], which also lists what does not apply to the target and why.
//!
//! Checks run on the calling thread without a runtime; a driver that needs one is given it with
//! [`Target::run_with`]:
//!
//! ```no_run
//! # use aquifer_testkit::conformance::Target;
//! # use aquifer_testkit::fake::FakeServer;
//! # let target = Target::new("", || FakeServer::new().connector());
//! target.run_with(|check| {
//!     let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
//!     let limit = std::time::Duration::from_secs(60);
//!     runtime.block_on(async { tokio::time::timeout(limit, check).await.is_ok() })
//! });
//! ```
//!
//! A failed check names the rule of the contract that was broken. The suite knows a driver only through
//! [`Connector`](aquifer_driver::Connector) and [`Connection`](aquifer_driver::Connection).

mod batch;
mod cancel;
mod case;
mod connect;
mod errors;
mod execute;
mod lifecycle;
mod multiplex;
mod queue;
mod rows;
mod script;
mod statements;
mod target;
mod transactions;
mod types;
mod wake;

use std::fmt;
use std::pin::Pin;

use case::{Case, Stop, Verdict};
pub use target::{CheckFuture, Database, KindCase, Target};

/// The one list of checks, by topic. Calls `$callback` with what it was given and the list.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_checks {
    ([$($callback:tt)+] $($given:tt)*) => {
        $($callback)+! {
            $($given)*
            connect {
                a_fresh_connection_is_idle
                the_connector_describes_itself
                two_connections_see_one_database
                a_connection_for_reading_refuses_writes
                a_dropped_connect_leaves_nothing_behind
            }
            execute {
                rows_affected_counts_what_changed
                last_insert_id_is_the_generated_key
                returning_gives_rows_and_counts
                too_few_arguments_are_refused
                too_many_arguments_are_refused
                many_arguments_are_taken
                an_argument_is_never_read_as_sql
                want_first_stops_early
                want_first_lets_a_write_finish
                want_outcome_gives_no_rows
                every_execution_of_one_text_takes_its_own_arguments
            }
            rows {
                columns_are_set_without_rows
                rows_come_in_order_in_bounded_batches
                a_stale_batch_is_cleared
                each_poll_may_bring_another_batch
                equal_names_are_both_kept
                a_value_beyond_the_bound_arrives_whole
                wide_rows_keep_batches_bounded
                a_half_read_result_waits
            }
            types {
                integers_round_trip
                floats_round_trip
                not_a_number_is_never_another_number
                text_round_trips
                a_nul_in_text_is_kept_or_refused
                bytes_round_trip
                null_empty_text_and_empty_bytes_differ
                declared_kinds_round_trip
                null_round_trips_in_every_kind
                first_and_cached_use_give_the_same
                refused_kinds_leave_the_connection_as_it_was
            }
            errors {
                a_syntax_error
                an_empty_text_does_not_break_the_connection
                a_missing_table
                a_missing_column
                a_unique_violation
                a_primary_key_violation
                a_not_null_violation
                a_check_violation
                a_foreign_key_violation
                an_error_repeats_from_the_cache
                no_error_shows_an_argument
                a_failed_statement_has_done_nothing
            }
            transactions {
                commit_keeps
                rollback_undoes
                status_follows_the_transaction
                an_empty_transaction_ends
                commit_without_begin_sends_nothing
                rollback_without_begin_succeeds
                a_savepoint_undoes_its_part
                ddl_is_undone
                a_read_only_transaction_refuses_writes
                an_error_leaves_the_status_that_the_engine_says
                a_transaction_begun_by_text_is_seen
                others_do_not_see_uncommitted_work
                a_connection_takes_many_transactions
            }
            statements {
                prepare_describes_parameters_and_columns
                prepare_of_a_bad_text_describes_nothing
                a_description_is_taken_once
                a_prepared_text_is_executed_from_the_cache
                the_cache_is_bounded
                the_engines_own_books_are_bounded
                a_new_column_is_seen_by_a_cached_statement
                a_table_made_anew_is_seen_by_a_cached_statement
            }
            cancel {
                a_long_statement_is_stopped
                a_stop_works_from_another_thread
                an_abandoned_long_statement_recovers_after_a_stop
                a_stop_when_idle_hits_nothing
                a_stop_after_the_end_hits_nothing
                a_stop_outlives_the_connection
            }
            batch {
                outcomes_come_in_order
                rows_belong_to_their_statement
                a_failed_statement_is_one_entry
                a_failed_last_statement_ends_the_batch
                in_a_transaction_the_rest_fails
                an_empty_batch_ends
                wants_are_kept_apart
                a_bad_argument_refuses_the_whole_batch
                many_equal_texts_are_prepared_once
                an_atomic_batch_is_all_or_nothing
            }
            queue {
                they_run_in_order_before_the_command
                they_and_the_command_are_one_flight
                a_commit_sends_and_keeps_them
                a_ping_sends_them
                a_failed_one_is_the_commands_error_with_its_number
                no_commit_takes_effect_behind_a_failed_one
                one_that_cannot_be_sent_is_named_and_nothing_is_sent
            }
            multiplex {
                answers_come_in_the_order_of_the_statements
                an_error_is_its_own_statements_and_those_behind_it_run_again
                writes_in_segments_of_their_own_are_each_kept_or_not
                wants_are_each_statements_own
                a_large_result_waits_for_room_and_is_whole
                rows_that_nobody_reads_are_skipped
                what_cannot_be_sent_is_refused_alone
                a_stop_ends_what_runs_and_nothing_is_lost
                what_is_abandoned_is_read_off
            }
            script {
                every_statement_gives_a_result_set
                a_script_leaves_the_cache_alone
                an_error_ends_the_script
                an_empty_script_ends
                a_script_can_hold_a_transaction
            }
            lifecycle {
                ping_answers
                reset_ends_the_transaction
                reset_clears_the_session
                abandon_at_every_step_recovers
                abandon_before_the_first_poll_recovers
                abandon_in_a_transaction_keeps_it
                abandon_when_idle_is_harmless
                recover_when_idle_is_harmless
                recover_rolls_back
                a_connection_dropped_in_a_result_frees_everything
                a_connection_dropped_in_a_transaction_undoes_it
                close_ends_an_open_transaction
                counters_never_fall
                a_connection_moves_between_threads
            }
            wake {
                the_newest_waker_is_woken
                polls_without_a_wake_are_harmless
                an_operation_dropped_at_every_poll_recovers
                a_transaction_dropped_at_every_poll_is_whole_or_nothing
            }
        }
    };
}

/// Writes one `#[test]` per check, in a module per topic. The argument is a function or closure that gives
/// the [`Target`](crate::conformance::Target). Put it into a module of its own.
#[macro_export]
macro_rules! conformance_suite {
    ($target:expr) => {
        $crate::__conformance_checks! { [$crate::__conformance_tests] ($target) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($target:expr) $($topic:ident { $($name:ident)* })*) => {$(
        mod $topic {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $name() {
                    let target: $crate::conformance::Target = ($target)();
                    $crate::conformance::assert_check(
                        &target,
                        concat!(stringify!($topic), "::", stringify!($name)),
                    );
                }
            )*
        }
    )*};
}

type Run = for<'a> fn(&'a Case) -> Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// One rule of the contract, as a check.
#[derive(Clone, Copy)]
pub struct Check {
    name: &'static str,
    run: Run,
}

impl Check {
    /// Topic and behaviour: `execute::want_first_stops_early`.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}

macro_rules! list {
    ($($topic:ident { $($name:ident)* })*) => {
        const CHECKS: &[Check] = &[$($(
            Check {
                name: concat!(stringify!($topic), "::", stringify!($name)),
                run: |case| Box::pin($topic::$name(case)),
            },
        )*)*];
    };
}
__conformance_checks! { [list] }

/// All checks, in the order of their topics.
pub fn checks() -> &'static [Check] {
    CHECKS
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The driver keeps the rule.
    Passed,
    /// The rule was broken, in words.
    Failed(String),
    /// The target has said that it cannot do this.
    NotApplicable(&'static str),
}

/// What a run of the suite has found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Every check that ran, and how it ended.
    pub endings: Vec<(&'static str, Ending)>,
}

impl Report {
    /// True if at least one check ran, and none failed.
    pub fn passed(&self) -> bool {
        !self.endings.is_empty() && self.failures().next().is_none()
    }

    /// The checks that failed, with the broken rule.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.endings.iter().filter_map(|(name, ending)| match ending {
            Ending::Failed(why) => Some((*name, why.as_str())),
            _ => None,
        })
    }

    /// The checks that do not apply, with the reason.
    pub fn not_applicable(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.endings.iter().filter_map(|(name, ending)| match ending {
            Ending::NotApplicable(why) => Some((*name, *why)),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, ending) in &self.endings {
            match ending {
                Ending::Passed => writeln!(f, "pass  {name}")?,
                Ending::Failed(why) => writeln!(f, "FAIL  {name}: {why}")?,
                Ending::NotApplicable(why) => writeln!(f, "n/a   {name}: {why}")?,
            }
        }
        let failed = self.failures().count();
        write!(f, "{} checks, {failed} failed", self.endings.len())
    }
}

/// Runs every check whose name contains `filter` (all, if it is empty), each on a fresh database.
pub fn run(target: &Target, filter: &str) -> Report {
    let chosen = CHECKS.iter().filter(|check| check.name.contains(filter));
    Report { endings: chosen.map(|check| (check.name, run_check(target, check))).collect() }
}

/// Runs one check.
pub fn run_check(target: &Target, check: &Check) -> Ending {
    let case = Case::new(target);
    let mut verdict = None;
    let ended = (target.runner)(Box::pin(async {
        verdict = Some((check.run)(&case).await);
    }));
    drop(case);
    let ending = match verdict {
        Some(Ok(())) => Ending::Passed,
        Some(Err(Stop::NotApplicable(why))) => Ending::NotApplicable(why),
        Some(Err(Stop::Broken(why))) => Ending::Failed(why),
        None if ended => Ending::Failed("the runner dropped the check".to_owned()),
        None => Ending::Failed(
            "poll: a Pending must be followed by a wake of the newest waker; none came".to_owned(),
        ),
    };
    match (&ending, &target.inspect) {
        (Ending::Passed, Some(inspect)) => match inspect() {
            Ok(()) => ending,
            Err(why) => Ending::Failed(format!("afterwards, on the engine's side: {why}")),
        },
        _ => ending,
    }
}

/// Runs the check of that name and fails the test if the rule is broken.
///
/// # Panics
///
/// If the check fails, or there is none of that name.
#[track_caller]
pub fn assert_check(target: &Target, name: &str) {
    let Some(check) = CHECKS.iter().find(|check| check.name == name) else {
        panic!("the suite has no check `{name}`");
    };
    match run_check(target, check) {
        Ending::Passed => {}
        Ending::NotApplicable(why) => println!("does not apply: {why}"),
        Ending::Failed(why) => panic!("{name}: {why}"),
    }
}
