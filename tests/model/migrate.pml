/* SPDX-License-Identifier: MPL-2.0
 *
 * The handover of one container as worker/ does it, for SPIN 6.5 (Debian package spin); tests/model/run
 * builds and runs it. One source S, one target T, migrations (= epochs) 1..ATT, each with its own row in
 * both journals.
 *
 * Coordinators are not trusted and not modelled: whatever any number of them could ask (stale, doubled,
 * reordered, killed) is enabled at any time. A proof, once answered, may be used never, once or often, at
 * any later time and by any path: a bit that is set when the state may be told and never cleared. Deadlines may pass at any moment.
 * A journal row is durable when its transition is over; plans are volatile, so a crash fits between any
 * two operations of a plan and is followed by the recovery of every row, itself open to crashes.
 *
 * Comment tags at the end of a transition (S. source, T. target, E. the world) name its row in
 * tests/model/transitions.
 *
 *   -DATT=n  migrations      -DCR=n   crashes of each side
 *   -DVARIANT_B  the target's CRIU cannot hold a restore: PREPARED = payload verified, the restore runs
 *                after RUNNING
 *   -DMUT_x  a mutant: one rule broken, a property must notice. Those in tests/model/gaps are rules
 *            that worker/ does not keep yet: there the unbroken model is what it should do
 *   -DSLICE  for the long run: bits that nothing reads again are cleared                             */
#ifndef ATT
#define ATT 2
#endif
#ifndef CR
#define CR 2
#endif

#define BIT(e) (1 << (e))
#define HAS(set, e) ((set) & BIT(e))
#define FIRST(set, e) (((set) & (BIT((e) + 1) - 1)) == BIT(e))
#define SET(set, e) set = set | BIT(e)
#define CLEAR(set, e) set = set & ~BIT(e)
#define ALL (BIT(ATT + 1) - 2)

mtype = { NONE, OWN, HELD, RELEASED, DONE, RESERVED, PREPARED, RUNNING, REFUSED, LOST, CLOSED };
mtype sj[5] = NONE; /* the last row of each migration in S's journal, and in T's; ATT is 4 at most */
mtype tj[5] = NONE;
byte s_top = 0; /* the greatest epoch that S has held; it survives the closing of rows */

/* Plans under way, each named after the operation that comes next. */
mtype = { IDLE, FREEZE, SEND, INVALIDATE, THAW, RETIRE, SETTLE, RECORD, GO, SEEN, KILL, KILL_LOST };
mtype s_plan = IDLE;
mtype t_plan = IDLE;
byte s_e = 0, t_p = 0;       /* whose plan */
byte s_rec = 0, t_rec = 0;   /* rows that recovery has still to visit */
byte s_open = 0, t_open = 0; /* rows OWN, DONE, REFUSED whose plan has not come to its end: unsettled */
byte arming = 0;             /* rows of T that began a restore under the container's name */

/* The container's copies. */
bool s_run = true, s_frozen = false;
byte s_img = 0;                        /* the migration whose image lies on S, 0 = none */
byte t_e = 0;                          /* whose copy is on T, 0 = none: */
bool t_armed = false;                  /* restored, blocked at the hook */
bool t_going = false, t_run = false;   /* let go, not yet seen; seen running */

/* Payloads that are whole at T with the digest known; proofs that were answered. */
byte payload = 0, m_prepared = 0, m_grant = 0, m_running = 0, m_refused = 0, m_lost = 0;

byte crS, crT; /* crashes that may still come */

/* Ghosts: what no program knows and the properties need. */
byte stale = 0;        /* payloads older than what has run since */
bool s_old = false;    /* S's frozen copy is older than what has run since */
bool travel = false;   /* an older copy was set going */
bool dead = false;     /* the newest copy died as any container dies: with its host, or by itself */
byte seen = 0;         /* migrations that T has seen running */
byte forced = 0;       /* a person decided, with proof that T does not run it */

