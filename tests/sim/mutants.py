"""Mutants: the cores with one rule broken each, to prove that the simulator would notice.

    mutants.py list                              names and files, for CMake
    mutants.py make NAME SOURCE OUT              write the broken copy; fails when its pattern no longer matches
    mutants.py run DIRECTORY [--seeds N] [--jobs N]   run sim-mutant-NAME of DIRECTORY, print the table

Production code knows nothing of this: a build step copies one source file, replaces one piece of text and links the
result in place of the original. A mutant counts as caught when a checker of the simulator (never an assertion of the
core itself) stops it within the seeds; the clean simulator passes the same seeds.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import time

R = "dataplane/replication/"
P = "dataplane/partition/"
SECONDS_MAX = 120  # per mutant

# name: (file, text, replacement, what is broken)
MUTANTS = {
    "old-term-commit": (R + "group_lead.c", "if (term != g->term)\n        return;\n    group_set_commit", "group_set_commit",
                        "entries of older terms commit by counting (figure 8 of the Raft paper)"),
    "vote-not-persisted": (R + "group.c", "buffer_append_u64(&g->hard_state, g->vote);", "buffer_append_u64(&g->hard_state, 0);",
                           "the vote is not in the hard state"),
    "vote-before-disk": (R + "group_election.c", "return g->vote != 0 && g->stable_term == g->term && g->stable_vote == g->vote;",
                         "return g->vote != 0;", "votes leave before they are on disk"),
    "term-not-persisted": (R + "group_election.c", "    g->is_vote_due = false;\n    g->is_hard_state_dirty = true;",
                           "    g->is_vote_due = false;", "a new term is not written"),
    "two-votes": (R + "group_election.c", "if (g->vote != 0)\n        return g->vote == m->from_replica;", "",
                  "a replica votes again in the same term"),
    "any-log-wins": (R + "group_election.c",
                     "return m->last_term > last_term || (m->last_term == last_term && m->last_index >= g->log.last_index);",
                     "return m->last_term + 1 > last_term || m->last_index + 1 > g->log.last_index;",
                     "votes go to shorter logs"),
    "ack-before-sync": (R + "group_follow.c", "if (g->stable_index >= g->verified_index && g->stable_term == g->term)\n        group_acknowledge(g);",
                        "g->stable_index = g->verified_index, g->stable_term = g->term;\n    if (g->stable_term == g->term)\n        group_acknowledge(g);",
                        "entries are acknowledged before they are on disk"),
    "leader-counts-unsynced": (R + "group_lead.c", "uint64_t match = group_match_index(g, member->replica_id);",
                               "uint64_t match = member->replica_id == g->options.replica_id ? g->log.last_index : group_match_index(g, member->replica_id);",
                               "a leader counts its own entries before they are on disk"),
    "commit-beyond-match": (R + "group_follow.c", "group_set_commit(g, m->commit_index < g->verified_index ? m->commit_index : g->verified_index);",
                            "group_set_commit(g, m->commit_index < g->log.last_index ? m->commit_index : g->log.last_index);",
                            "a follower commits entries that are not known to be the leader's"),
    "previous-not-checked": (R + "group_follow.c", "if (term == m->previous_term)\n        return true;", "if (term + 1 > 0)\n        return true;",
                             "entries are taken whatever comes before them"),
    "truncates-what-matches": (R + "group_follow.c", "uint32_t known = count_known(g, m);",
                               "uint32_t known = m->previous_index < g->commit_index ? count_known(g, m) : 0;\n    if (known == 0 && m->entry_count > 0 && g->verified_index > m->previous_index)\n        g->verified_index = m->previous_index;",
                               "a late message cuts off entries that were acknowledged"),
    "vote-after-restart": (R + "support.c", "return now_us >= s->vote_from_us;", "return s->vote_from_us != 0;",
                           "a restarted node votes at once, whatever it had promised"),
    "lease-after-transfer": (R + "group.c", "g->role == GROUP_LEADER && g->options.kind == MEMBER_STORAGE && !g->is_relinquished &&\n           !g->is_halted && g->applied_index >= g->noop_index && group_has_lease(g, support, now_us)",
                             "g->role == GROUP_LEADER && g->options.kind == MEMBER_STORAGE &&\n           !g->is_halted && g->applied_index >= g->noop_index && group_has_lease(g, support, now_us)",
                             "a leader serves after it has relinquished"),
    "relinquish-taken-back": (R + "group_lead.c", "group_relinquish(g); /* rule 11: it did not win, but the term is given up for good */",
                              "g->is_relinquished = g->is_transferring = false;",
                              "a leader whose transfer failed leads on in the same term"),
    "cached-clock": ("tests/sim/serve.c", "uint64_t now_us = clock_boot(w, n);\n    if (!group_can_serve_strong",
                     "uint64_t now_us = n->turn_us;\n    if (!group_can_serve_strong", "the lease is judged by the loop turn's cached time"),
    "clock-rate-ignored": (R + "support.c", "return lease_us * (PPM - ppm) / (PPM + ppm);", "return ppm == 0 ? 0 : lease_us;",
                           "the lease is not shrunk by the bound on clock rates"),
    "lease-from-receipt": (R + "support.c", "peer->held_until_us = m->sent_us + lease_shrunk(s, lease_us);",
                           "peer->held_until_us = now_us + lease_shrunk(s, lease_us);",
                           "support counts from when the grant arrived, not from before it was asked for"),
    "support-not-withdrawn": (R + "group_lease.c", "support_withdraw(g->support, g->confirmed_node, g->now_us);",
                              "(void)candidate;", "support is not withdrawn before a vote"),
    "epoch-not-checked": (R + "support.c", "return epoch != 0 && support_held_epoch(s, node, now_us) == epoch;",
                          "return epoch != 0 && support_held_epoch(s, node, now_us) != 0;",
                          "any support of a node counts, whenever it was confirmed"),
    "promise-broken": (R + "group_lease.c", "return support_given_epoch(g->support, g->confirmed_node) == g->confirmed_epoch;",
                       "return support_given_epoch(g->support, g->confirmed_node) == 0;",
                       "a replica votes while its node still supports the leader"),
    "pre-vote-skipped": (R + "group_election.c", "ask_voters(g, MESSAGE_PRE_VOTE, g->term + 1);", "campaign(g);",
                         "campaigns begin without asking whether the leader is heard"),
    "leader-not-asked-for": (R + "group_election.c", "reply->is_granted = !is_hearing && m->term > g->term && is_log_long_enough(g, m) &&\n                        group_may_vote_for(g, m->from_replica, m->relinquished_term);",
                             "reply->is_granted = m->term > g->term && is_log_long_enough(g, m);\n    reply->hears_leader = false;",
                             "whoever is asked for a pre-vote does not say that it hears the leader"),
    "reads-before-noop": (R + "group.c", "!g->is_halted && g->applied_index >= g->noop_index && group_has_lease(g, support, now_us)",
                          "!g->is_halted && group_has_lease(g, support, now_us)",
                          "a new leader serves before its term's no-op is applied"),
    "log-replica-serves": (R + "group.c", "return g->role == GROUP_LEADER && g->options.kind == MEMBER_STORAGE && !g->is_relinquished &&\n           !g->is_halted && g->applied",
                           "return g->role == GROUP_LEADER && !g->is_relinquished &&\n           !g->is_halted && g->applied",
                           "a log replica answers strong reads"),
    "learner-counts": (R + "group_lead.c", "        if (member->role != MEMBER_VOTER)\n            continue;\n        uint64_t match",
                       "        uint64_t match", "learners count towards commits"),
    "two-changes-at-once": (R + "group_lead.c", "if (g->latest.index > g->commit_index || is_full(g))", "if (is_full(g))",
                            "a membership change begins before the last one is committed"),
    "change-before-noop": (R + "group_lead.c", "if (g->commit_index < g->noop_index)\n        return ERR_UNAVAILABLE;\n    if (g->latest.index > g->commit_index || is_full(g))",
                           "if (is_full(g))",
                           "a membership change begins before the term's no-op is committed"),
    "old-replica-returns": ("tests/sim/node.c", "        if (replica_is_live(&n->replicas[g]))\n            replica_start(w, &n->replicas[g]);",
                            "        if (replica_is_live(&n->replicas[g]))\n            replica_start(w, &n->replicas[g]);\n        else if (n->replicas[g].is_quarantined)\n            replica_create(w, n, g, n->replicas[g].replica_id, n->replicas[g].kind, false);",
                            "a replica that lost data comes back under its old id"),
    "torn-is-damage": ("dataplane/log/segment.c", "if (scan->offset < scan->synced_offset)\n        return report_damage",
                       "if (scan->offset >= scan->synced_offset && has_trace_of_batch(scan))\n        scan->synced_offset = scan->offset + SEGMENT_RECORD_ALIGNMENT;\n    if (scan->offset < scan->synced_offset)\n        return report_damage",
                       "a torn tail is taken for damage"),
    "damage-is-torn": ("dataplane/log/segment.c", "if (scan->offset < scan->synced_offset)\n        return report_damage",
                       "if (scan->offset > scan->bytes.length)\n        return report_damage",
                       "damage is taken for a torn tail"),
    "request-id-forgotten": (P + "request_ids.c", "&& !is_forgotten(ids, r))\n            return &r->record;", "&& !is_forgotten(ids, r))\n            return NULL;",
                             "retried writes are not recognised"),
    "answer-from-pending": (P + "partition_evaluate.c", "answer->after_index = e->pending_index;", "answer->after_index = 0;",
                            "a refusal that rests on a pending write does not wait for it"),
    "pending-ignored": (P + "partition_evaluate.c", "if (pending != NULL) {\n        e->pending_index", "if (pending != NULL && row == NULL) {\n        e->pending_index",
                        "writes are decided on the applied row, whatever is pending"),
    "version-not-checked": (P + "partition_evaluate.c", "if (before != NULL && is_same_version(before->version, e->version))", "if (before != NULL)",
                            "an outcome that was computed elsewhere counts whatever became of the row meanwhile"),
    "ids-not-in-snapshot": (P + "partition.c", "TRY(request_ids_decode(p->ids, reader_rest(&r)));", "(void)reader_rest(&r);",
                            "request ids do not survive restarts and snapshots"),
    "ids-dropped-early": (P + "request_ids.c", "at(ids, ids->first)->record.index <= ids->chunks->name", "at(ids, ids->first)->record.index + 8 <= ids->chunks->name",
                          "saved request ids are deleted while some of them count"),
    "replay-counts-twice": (P + "request_ids.c", "if (record->index <= ids->last_index)", "if (record->index == 0)",
                            "a replay after a restart revives request ids that were forgotten"),
    "size-replayed": (P + "partition.c", "if (index > p->applied_index)\n        TRY(resize(&entry, &size));", "TRY(resize(&entry, &size));",
                      "a replay after a restart counts rows again that the store has counted"),
    "size-of-pending": (P + "partition_evaluate.c", ".item_bytes_before = (uint32_t)e->outcome.old_bytes,",
                        ".item_bytes_before = e->pending_index == 0 ? (uint32_t)e->outcome.old_bytes : pending_find(p, e->request->key)->entry.item_bytes_before,",
                        "a write that replaces a pending one takes away the size before that"),
    "child-forgets-ids": (P + "partition.c", "encode_head(p, false, p->split_index, partition_child_size(p, side), to);\n    request_ids_encode(p->ids, to);",
                          "encode_head(p, false, p->split_index, partition_child_size(p, side), to);\n    buffer_append_varint(to, 0);",
                          "request ids do not go to the children of a split"),
    "child-forgets-time": (P + "partition.c", "encode_head(p, false, p->split_index, partition_child_size(p, side), to);",
                           "((struct partition *)p)->commit_time_us = 0;\n    encode_head(p, false, p->split_index, partition_child_size(p, side), to);",
                           "a child's times begin anew"),
    "counts-not-divided": (P + "partition_split.c", "p->size.item_bytes - left.item_bytes};", "p->size.item_bytes};",
                           "what lies on one side of a split is counted on both"),
    "split-ignores-pending": (P + "partition_split.c", "if (is_watched(p, w->entry.key))\n            difference_add", "if (w->index == 0)\n            difference_add",
                              "a split's count leaves out what is proposed and not applied"),
    "split-count-of-then": (P + "partition_split.c", "if (is_watched(p, entry->key))\n        difference_add", "if (entry->key.length == 0)\n        difference_add",
                            "a split's count is that of the snapshot, whatever was written since"),
    "parent-serves-on": (R + "group.c", "group_has_lease(g, support, now_us) &&\n           !group_is_split(g);", "group_has_lease(g, support, now_us);",
                         "a group that was split serves reads"),
    "parent-serves-until-applied": (R + "group.c", "group_has_lease(g, support, now_us) &&\n           !group_is_split(g);",
                                    "group_has_lease(g, support, now_us) &&\n           !(g->split_index != 0 && g->applied_index >= g->split_index);",
                                    "a leader whose disk is slow serves reads when its followers have applied the split"),
    "parent-writes-on": (R + "group_lead.c", "if (g->split_index != 0 || is_full(g))", "if (is_full(g))",
                         "writes are proposed behind a split"),
    "change-behind-split": (R + "group_lead.c", "if (g->split_index != 0)\n        return ERR_BUSY;", "",
                            "a membership change begins while a split is in the log"),
    "split-undone-stays": (R + "group_log.c", "if (g->split_index < g->log.first_index || g->split_index > g->log.last_index)", "if (g->split_index < g->log.first_index)",
                           "a split that was truncated still closes its group"),
    "child-before-flush": ("tests/sim/split.c", "store_checkpoint(parent);\n        store_flush(w, n, w->groups[g].table);", "",
                           "a child is in the log before its rows are durable"),
    "child-does-not-wait": ("tests/sim/split.c", "if (r->is_removing || r->is_unborn || (r->replica_id != 0 && !is_closed))\n            return false;", "(void)is_closed, (void)r;",
                            "a child's replica is made where the parent still writes the range"),
    "parent-takes-rows-along": ("tests/sim/store.c", "if (is_taken(w, n, r->group_no, k))", "if (k >= KEYS)",
                                "dropping a parent drops its children's rows"),
    "closed-gives-snapshots": ("tests/sim/replica.c", "if (group_is_split(r->group) && to->kind == MEMBER_STORAGE)", "if (r->group == NULL && to->kind == MEMBER_STORAGE)",
                               "a group that was split gives snapshots of rows that are not its own"),
    "store-before-installing": ("tests/sim/replica.c", "append_snapshot_record(w, r, r->installing, SEGMENT_SNAPSHOT_INSTALLING, PERSIST_INSTALLING);",
                                "if (r->installing->meta != NULL) {\n        meta_copy(&r->durable, r->installing->meta);\n        items_copy(&w->nodes[r->node_no].durable_items[w->groups[r->group_no].table], r->installing->items, r->first_key, r->end_key);\n    }\n    append_snapshot_record(w, r, r->installing, SEGMENT_SNAPSHOT_INSTALLING, PERSIST_INSTALLING);",
                                "a snapshot is in the store before the log says that it is coming"),
    "install-not-completed": ("tests/sim/replica.c", "if (s->index == 0 || r->kind != MEMBER_STORAGE || r->durable.applied_index != s->index)", "if (s->index == 0 || r->kind == MEMBER_STORAGE || r->durable.applied_index != s->index)",
                              "a crash between the store's turning over and the log's is not mended"),
    "snapshot-behind-its-rows": ("tests/sim/replica.c", "s->index = to->kind == MEMBER_LOG ? status.first_index - 1 : r->meta.applied_index;",
                                 "s->index = to->kind == MEMBER_LOG || r->meta.applied_index < status.first_index + 1 ? status.first_index - 1 : r->meta.applied_index - 1;",
                                 "a snapshot's rows are of a later entry than it says"),
    "installed-not-in-log": ("tests/sim/replica.c", "append_snapshot_record(w, r, r->installing, SEGMENT_SNAPSHOT_INSTALLED, PERSIST_INSTALLED);", "finish_install(w, r);",
                             "the log does not say that a snapshot has taken its place"),
}


def pattern_of(old):
    """`old`, whatever its line breaks."""
    return r"\s+".join(re.escape(token) for token in old.split())


def occurrences(text, old):
    return len(re.findall(pattern_of(old), text))


def replace(text, old, new, name):
    """Replace `old`, which must be there exactly once."""
    if occurrences(text, old) != 1:
        sys.exit(f"mutants.py: {name}: the text to break is not there exactly once any more")
    return re.sub(pattern_of(old), lambda _: new, text)


def make(name, source, out):
    file, old, new, _ = MUTANTS[name]
    broken = replace(pathlib.Path(source).read_text(), old, new, name)
    pathlib.Path(out).write_text(broken)


def find(program, name, which, seconds):
    """What stops the mutant on these seeds first: (checker or None, seed)."""
    done = subprocess.run([program, *which, "--mutant", name], capture_output=True, text=True, timeout=seconds)
    checker = re.search(r"^violation of '(.*?)': (.*)$", done.stdout, re.M)
    seed = re.search(r"first in seed (\d+)", done.stdout)
    return (checker.group(1), int(seed.group(1))) if checker and seed else (None, 0)


def run_one(directory, name, seeds):
    """(name, seed or None, checker). Where an assertion of the core comes first, the seeds are tried one by one."""
    program = pathlib.Path(directory) / f"sim-mutant-{name}"
    deadline = time.monotonic() + SECONDS_MAX
    try:
        checker, seed = find(program, name, ["--seeds", str(seeds)], SECONDS_MAX)
        if checker == "assertion":
            one_by_one = (find(program, name, ["--seed", str(one)], max(0.1, deadline - time.monotonic()))
                          for one in range(1, seeds + 1))
            checker, seed = next((hit for hit in one_by_one if hit[0] not in (None, "assertion")), (checker, seed))
    except subprocess.TimeoutExpired:
        return name, None, "nothing in time"
    if checker in (None, "assertion"):
        return name, None, checker or "nothing"
    return name, seed, checker


def run(directory, seeds, jobs):
    caught = 0
    print(f"{'mutant':24} {'seed':>5}  checker")
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for name, seed, checker in pool.map(lambda name: run_one(directory, name, seeds), MUTANTS):
            print(f"{name:24} {seed if seed is not None else '-':>5}  {checker}", flush=True)
            caught += seed is not None
    print(f"mutants: {caught} of {len(MUTANTS)} caught within {seeds} seeds")
    return 0 if caught == len(MUTANTS) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["list", "make", "run"])
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if options.command == "list":
        print("\n".join(f"{name} {mutant[0]}" for name, mutant in MUTANTS.items()))
    elif options.command == "make":
        make(*options.arguments)
    elif options.command == "run":
        return run(options.arguments[0], options.seeds, options.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
