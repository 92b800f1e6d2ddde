//! The store's contract: every case runs on SQLite and, where `STORYCLIP_TEST_POSTGRES_URL` names a server, on
//! PostgreSQL. With `STORYCLIP_TEST_REQUIRE_POSTGRES=1` a missing server is a failure. Cases that need no more than the port
//! run on the store in memory, too, on which the simulation proves its promises.

#![allow(clippy::unwrap_used)]

mod api_keys;
mod bench;
mod cases;
mod claims;
mod commands;
mod counts;
mod creation;
mod drains;
mod failures;
mod ledger;
mod memory;
mod notices;
mod proxy;
mod quota;
mod secrets;
mod snapshots;
mod sqlite_file;
mod subject;
mod unreadable;

use bench::Bench;

macro_rules! case {
    (sqlite $module:ident $name:ident) => {
        #[tokio::test]
        async fn $name() {
            let bench = super::Bench::sqlite().await;
            super::$module::$name(&bench).await;
            bench.end().await;
        }
    };
    (postgres $module:ident $name:ident) => {
        #[tokio::test]
        async fn $name() {
            if let Some(bench) = super::Bench::postgres().await {
                super::$module::$name(&bench).await;
                bench.end().await;
            }
        }
    };
    (memory $module:ident $name:ident) => {
        #[tokio::test]
        async fn $name() {
            super::$module::$name(&super::memory::Memory::new()).await;
        }
    };
}

macro_rules! contract {
    (
        databases { $($module:ident: $($name:ident),*;)* }
        every_store { $($port:ident: $($of_port:ident),*;)* }
        memory { $($steps:ident: $($of_memory:ident),*;)* }
    ) => {
        mod sqlite {
            $($(case!(sqlite $module $name);)*)*
            $($(case!(sqlite $port $of_port);)*)*
        }

        mod postgres {
            $($(case!(postgres $module $name);)*)*
            $($(case!(postgres $port $of_port);)*)*
        }

        mod in_memory {
            $($(case!(memory $port $of_port);)*)*
            $($(case!(memory $steps $of_memory);)*)*
        }
    };
}

contract! {
    databases {
        creation: a_new_batch_reads_as_it_was_given, a_repeated_key_creates_nothing, an_old_key_counts_as_absent,
            old_keys_are_deleted_once_an_hour, a_batch_id_is_taken_once, active_batches_are_the_tenants_own,
            hostile_text_comes_back;
        cases: a_step_reaches_every_table, a_refused_step_takes_no_number, user_numbers_have_no_gaps;
        ledger: facts_are_replaced;
        quota: a_slot_is_used_until_its_post_is_certainly_not_to_go_live,
            a_clip_waits_until_it_is_settled_or_its_batch_cannot_go_on, whoever_waits_for_the_account_is_counted_once;
        claims: an_unheard_claim_is_given_back, dead_leases_are_released_where_there_is_but_one_daemon;
        commands: clips_that_were_named_are_remembered, a_detail_that_cannot_be_read_holds_up_nobody,
            a_kind_of_a_newer_program_does_not_stop_an_actor_that_runs;
        notices: every_event_is_queued_once_for_everyone_who_listens, an_event_older_than_an_endpoint_is_not_for_it,
            a_batch_s_own_url_and_browsers_are_told_without_an_endpoint,
            a_claim_lapses_and_a_late_outcome_of_it_is_dropped, a_dead_endpoint_rests_with_all_that_is_for_it,
            endpoints_are_the_tenants_own, old_notices_are_deleted_with_their_deliveries;
        secrets: replaced_secrets_sign_until_their_time_is_over, of_secrets_replaced_at_the_same_time_none_is_lost;
        counts: counts_are_those_of_the_rows;
        unreadable: an_unreadable_batch_holds_up_no_other;
        drains: random_drains_equal_one_by_one;
        api_keys: a_key_is_read_as_it_was_stored_until_it_is_revoked, of_one_request_sent_often_one_key_is_made,
            the_first_key_is_made_once, a_tenant_has_so_many_keys_and_no_more,
            a_ring_takes_over_what_others_did_to_the_rows;
        failures: closing_finishes_the_queue, a_cut_connection_is_replaced, a_lost_database_is_an_error,
            a_lost_commit_answer_is_looked_up, a_read_that_is_given_up_leaves_no_old_view_behind;
    }
    every_store {
        cases: a_stale_epoch_leaves_no_row, a_wrong_status_loses_only_its_own_change,
            a_taken_slot_refuses_only_the_offender, two_steps_of_one_batch_commit_in_order;
        ledger: several_writes_to_one_row_keep_their_order, posts_have_one_owner, a_slot_is_taken_until_it_is_vacated,
            a_post_is_intended_by_who_asked_for_just_that_until_the_end_is_known,
            a_place_is_an_instant_a_network_and_a_media;
        claims: racing_claimers_get_each_batch_once, a_named_claim_needs_something_to_do,
            a_node_can_say_which_batches_it_has_leases_of, a_respawn_counts_restarts, a_command_wakes_its_batch,
            a_command_is_heard_before_what_is_due, a_wake_that_stays_is_not_written, released_leases_are_free,
            a_renewed_lease_stays;
        commands: every_wish_comes_back, a_ruling_and_the_restarts_are_kept;
        snapshots: a_snapshot_is_what_was_written, a_claim_reads_the_current_intent,
            a_claim_reads_the_slot_to_which_a_post_was_moved;
    }
    memory {
        drains: random_steps_equal_one_by_one;
    }
}