/* Whether any row of S is in a state. */
#define ANY(s) (sj[1] == s || sj[2] == s || sj[3] == s || sj[4] == s)
#define T_ANY(s) (tj[1] == s || tj[2] == s || tj[3] == s || tj[4] == s)
#define T_EXEC (t_run || t_going)
#define S_FREE (s_plan == IDLE && s_rec == 0)
#define T_FREE (t_plan == IDLE && t_rec == 0)
#define NO_COPY (!t_armed && !T_EXEC)

/* --- rules that a mutant or a gap breaks --- */

/* One migration of a container at a time: none that holds it, or has not finished undoing. */
#ifdef MUT_TWOROWS
#define S_BUSY(e) (false)
#else
#define S_BUSY(e) (ANY(HELD) || ANY(RELEASED) || (s_open & ~BIT(e)) != 0)
#endif
#define T_OTHER(e, f) ((e) != (f) && (tj[f] == RESERVED || tj[f] == PREPARED))
#define T_BUSY(e) (T_OTHER(e, 1) || T_OTHER(e, 2) || T_OTHER(e, 3) || T_OTHER(e, 4) || \
	(t_open & ~BIT(e)) != 0)

#if defined(MUT_REHOLD) /* hold again in a migration that has thawed before */
#define MAY_HOLD(e) (true)
#elif defined(MUT_TWOROWS)
#define MAY_HOLD(e) (!HAS(once, e))
byte once = 0;
#else
#define MAY_HOLD(e) ((e) > s_top)
#endif

/* Rows that nothing can happen to are left alone, which is the same and saves states: S takes epochs
 * up one by one, a row of T begins when S may hold, and of the closed rows only the last one matters. */
#ifdef MUT_TWOROWS
#define NEXT(e) (true)
#else
#define NEXT(e) ((e) == s_top + 1)
#endif
#define BEGUN(e) ((e) <= s_top + 1)

#ifdef MUT_KILLNAME /* kills whatever has the container's name, whether or not it restored it */
#define MAY_KILL(e) (true)
#else
#define MAY_KILL(e) HAS(arming, e)
#endif

#if defined(MUT_NOEPOCH) /* a grant of any epoch will do */
#define GRANTED(e) (m_grant != 0)
#elif defined(MUT_FORGED) /* proofs are not signed */
#define GRANTED(e) (true)
#else
#define GRANTED(e) HAS(m_grant, e)
#endif

#ifdef MUT_ANYHOST /* a refusal by a host that was never asked to take it */
#define GIVEN_BACK(e) (true)
#else
#define GIVEN_BACK(e) HAS(m_refused, e)
#endif

inline s_end(state, p, e_)
{
	sj[e_] = state;
	SET(s_open, e_);
	s_plan = p;
	s_e = e_
}
inline t_refuse(e_)
{
	tj[e_] = REFUSED;
	SET(t_open, e_);
	t_plan = KILL;
	t_p = e_
}
inline s_begin(p, e_)
{
	s_plan = p;
	s_e = e_
}
inline t_begin(p, e_)
{
	t_plan = p;
	t_p = e_
}
inline s_idle()
{
	s_plan = IDLE;
	s_e = 0
}
inline t_idle()
{
	t_plan = IDLE;
	t_p = 0
}
inline t_gone()
{
	t_armed = false;
	t_going = false;
	t_run = false;
	t_e = 0
}

/* T's copy of e may execute its first instruction from here on. */
inline t_let_go(e_)
{
	if
	:: HAS(stale, e_) -> travel = true
	:: else
	fi;
	SET(stale, e_); /* it has run: the payload is older from now on */
	s_old = true;
	t_armed = false;
	t_going = true;
	t_e = e_;
	dead = false
}

/* Bits that no later transition of the unbroken model reads are cleared: proofs that the source's row
 * has no use for any more, grants and payloads of a target's row that has ended. It takes for granted
 * that a proof is read for its own epoch (so MUT_NOEPOCH passes under SLICE); the short run does not. */
#ifdef SLICE
byte k = 0;
inline slice()
{
	d_step {
		k = BIT(s_top);
		m_prepared = (sj[s_top] == HELD -> m_prepared & k : 0);
		m_refused = (sj[s_top] == HELD || sj[s_top] == RELEASED -> m_refused & k : 0);
		m_lost = (sj[s_top] == HELD || sj[s_top] == RELEASED -> m_lost & k : 0);
		m_running = (sj[s_top] == HELD || sj[s_top] == RELEASED -> m_running & k : 0);
		forced = (s_frozen -> forced : 0);
		for (k : 1 .. ATT) {
			if
			:: tj[k] == NONE || tj[k] == RESERVED || tj[k] == PREPARED || t_p == k
			:: else ->
				m_grant = m_grant & ~BIT(k);
				payload = payload & ~BIT(k);
				stale = stale & ~BIT(k);
				arming = arming & (t_open | ~BIT(k))
			fi;
			if
			:: k < s_top && t_p != k && t_e != k && (tj[k] == LOST || tj[k] == RUNNING) ->
				tj[k] = REFUSED /* neither is read again */
			:: else
			fi
		}
		k = 0
	}
}
#else
#define slice() skip
#endif

/* --- the source: worker/handover.c's plans, worker/engine.c carries them out --- */
proctype S(byte e)
{
end:	do
	:: atomic { S_FREE && sj[e] == NONE && NEXT(e) && s_run && !S_BUSY(e) ->
		sj[e] = OWN } /* @S.sync */
	:: atomic { S_FREE && sj[e] == OWN && MAY_HOLD(e) && !S_BUSY(e) ->
		sj[e] = HELD; s_top = e; s_begin(FREEZE, e);
#ifdef MUT_TWOROWS
		SET(once, e);
#endif
#ifdef MUT_REHOLD
		CLEAR(s_open, e);
#endif
		slice() } /* @S.hold */
	:: atomic { s_plan == FREEZE && s_e == e && (s_run || s_frozen) ->
#ifdef MUT_STALEIMG
		if
		:: s_img == 0 -> s_run = false; s_frozen = true
		:: else /* "there is an image already" */
		fi;
#else
		s_run = false; s_frozen = true;
#endif
		s_img = e; s_plan = SEND } /* @S.freeze */
	:: atomic { s_plan == SEND && s_e == e && s_img == e ->
		SET(payload, e);
		if
		:: s_run -> SET(stale, e)
		:: else
		fi;
		s_idle(); slice() } /* @S.send */
	:: atomic { (s_plan == FREEZE || s_plan == SEND) && s_e == e ->
		s_end(OWN, INVALIDATE, e); slice() } /* @S.hold_failed */
	/* no room for the record: nothing is undone before it, the deadline comes back to it */
	:: atomic { (s_plan == FREEZE || s_plan == SEND) && s_e == e && crS > 0 ->
		crS--; s_idle() } /* @S.abort_unrecorded */
	:: atomic { S_FREE && sj[e] == HELD ->
		s_end(OWN, INVALIDATE, e) } /* @S.abort */ /* @S.deadline */
	:: atomic { S_FREE && sj[e] == RELEASED && GIVEN_BACK(e) ->
		s_end(OWN, INVALIDATE, e) } /* @S.abort_refused */
	:: atomic { S_FREE && sj[e] == RELEASED && HAS(m_lost, e) ->
		SET(forced, e); s_end(OWN, INVALIDATE, e) } /* @S.force */
	:: atomic { s_plan == INVALIDATE && s_e == e ->
#ifndef MUT_STALEIMG
		if
		:: s_img == e -> s_img = 0
		:: else
		fi;
#endif
		s_plan = THAW } /* @S.invalidate */
	:: atomic { s_plan == THAW && s_e == e ->
		if
		:: s_frozen ->
			if
			:: s_old && !HAS(forced, e) -> travel = true
			:: else
			fi;
			s_frozen = false; s_run = true;
			s_old = false; dead = false; stale = stale | payload
		:: else
		fi;
		s_plan = SETTLE; slice() } /* @S.thaw */
	:: atomic { S_FREE && sj[e] == HELD && HAS(m_prepared, e) ->
		sj[e] = RELEASED; SET(m_grant, e); slice() } /* @S.release */
	:: atomic { S_FREE && sj[e] == RELEASED && HAS(m_running, e) ->
		s_end(DONE, RETIRE, e) } /* @S.retire */
	:: atomic { s_plan == RETIRE && s_e == e ->
		/* whatever has the container's name */
		s_frozen = false; s_run = false;
		if
		:: s_img == e -> s_img = 0
		:: else
		fi;
		s_plan = SETTLE; slice() } /* @S.destroy */
	:: atomic { s_plan == SETTLE && s_e == e ->
		CLEAR(s_open, e); s_idle() } /* @S.settle */
	/* a thaw or a deletion fails, and is tried again */
	:: atomic { (s_plan == THAW || s_plan == RETIRE) && s_e == e && crS > 0 ->
		crS--; s_idle() } /* @S.stuck */
	:: atomic { S_FREE && HAS(s_open, e) && sj[e] == OWN ->
		s_begin(INVALIDATE, e) } /* @S.abort_again */
	:: atomic { S_FREE && HAS(s_open, e) && sj[e] == DONE ->
		s_begin(RETIRE, e) } /* @S.retire_again */
#ifndef SLICE /* a closed row and a settled one do the same */
	:: atomic { S_FREE && e == s_top && (sj[e] == OWN || sj[e] == DONE) && !HAS(s_open, e) ->
#ifdef MUT_FORGET /* no tombstone: the migration may begin again */
		sj[e] = NONE; s_top = 0
#else
		sj[e] = CLOSED
#endif
		} /* @S.clean */
#endif
	:: atomic { s_plan == IDLE && FIRST(s_rec, e) ->
		CLEAR(s_rec, e);
		if
		:: sj[e] == HELD -> s_end(OWN, INVALIDATE, e)
#ifdef MUT_RECOWN /* thaws for each row that says OWN, also for one that is settled */
		:: sj[e] == OWN -> s_begin(INVALIDATE, e)
#else
		:: sj[e] == OWN && HAS(s_open, e) -> s_begin(INVALIDATE, e)
#endif
#ifdef MUT_RECDONE /* deletes again for each row that says DONE */
		:: sj[e] == DONE -> s_begin(RETIRE, e)
#else
		:: sj[e] == DONE && HAS(s_open, e) -> s_begin(RETIRE, e)
#endif
		:: else
		fi } /* @S.recover */
#ifdef MUT_LEASE /* resumes on a timer after the release */
	:: atomic { S_FREE && sj[e] == RELEASED && s_frozen -> s_end(OWN, INVALIDATE, e) }
#endif
#ifdef MUT_EARLYDEL /* deletes the copy when the payload has gone */
	:: atomic { S_FREE && sj[e] == RELEASED && s_frozen -> s_frozen = false; s_img = 0 }
#endif
	od
}

/* --- the target --- */
proctype T(byte e)
{
end:	do
	:: atomic { T_FREE && tj[e] == NONE && BEGUN(e) && !T_BUSY(e) ->
		tj[e] = RESERVED } /* @T.reserve */
#ifdef VARIANT_B
	:: atomic { T_FREE && tj[e] == RESERVED && HAS(payload, e) && !T_BUSY(e) ->
		t_begin(RECORD, e) } /* @T.verify */
	:: atomic { t_plan == RECORD && t_p == e ->
		tj[e] = PREPARED; SET(m_prepared, e); t_idle(); slice() } /* @T.verified */
#else
	:: atomic { T_FREE && tj[e] == RESERVED && HAS(payload, e) && !T_BUSY(e) &&
		NO_COPY ->
		SET(arming, e); t_armed = true; t_e = e; t_begin(RECORD, e) } /* @T.arm */
	:: atomic { t_plan == RECORD && t_p == e && t_armed ->
		tj[e] = PREPARED; SET(m_prepared, e); t_idle(); slice() } /* @T.prepared */
#endif
	:: atomic { t_plan == RECORD && t_p == e ->
		t_refuse(e) } /* @T.arm_failed */
	:: atomic { T_FREE && BEGUN(e) &&
		(tj[e] == NONE || tj[e] == RESERVED || tj[e] == PREPARED) ->
		t_refuse(e) } /* @T.refuse */ /* @T.deadline */
	:: atomic { t_plan == KILL && t_p == e ->
		if
		:: MAY_KILL(e) -> t_gone()
		:: else
		fi;
		t_plan = SETTLE } /* @T.kill */
	:: atomic { t_plan == SETTLE && t_p == e ->
		CLEAR(t_open, e); CLEAR(arming, e); SET(m_refused, e); t_idle();
		slice() } /* @T.settle */
	/* a kill fails; its copy will not run, so that the refusal may be told; it is tried again */
	:: atomic { t_plan == KILL && t_p == e && crT > 0 ->
		crT--; SET(m_refused, e); t_idle() } /* @T.stuck */
	:: atomic { T_FREE && HAS(t_open, e) ->
		t_begin(KILL, e) } /* @T.refuse_again */
	:: atomic { T_FREE && tj[e] == PREPARED && GRANTED(e) ->
		tj[e] = RUNNING; t_begin(GO, e) } /* @T.start */
	/* no room for RUNNING: nothing is done, it stays PREPARED */
	:: atomic { T_FREE && tj[e] == PREPARED && GRANTED(e) && crT > 0 -> crT-- } /* @T.start_unrecorded */
#ifdef VARIANT_B
	:: atomic { t_plan == GO && t_p == e && NO_COPY ->
		SET(arming, e); t_let_go(e); t_plan = SEEN } /* @T.restore */
#else
	:: atomic { t_plan == GO && t_p == e && t_armed && t_e == e ->
		t_let_go(e); t_plan = SEEN } /* @T.go */
#endif
	:: atomic { t_plan == SEEN && t_p == e && t_run ->
		SET(seen, e); t_idle(); slice() } /* @T.seen */
	/* The restore failed, or its runtime says so: what is left of it must not live on. */
	:: atomic { (t_plan == GO || t_plan == SEEN) && t_p == e ->
#ifdef MUT_B_REFUSE /* "the restore failed, so it never ran" */
		t_refuse(e)
#else
		tj[e] = LOST;
#ifdef MUT_LOSTALIVE
		t_idle()
#else
		t_plan = KILL_LOST
#endif
#endif
		} /* @T.lost */
	/* no room for LOST: RUNNING stays in the journal, but is proved to nobody; the next start, or the
	 * next restart, comes back to it */
	:: atomic { (t_plan == GO || t_plan == SEEN) && t_p == e && crT > 0 ->
		crT--; t_idle() } /* @T.lost_unrecorded */
	:: atomic { T_FREE && tj[e] == RUNNING && !HAS(seen, e) ->
		tj[e] = LOST;
#ifndef MUT_LOSTALIVE
		t_begin(KILL_LOST, e)
#endif
		} /* @T.lost_again */
	:: atomic { t_plan == KILL_LOST && t_p == e ->
		if
		:: t_e == e ->
			dead = dead || T_EXEC;
			t_gone()
		:: else
		fi;
		SET(m_lost, e); t_idle(); slice() } /* @T.kill_lost */
	:: atomic { T_FREE && tj[e] == RUNNING && HAS(seen, e) && !HAS(m_running, e) ->
		SET(m_running, e) } /* @T.answer_running */
#ifdef MUT_LOSTALIVE /* LOST is told while something may be left running */
	:: atomic { T_FREE && tj[e] == LOST && !HAS(m_lost, e) -> SET(m_lost, e) }
#endif
	:: atomic { t_plan == IDLE && FIRST(t_rec, e) ->
		CLEAR(t_rec, e);
		if
		:: tj[e] == RESERVED || tj[e] == PREPARED || HAS(t_open, e) -> t_refuse(e)
		:: tj[e] == RUNNING && t_run -> SET(seen, e)
		:: tj[e] == RUNNING && !t_run ->
#ifdef MUT_B_RETRY /* restores once more from the same image */
			t_begin(GO, e)
#else
			tj[e] = LOST;
#ifndef MUT_LOSTALIVE
			t_begin(KILL_LOST, e)
#endif
#endif
#ifndef MUT_LOSTALIVE
		:: tj[e] == LOST -> t_begin(KILL_LOST, e)
#endif
		:: else
		fi } /* @T.recover */
#if defined(MUT_FORGET)
	:: atomic { T_FREE && (tj[e] == RUNNING || tj[e] == REFUSED || tj[e] == LOST) -> tj[e] = NONE }
#elif defined(MUT_EARLYCLEAN) /* a closed row says no last word any more */
	:: atomic { T_FREE && (tj[e] == RUNNING || tj[e] == REFUSED || tj[e] == LOST) -> tj[e] = CLOSED }
#else
	/* Cleaning drops the staging only; what the row proves stays true. */ /* @T.clean */
#endif
#ifdef MUT_OPTIM /* starts when prepared */
	:: atomic { T_FREE && tj[e] == PREPARED -> tj[e] = RUNNING; t_begin(GO, e) }
#endif
#ifdef MUT_NOJOURNAL /* the first instruction before RUNNING is durable */
	:: atomic { T_FREE && tj[e] == PREPARED && GRANTED(e) && t_armed && t_e == e -> t_let_go(e) }
#endif
#ifdef MUT_EARLYCONF /* RUNNING is proved when it is written, before it is seen */
	:: atomic { (t_plan == GO || t_plan == SEEN) && t_p == e && tj[e] == RUNNING &&
		!HAS(m_running, e) -> SET(m_running, e) }
#endif
#ifdef MUT_B_EAGER /* restores as soon as the payload is verified */
	:: atomic { T_FREE && tj[e] == PREPARED && NO_COPY -> t_let_go(e) }
#endif
#ifdef MUT_B_NOJOURNAL /* restores with the grant, records RUNNING when it runs */
	:: atomic { T_FREE && tj[e] == PREPARED && GRANTED(e) && NO_COPY -> t_let_go(e) }
	:: atomic { T_FREE && tj[e] == PREPARED && t_run && t_e == e -> tj[e] = RUNNING; SET(seen, e) }
#endif
#ifdef MUT_B_VERIFIED /* RUNNING is proved by a verified payload and a grant */
	:: atomic { T_FREE && tj[e] == PREPARED && GRANTED(e) && !HAS(m_running, e) ->
		SET(m_running, e) }
#endif
	od
}

/* --- the world --- */
active proctype World()
{
	byte i;
end:	do
	/* S's worker is killed at any point; the freezer keeps what was frozen */
	:: atomic { crS > 0 && (s_plan != IDLE || ANY(OWN) || ANY(HELD) || ANY(RELEASED) ||
		ANY(DONE)) ->
		crS--; s_idle(); s_rec = ALL } /* @E.source_worker_dies */
	/* S reboots: the frozen copy and its image (tmpfs) go with it */
	:: atomic { crS > 0 && (s_run || s_frozen) ->
		crS--; s_idle(); s_rec = ALL; s_run = false; s_frozen = false; s_img = 0;
		dead = !T_EXEC } /* @E.source_host_dies */
#ifdef MUT_NOFREEZE /* only criu holds the tasks, and criu is killed */
	:: atomic { crS > 0 && s_frozen ->
		crS--; s_frozen = false; s_run = true; stale = stale | payload }
#endif
	/* T's worker is killed: the hook's channel breaks and criu kills what was not let go */
	:: atomic { crT > 0 && (t_plan != IDLE || t_e != 0 || T_ANY(RESERVED) || T_ANY(PREPARED) ||
		T_ANY(RUNNING) || t_open != 0) ->
		crT--; t_idle(); t_rec = ALL;
		if
		:: t_armed -> t_gone()
		:: else
		fi } /* @E.target_worker_dies */
	:: atomic { crT > 0 && (t_armed || T_EXEC) ->
		crT--; t_idle(); t_rec = ALL; dead = dead || T_EXEC; t_gone() } /* @E.target_host_dies */
	/* criu, or the restored tasks, are killed while armed */
	:: atomic { crT > 0 && t_armed -> crT--; t_gone() } /* @E.armed_dies */
	:: atomic { crT > 0 && t_run -> crT--; dead = true; t_gone() } /* @E.container_exits */
	:: atomic { t_going -> t_going = false; t_run = true } /* @E.restore_ends */
	:: atomic { t_going -> dead = true; t_gone() } /* @E.restore_fails */
	/* another migration, T to S, has brought it home: S runs the newest copy again */
	:: atomic { t_run && T_FREE && S_FREE && !s_frozen && !s_run && ANY(DONE) &&
		!S_BUSY(0) ->
		t_gone(); s_run = true; s_old = false; stale = stale | payload; slice() } /* @E.comes_home */
	od
}

/* --- properties --- */

hidden byte one_runner = 0, no_travel = 0, recoverable = 0, destroy_ok = 0,
	authority = 0, resolved_ends = 0;

#define ONE_RUNNER (!(s_run && T_EXEC))
#define NO_TRAVEL (!travel)
/* The newest copy exists, unless it died as any container dies. */
#define RECOVERABLE (s_run || (s_frozen && !s_old) || T_EXEC || dead)
#define DESTROY(e) (sj[e] != DONE || HAS(seen, e))
#define DESTROY_OK (DESTROY(1) && DESTROY(2) && DESTROY(3) && DESTROY(4))
#define AUTH(e) !(tj[e] == RUNNING && (sj[e] == OWN || sj[e] == HELD))
#define N(e) (sj[e] == HELD || sj[e] == RELEASED)
/* In one journal of a migration, and in one migration of a source. */
#define AUTHORITY (AUTH(1) && AUTH(2) && AUTH(3) && AUTH(4) && N(1) + N(2) + N(3) + N(4) <= 1)
#define RESOLVED (s_open == 0 && t_open == 0 && !s_frozen && !t_armed && !t_going && (s_run || t_run || dead) && \
	s_rec == 0 && t_rec == 0)

/* An option is enabled only in a state that breaks the property, so this costs no states. */
active proctype Monitor()
{
end:	do
	:: !ONE_RUNNER -> assert(one_runner)
	:: !NO_TRAVEL -> assert(no_travel)
	:: !RECOVERABLE -> assert(recoverable)
	:: !DESTROY_OK -> assert(destroy_ok)
	:: !AUTHORITY -> assert(authority)
	:: timeout ->
		if
		:: !RESOLVED -> assert(resolved_ends)
		:: else -> break
		fi
	od
}

init
{
	byte e;

	/* Any number up to CR: an end must be resolved without the help of one more restart. */
	atomic {
		select(crS : 0 .. CR);
		select(crT : 0 .. CR);
		for (e : 1 .. ATT) {
			run S(e);
			run T(e)
		}
	}
}
